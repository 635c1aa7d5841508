"""``sdnctl drops`` shows real packets that are dropped: on the way out, on the way in, and by limits."""

import sys
import time
from collections.abc import Iterator

import pytest

from topologies import frames, scenarios
from topologies.cloud import Cloud
from topologies.drops import Drops
from topologies.internet import SERVER

SENDS = 5
ASKS = 1000
"""Packets at the end of their hop limit, at once: a hundred a second are answered."""
BURST = """
import socket, sys
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind(("eth0", 0))
for _ in range(int(sys.argv[2])):
    out.send(bytes.fromhex(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with Cloud() as made:
        made.build(scenarios.many_interfaces())
        assert made.guests["multi"].reaches("10.0.0.1", 10)
        yield made


def send(cloud: Cloud, machine: str, *wire: bytes) -> None:
    for frame in wire:
        for _ in range(SENDS):
            cloud.guests[machine].send(frame)


def test_what_an_interface_sends_in_vain(cloud: Cloud) -> None:
    guest = cloud.guests["vm-a"]
    mac, router = guest.mac(), frames.who_has(guest, "10.0.0.1", "10.0.0.11")[0]
    watched = Drops(cloud, "vm-a")

    def sent(source: tuple[str, str], target: str) -> bytes:
        return frames.udp(source, (router, target), b"drops")

    send(cloud, "vm-a", sent((mac, "10.0.0.77"), "10.0.0.10"), sent(("fa:16:3e:99:99:99", "10.0.0.11"), "10.0.0.10"))
    send(cloud, "vm-a", sent((mac, "10.0.0.11"), "10.0.1.99"), sent((mac, "10.0.0.11"), "10.0.200.1"))
    send(cloud, "vm-a", sent((mac, "10.0.0.11"), SERVER))
    found = watched.ended()
    told = {reason: found.get(("out", reason), 0) for reason in ("spoofed-ip", "spoofed-mac", "no-elastic-ip")}
    assert told == dict.fromkeys(told, SENDS), found
    assert found["out", "no-such-address"] == found["out", "no-subnet"] == SENDS, found
    assert {direction for direction, _ in found} == {"out"}
    assert all(line["remedy"] for line in watched.looks[-1]["drops"])
    assert cloud.owners["vm-a"].vpc("describeQuota", type="dropWatch")["quota"]["count"] == 0, "it ended its watch"


def test_what_an_acl_keeps_from_an_interface(cloud: Cloud) -> None:
    """Both ends are watched: the sender is told as well as the receiver."""
    owner = cloud.owners["vm-c"]
    subnet = cloud.ids["solo", "net", "back"]
    acl = owner.vpc("createNetworkAcl", vpcId=cloud.ids["solo", "net"], networkAclName="shut")["networkAclId"]
    sender = cloud.guests["vm-a"]
    mac, router = sender.mac(), frames.who_has(sender, "10.0.0.1", "10.0.0.11")[0]
    owner.vpc("associateNetworkAcl", networkAclId=acl, subnetIds=[subnet])
    try:
        inside, outside = Drops(cloud, "vm-c"), Drops(cloud, "vm-a")
        send(cloud, "vm-a", frames.udp((mac, "10.0.0.11"), (router, "10.0.1.11"), b"drops"))
        assert inside.ended() == {("in", "acl"): SENDS}
        assert outside.ended() == {("out", "acl"): SENDS}
    finally:
        owner.vpc("disassociateNetworkAcl", networkAclId=acl, subnetId=subnet)


def test_what_a_limit_drops(cloud: Cloud) -> None:
    guest = cloud.guests["vm-a"]
    router = frames.who_has(guest, "10.0.0.1", "10.0.0.11")[0]
    watched = Drops(cloud, "vm-a")
    time.sleep(2.5)  # a reading that the limit is counted from
    expiring = frames.udp((guest.mac(), "10.0.0.11"), (router, "10.0.1.11"), b"drops", ttl=1)
    guest.run(sys.executable, "-c", BURST, expiring.hex(), str(ASKS))
    dropped = watched.ended()["out", "limit-asking"]
    assert 0 < dropped < ASKS  # the burst is fewer where the machine itself loses some
