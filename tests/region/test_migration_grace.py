"""S16 in a live migration: a download goes on at the host that a machine moves to, which has not seen it begin."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.packet.test_group_grace import GRACE_S, download
from topologies.process import wait_until, within
from topologies.region import Region

CLIENT, SERVER, TARGET = "red3", "red1", "hv2"
ADDRESS, ROUTER, SERVER_ADDRESS = "10.0.1.13", "10.0.1.1", "10.0.0.11"
PORT, OWN = 5001, 41001


@contextmanager
def closed(region: Region, name: str) -> Iterator[None]:
    """A machine lets nothing in."""
    owner, vpc = region.owners[name], region.ids["red", "net"]
    port = region.interfaces[name, 0]["networkInterfaceId"]
    id = owner.vpc("createNetworkSecurityGroup", vpcId=vpc, networkSecurityGroupName="g")["networkSecurityGroupId"]
    owner.vpc("modifyNetworkInterface", networkInterfaceId=port, securityGroups=[id])
    region.cli("wait", "--timeout", "20")
    try:
        yield
    finally:
        owner.vpc("modifyNetworkInterface", networkInterfaceId=port, securityGroups=[])
        owner.vpc("deleteNetworkSecurityGroup", networkSecurityGroupId=id)
        region.cli("wait", "--timeout", "20")


@contextmanager
def moved(region: Region, name: str) -> Iterator[None]:
    """The machine, with all that is open in it, is on the target host: its address goes over to a NIC there."""
    guest, host = region.guests[name], region.hosts[TARGET]
    guest.wire(region.net, host, region.interfaces[name, 0], 1)
    guest.run("ip", "address", "flush", "dev", "eth0", "scope", "global")
    guest.interface("eth1", f"{ADDRESS}/24", gateway=ROUTER)
    host.plug(guest.nics[1], region.interfaces[name, 0]["networkInterfaceId"])
    try:
        yield
    finally:
        guest.detach(region.net, host, 1)
        guest.static(f"{ADDRESS}/24", router=ROUTER)


def graces(region: Region, host: str) -> int:
    """The flows of a host's switch that there are in a time of grace only."""
    return sum("udp" in flow and "tp_src=0x0/0x8000" in flow for flow in region.hosts[host].flows())


def test_s16_a_download_goes_on_where_the_machine_moves_to(region: Region) -> None:
    """For half a minute, for this interface and on this host only; nothing new gets in meanwhile."""
    client, server = region.guests[CLIENT], region.guests[SERVER]
    assert client.reaches(SERVER_ADDRESS, 10)
    # A switch that an earlier test started has a time of grace of its own.
    assert wait_until(lambda: not any(graces(region, host) for host in region.hosts), GRACE_S + 15, 0.2)
    with closed(region, CLIENT), download(client, server, SERVER_ADDRESS, PORT, OWN) as stream:
        assert stream.comes()
        before = time.monotonic()
        with moved(region, CLIENT):
            assert wait_until(lambda: graces(region, TARGET), 5)
            begun = time.monotonic()
            assert stream.comes(), "it goes on"
            first = next(at for at in stream.got if at > before + 0.1)
            assert [host for host in region.hosts if graces(region, host)] == [TARGET]
            with pytest.raises(TimeoutError):
                within(server.pid, lambda: socket.create_connection((ADDRESS, 6000), 2))
            known = region.hosts[TARGET].appctl("dpctl/dump-conntrack", "-s")
            assert f"orig=(src={ADDRESS},dst={SERVER_ADDRESS},sport={OWN},dport={PORT})" in known, known
            assert graces(region, TARGET), "so the time was not over"
            assert wait_until(lambda: not graces(region, TARGET), GRACE_S + 5, 0.2)
            took = time.monotonic() - begun
            assert stream.comes(), "it is known by now"
        print(f"the download goes on {first - before:.2f} s after the move began; grace was over after {took:.1f} s")
        assert took <= GRACE_S + 1
    assert wait_until(lambda: server.reaches(ADDRESS), 10)
