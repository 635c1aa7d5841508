"""A little world for the tests of the store: every kind of field and of reference, and a class that hosts report."""

from collections.abc import Callable

from sdnctl.base.addresses import Cidr, Ip4, Mac
from sdnctl.model.resource import field, label, number, ref, resource
from sdnctl.store import Region, Txn


@resource(prefix="net", indexes=(("account",),))
class StoreNet:
    """A record that others refer to."""

    id: str
    account: str = field()
    cidr: Cidr = field(default=Cidr(Ip4(0), 0))
    key: int = number("store_key", 1, 2**24 - 1)
    name: str = label(default="")


@resource(prefix="port", indexes=(("net", "addresses"), ("account", "host")))
class StorePort:
    """Many fields, as a port has."""

    id: str
    account: str = field()
    net: str = ref("StoreNet")
    peer: str = ref("StorePort", default="", on_delete="clear")
    mac: Mac = field()
    address: Ip4 = field(default=Ip4(0))
    addresses: tuple[Ip4, ...] = field(default=())
    blocks: tuple[Cidr, ...] = field(default=())
    groups: tuple[str, ...] = field(default=())
    weights: tuple[int, ...] = field(default=())
    host: str = field(default="")
    key: int = number("store_port", 1, 2**24 - 1)
    enabled: bool = field(default=True)
    share: float = field(default=0.0)
    name: str = label(default="")
    tags: dict[str, str] = label(default={})


@resource(report=True)
class StoreSeen:
    """A host's report of a port."""

    id: str
    port: str = ref("StorePort", on_delete="cascade")
    applied: int = field(default=0)


@resource(local=True)
class StoreLocal:
    """A record that is never stored."""

    id: str


STORED = (Region, StoreNet, StorePort, StoreSeen)


def port(number: int, net: str = "net-1", **given: object) -> StorePort:
    """A port with every field set, all of them functions of ``number``."""
    values = {
        "id": f"port-{number:010d}",
        "account": f"account-{number % 7}",
        "net": net,
        "mac": Mac(0xFA163E000000 + number),
        "address": Ip4(0x0A000000 + number),
        "addresses": (Ip4(0x0A000000 + number), Ip4(0x0B000000 - number)),
        "blocks": (Cidr.parse("10.9.0.0/16"),),
        "groups": ("sg-b", "sg-a"),
        "weights": (3, 1, 2),
        "host": f"host-{number % 50}",
        "key": number + 1,
        "enabled": number % 2 == 0,
        "share": number / 8,
        "name": f'port "{number}" }} ü',
        "tags": {"n": str(number), "a": "b"},
        **given,
    }
    return StorePort(**values)  # type: ignore[arg-type]


def put(*records: object) -> Callable[[Txn], None]:
    """Work that writes these records."""

    def work(txn: Txn) -> None:
        for record in records:
            txn.put(record)

    return work
