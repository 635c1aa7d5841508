"""A HaVip among machines of a cloud: its members, what they claim, and who answers."""

from typing import Any

from topologies.cloud import Cloud
from topologies.process import wait_until


class HaVip:
    """A HaVip whose address all members have, as with keepalived the master has; each says who it is by its echo."""

    def __init__(
        self, cloud: Cloud, account: str, subnet: tuple[str, ...], address: str, members: tuple[str, ...]
    ) -> None:
        self.cloud, self.address = cloud, address
        self._tenant = cloud.tenants[account]
        self._members = members
        self._eip = ""
        asked = {"haVipName": "shared", "subnetId": cloud.ids[subnet], "ipAddress": address}
        self.id = str(self._tenant.vpc("createHaVip", **asked)["haVipId"])
        for name in members:
            cloud.guests[name].sysctl("net.ipv4.conf.all.arp_ignore=1", "net.ipv4.conf.all.arp_announce=2")
            cloud.guests[name].run("ip", "address", "add", f"{address}/32", "dev", "eth0")
            self.join(name)

    def resource(self, name: str) -> dict[str, str]:
        """A member as the API names it."""
        return {"resourceType": "instance", "resourceId": self.cloud.instances[name]}

    def join(self, name: str) -> None:
        """Associate a machine."""
        self._act("associateHaVipResources", resources=[self.resource(name)])

    def leave(self, name: str) -> None:
        """Take it away again."""
        self._act("disassociateHaVipResources", resources=[self.resource(name)])

    def move(self, name: str) -> None:
        """Make a machine the master by hand, and wait until that is in force."""
        self.hand(name)
        self.cloud.cli("wait")

    def check(self, **how: Any) -> None:
        """Have the members checked in a way, or no more without any, and wait until that is in force."""
        self._act("modifyHaVip", **({"healthCheck": how} if how else {"closeHealthCheck": True}))
        self.cloud.cli("wait")

    def health(self) -> dict[str, str]:
        """The health of each member by its name."""
        names = {id: name for name, id in self.cloud.instances.items()}
        return {names[one["resourceId"]]: str(one["status"]) for one in self.shown()["memberHealth"]}

    def events(self) -> list[dict[str, Any]]:
        """The moves that are kept, the newest first, with the machines' names."""
        names = {port["networkInterfaceId"]: name for (name, _), port in self.cloud.interfaces.items()} | {"": ""}
        found = self._tenant.vpc("describeHaVipEvents", haVipId=self.id)["haVipEvents"]
        return [{**one, "from": names[one["from"]], "to": names[one["to"]]} for one in found]

    def hand(self, name: str) -> None:
        """The same without waiting."""
        self._act("setHaVipMaster", masterResource=self.resource(name))

    def _act(self, action: str, **parameters: Any) -> None:
        self._tenant.vpc(action, haVipId=self.id, **parameters)

    def take(self, name: str, kind: str = "-U", moves: bool = True) -> None:
        """A machine claims the address by one gratuitous ARP; with ``moves`` wait until the region has taken note."""
        self.cloud.guests[name].run("arping", "-q", kind, "-c", "1", "-I", "eth0", self.address, check=False)
        if moves:
            assert wait_until(lambda: self.master() == name, 20), f"{name} is not the master"

    def delete(self) -> None:
        """Take it away, and its address from the members."""
        if self._eip:
            self.unbind()
        for name in self._members:
            self.leave(name)
            self.cloud.guests[name].run("ip", "address", "del", f"{self.address}/32", "dev", "eth0")
        self._tenant.vpc("deleteHaVip", haVipId=self.id)

    def shown(self) -> dict[str, Any]:
        """The HaVip as the API shows it."""
        return dict(self._tenant.vpc("describeHaVip", haVipId=self.id)["haVip"])

    def master(self) -> str:
        """The machine that is master, "" for none."""
        found = self.shown()["masterResource"]
        names = {id: name for name, id in self.cloud.instances.items()}
        return names[found["resourceId"]] if found else ""

    def answers(self, sender: str, address: str = "") -> str:
        """The member that gets an echo request of ``sender`` ("internet": the server there), "" for none or several."""
        target = address or self.address
        station = self.cloud.internet.server if sender == "internet" else self.cloud.guests[sender]
        wires = {name: self.cloud.guests[name].sniff() for name in self._members}
        for wire in wires.values():
            wire.__enter__()
        try:
            got = station.ping(target, count=2, wait=2)
            saw = [name for name, wire in wires.items() if wire.seen(_request)]
        finally:
            for wire in wires.values():
                wire.__exit__(None, None, None)
        return saw[0] if got == 2 and len(saw) == 1 else ""

    def bind(self, mbps: int) -> str:
        """Bind a new public address; it."""
        bought = self._tenant.new_elastic_ip(mbps)
        self._eip = bought["elasticIpId"]
        self._tenant.bind(self._eip, self.shown()["networkInterfaceId"])
        return str(bought["elasticIpAddress"])

    def unbind(self) -> None:
        """Take it away again."""
        self._tenant.unbind(self._eip, self.shown()["networkInterfaceId"])
        self._eip = ""


PROBER = bytes((169, 254, 169, 110))
"""The sender of the network's own checks."""


def _request(frame: bytes) -> bool:
    """True for an echo request that is no check of the network's own."""
    return frame[12:14] == b"\x08\x00" and frame[23] == 1 and frame[34] == 8 and frame[26:30] != PROBER
