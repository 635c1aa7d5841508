"""The knowledge of hosts by which connections of a NAT gateway go on where another host takes it over."""

from sdnctl.base.addresses import Ip4
from sdnctl.model.checks import COUNT_MAX, named, within
from sdnctl.model.resource import field, ref, resource

ROWS_MOST = 1000
PORT_MOST = 65_535


@resource(local=True)
class GatewayHost:
    """The host on which this one knows a NAT gateway (the id) to be, since ``looks`` looks."""

    id: str
    host: str = field()
    looks: int = field(default=0)


@resource(report=True, reach="vpc")
class MovedPorts:
    """The connections of a NAT gateway whose source port was another machine's, as ``host`` has them, which translates.

    Each row is a source address and port, a destination address and port, and the elastic IP and port that the
    connection has instead.  Of several hosts the one with the highest ``turn`` was the last to translate.
    """

    id: str
    host: str = ref("Host", on_delete="cascade")
    gateway: str = ref("NatGateway", on_delete="cascade")
    vpc: str = field(default="")
    turn: int = field(default=0)
    rows: tuple[str, ...] = field(default=())

    def check(self) -> None:
        """ValueError when the id is another one, or a row makes no sense."""
        named(self.id, f"{self.host}/{self.gateway}")
        within("turn", self.turn, 0, COUNT_MAX)
        within("rows", len(self.rows), 0, ROWS_MOST)
        for row in self.rows:
            ends(row)


def ends(row: str) -> tuple[Ip4, int, Ip4, int, Ip4, int]:
    """The three addresses and ports of a row; ValueError when that is none."""
    try:
        src, src_port, dst, dst_port, eip, port = row.split()
    except ValueError:
        raise ValueError(f"rows has {row!r}, not three addresses and ports") from None
    ports = [int(one) for one in (src_port, dst_port, port)]
    for one in ports:
        within("rows", one, 0, PORT_MOST)
    return Ip4.parse(src), ports[0], Ip4.parse(dst), ports[1], Ip4.parse(eip), ports[2]
