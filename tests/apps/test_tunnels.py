"""Tunnels bring frames from hosts of the region only, to the port that they name, whatever MAC address that has."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

from apps.eni.facts import mac_of
from apps.eni.model import NetworkInterface
from apps.eni.tables import ORIGIN
from apps.vpc.model import Vpc
from sdnctl.base.addresses import Ip4, Mac
from sdnctl.model.host import TUNNEL, Host, LocalTunnel
from sdnctl.of import fields as f
from sdnctl.of.actions import resubmit, set_field
from sdnctl.of.message import packet_out
from sdnctl.store import Change
from tests.apps.live import Live, only, same
from tests.apps.words import running, verdict
from tests.build import ELSEWHERE, HERE, Network

TUNNEL_PORT = 7
FAR, NOBODY = Ip4.parse("192.0.2.2"), Ip4.parse("192.0.2.99")
OWN = {"own": Mac(0x021122334455), "far": Mac(0x020000000001)}
"""MAC addresses that tenants chose; the second one ends with the key of another port."""
DATA = UDP(sport=1, dport=2) / Raw(b"across")


def network() -> Network:
    """Two interfaces here and one elsewhere, one at each place with a MAC address of its own."""
    net = Network()
    for name, last in ((HERE, 1), (ELSEWHERE, 2)):
        host = Host(id=name, encap_ip=Ip4.parse(f"192.0.2.{last}"), encap_type="geneve")
        net.store.report(lambda txn, host=host: txn.put(host))
    subnet = net.subnet(net.vpc("a", "10.0.0.0/16"), "a", "10.0.1.0/24")
    for number, (name, host) in enumerate({"plain": HERE, "own": HERE, "far": ELSEWHERE}.items()):
        port = net.port(subnet, name, f"10.0.1.{10 + number}", host=host)
        if name in OWN:
            net.store.transact(lambda txn, port=port, name=name: txn.put(replace(port, mac=OWN[name])))
    net.local[LocalTunnel, TUNNEL] = LocalTunnel(id=TUNNEL, ofport=TUNNEL_PORT, mtu=1450)
    return net


@pytest.fixture(scope="module")
def lab() -> Iterator[Live]:
    """One switch for all cases here."""
    with running(network()) as made:
        yield made


def key(lab: Live, name: str) -> int:
    found: Any = lab.network.store.state.get(NetworkInterface, f"port-{name}")
    return int(found.key)


def vpc_key(lab: Live) -> int:
    found: Any = lab.network.store.state.get(Vpc, "vpc-a")
    return int(found.key)


def arrives(lab: Live, frame: Packet, source: Ip4 = FAR) -> dict[str, list[bytes]]:
    """A frame comes out of a tunnel from an address of the underlay; what leaves."""
    actions = (set_field(f.TUN_ID, vpc_key(lab)), set_field(f.TUN_SRC, source), resubmit(ORIGIN.id))
    lab._wire.send(packet_out(bytes(frame), TUNNEL_PORT, actions, 7))
    return lab.settle()


def across(lab: Live, to: str, eth_dst: Mac) -> Packet:
    """A frame from the interface elsewhere to one that is here."""
    return Ether(src=str(OWN["far"]), dst=str(eth_dst)) / IP(src="10.0.1.12", dst=lab.address(to)) / DATA


@pytest.mark.parametrize("to", ["plain", "own"])
def test_a_port_gets_its_own_mac_address_back(lab: Live, to: str) -> None:
    """A tunnel names it by its key; it sees its own address, chosen or not."""
    got = arrives(lab, across(lab, to, mac_of(key(lab, to))))
    same(only(got, to), across(lab, to, Mac.parse(lab.mac(to))))


def test_a_port_elsewhere_is_named_by_its_key(lab: Live) -> None:
    """Not by the end of the MAC address that its tenant chose, which is another port's key."""
    frame = Ether(src=lab.mac("own"), dst=str(OWN["far"])) / IP(src="10.0.1.11", dst="10.0.1.12") / DATA
    left = Ether(only(lab.send("own", frame), "tunnel"))
    assert (left.src, left.dst) == (lab.mac("own"), str(mac_of(key(lab, "far"))))


def test_what_comes_from_no_host_of_the_region_is_dropped(lab: Live) -> None:
    """Nobody has the address; and a host that was deleted has none any more."""
    frame = across(lab, "plain", mac_of(key(lab, "plain")))
    assert arrives(lab, frame, NOBODY) == {}
    whole: dict[f.OxmField, int] = {
        f.TUN_ID: vpc_key(lab),
        f.TUN_SRC: NOBODY,
        f.ETH_DST: mac_of(key(lab, "plain")),
        f.ETH_TYPE: f.ETH_TYPE_IP,
    }
    said = verdict(lab, TUNNEL_PORT, whole)
    assert said == "dropped: no host of the region has the tunnel address 192.0.2.99 (unknown-host)"
    gone = lab.network.store.state.get(Host, ELSEWHERE)
    lab.take(Change(Host, ELSEWHERE, gone, None))
    assert arrives(lab, frame) == {}
    lab.take(Change(Host, ELSEWHERE, None, gone))
    assert arrives(lab, frame).keys() == {"plain"}


def test_a_new_host_costs_one_unit_here(lab: Live) -> None:
    """However many there are."""
    before = lab.engine.runs
    lab.take(Change(Host, "host-9", None, Host(id="host-9", encap_ip=Ip4.parse("192.0.2.9"), encap_type="geneve")))
    assert lab.engine.runs - before <= 3
