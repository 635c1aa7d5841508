"""No packet crosses from one VPC into another that is not its peer, whatever its sender writes into it."""

from itertools import permutations

import pytest

from apps.eni.model import NetworkInterface
from apps.peering.facts import connected
from apps.vpc.model import ROUTER_MAC
from sdnctl.model.host import LocalPort
from tests.lab import Lab
from tests.networks import NETWORKS


@pytest.mark.parametrize("name", NETWORKS)
def test_isolation(name: str) -> None:
    """Each pair of local ports of different VPCs, with honest and forged addresses, ends in a drop or stays inside."""
    with Lab(NETWORKS[name]()) as lab:
        ports = [lab.network.store.state.get(NetworkInterface, id) for cls, id in lab.network.local if cls is LocalPort]
        known = [port for port in ports if port is not None]
        inside = {p.id.removeprefix("port-"): p.vpc for p in known}
        vpcs, state = set(inside.values()), lab.network.store.state
        near = {vpc: {other for other in vpcs if other == vpc or connected(vpc, other, state)} for vpc in vpcs}
        for sender, target in permutations(known, 2):
            if sender.vpc == target.vpc:
                continue
            me = sender.id.removeprefix("port-")
            for mac in (sender.mac, target.mac):
                for source in (sender.addresses[0], target.addresses[0]):
                    for gateway in (ROUTER_MAC, target.mac):
                        packet = f"dl_src={mac},dl_dst={gateway},icmp,nw_src={source},nw_dst={target.addresses[0]}"
                        verdict = lab.trace(me, packet + ",nw_ttl=9,icmp_type=8")
                        assert all(inside[to] in near[sender.vpc] for to in verdict.to), verdict.text
                    ask = f"arp_op=1,arp_spa={source},arp_tpa={target.addresses[0]},arp_sha={mac}"
                    verdict = lab.trace(me, f"dl_src={mac},dl_dst=ff:ff:ff:ff:ff:ff,arp,{ask}")
                    assert set(verdict.to) <= {me}, verdict.text
