"""The host that presents an elastic IP: its instance's own, or a gateway, whichever gateway dies."""

from apps.eip.tables import SNAT
from apps.eni.tables import ORIGIN
from apps.gateway.model import GATEWAY
from apps.holder.model import Holder
from apps.neighbour.tables import RESOLVE
from apps.overlay.tables import REMOTE
from apps.pipeline import PIPELINE
from apps.routing.model import Route
from sdnctl.model.host import UPLINK, Host, LocalPeer, LocalUplink
from sdnctl.of.text import text
from sdnctl.program.names import Names
from tests.apps.machines import ADDRESS, Machine, Machines, gatewayed, hosted

NAMES = Names(PIPELINE)

TRANSLATES = 3
"""Flows that translate an address outward: one for whole packets, two for fragments."""


def metered(machine: Machine) -> int:
    """The number of meters of elastic IPs on a host."""
    return sum(not meter.packets for meter in machine.engine.desired.meters.values())


# Placement.


def test_the_instances_own_host_presents_it_when_it_has_an_uplink() -> None:
    region = hosted()
    assert region.answering(ADDRESS) == ["h1"] and region.holder(ADDRESS) == "h1"
    assert [metered(machine) for machine in region.all.values()] == [2, 0, 0]


def test_without_uplink_the_preferred_gateway_presents_it() -> None:
    region = gatewayed()
    assert region.active == "g1"
    assert region.answering(ADDRESS) == ["g1"] and region.holder(ADDRESS) == "g1"
    assert {machine.id: metered(machine) for machine in region.all.values()} == {"g1": 2, "g2": 0, "n1": 0, "h1": 0}


def test_its_packets_travel_to_the_gateway_and_back() -> None:
    region = gatewayed()
    (onward,) = region["n1"].flows(SNAT)
    said = text(onward, NAMES)
    assert "tun_dst=192.0.2.1" in said.replace("->", "=") or "192.0.2.1->tun_dst" in said, said
    (received,) = [flow for flow in region["g1"].flows(ORIGIN) if "0e:00:00:00:00:01" in text(flow, NAMES)]
    # What load balancers answered comes first; then the instance's own address is translated.
    assert "goto_table:back" in text(received, NAMES)
    for gateway in ("g1", "g2"):
        assert len(region[gateway].flows(RESOLVE)) == len(region[gateway].flows(REMOTE)) == 1
    assert len(region["g1"].flows(SNAT)) == TRANSLATES and not region["g2"].flows(SNAT)


def test_who_may_have_to_talk_is_watched_from_both_ends() -> None:
    region = gatewayed()
    peers = {machine.id: machine.peers for machine in region.all.values()}
    assert peers == {"g1": {"g2", "n1"}, "g2": {"g1", "n1"}, "n1": {"g1", "g2"}, "h1": set()}


def test_a_gateway_knows_of_a_vpc_only_what_has_an_elastic_ip() -> None:
    """Neither the other addresses of the VPC, nor those of a VPC with equal addresses."""
    region = gatewayed()
    region.port("private", "n1", "10.0.1.11")
    vpc = region.network.vpc("b", "10.0.0.0/16")
    region.port("b", "n1", "10.0.1.10", region.network.subnet(vpc, "b", "10.0.1.0/24"))
    region.settle()
    for gateway in ("g1", "g2"):
        known = region[gateway].flows(RESOLVE) | region[gateway].flows(REMOTE) | region[gateway].flows(SNAT)
        assert len(known) == (2 + TRANSLATES if gateway == "g1" else 2), [text(flow, NAMES) for flow in known]


def test_both_owners_of_the_way_to_an_instance_agree() -> None:
    """A gateway that has a port of the VPC itself: the same flows from two features, and no conflict."""
    region = gatewayed()
    region.port("own", "g1", "10.0.1.12")
    region.settle()
    owners = {owner for flow in region["g1"].flows(REMOTE) for owner in region["g1"].engine.owners(flow.cookie)}
    assert owners == {"eip.inbound fip-one", "overlay.remote port-vm"}
    assert not region["g1"].engine.errors


def test_an_appliance_on_another_host_routes_for_it() -> None:
    """Packets that it sends on with the instance's address leave by the instance's elastic IP, as on one host."""
    region = hosted()
    assert not region["h2"].flows(SNAT)
    appliance = region.network.port(region.subnet, "appliance", "10.0.1.30", host="", check=False)
    region.plug(appliance, "h2")
    region.settle()
    (onward,) = region["h2"].flows(SNAT)
    assert "192.0.2.1" in text(onward, NAMES) and not region["h3"].flows(SNAT)
    assert region["h2"].peers == {"h1"}
    region.unplug(appliance, "h2")
    region.settle()
    assert not region["h2"].flows(SNAT)


def test_an_uplink_brings_it_home_and_its_loss_sends_it_away() -> None:
    region = gatewayed()
    uplink = LocalUplink(id=UPLINK, ofport=9, mac=region["g1"].host.uplink_mac)
    for there in (True, False):
        host = Host(id="n1", uplink="eth1" if there else "", encap_ip=region["n1"].host.encap_ip)
        region.store.report(lambda txn, host=host: txn.put(host))
        region["n1"].has(uplink, gone=not there)
        region.settle()
        assert region.answering(ADDRESS) == ["n1" if there else "g1"]
        assert len(region["n1"].flows(SNAT)) == (TRANSLATES if there else 1)


def test_without_any_gateway_it_stays_where_it_is() -> None:
    """Instances on one host reach each other's elastic IPs."""
    region = Machines("n1", "h1")
    region.bind(region.eip("one", ADDRESS), region.port("vm", "n1", "10.0.1.10"))
    region.settle()
    assert region.answering(ADDRESS) == ["n1"]


def test_where_the_route_table_leads_nowhere_nobody_presents_it() -> None:
    region = gatewayed()
    routes = [id for id in region.store.state.all(Route) if id.endswith("internet")]
    region.store.transact(lambda txn: [txn.delete(Route, id) for id in routes])
    region.settle()
    assert region.answering(ADDRESS) == [] and region.holder(ADDRESS) == ""
    assert not region["n1"].flows(SNAT)


def test_every_flow_has_words() -> None:
    region = gatewayed()
    for machine in region.all.values():
        engine = machine.engine
        units = {unit.feature.name for cookie in engine.desired.flows for unit in engine.units(cookie)}
        assert {name for name in units if name.startswith("gateway.")} <= set(engine.program.words)


# The gateway dies.


def test_the_standby_takes_over_from_a_dead_gateway_and_keeps_it() -> None:
    region = gatewayed()
    region.kill("g1")
    looks = 0
    while region.answering(ADDRESS) != ["g2"]:
        region.wait(1)
        looks += 1
    assert looks <= 7 and region.active == "g2"
    (onward,) = region["n1"].flows(SNAT)
    assert "192.0.2.2" in text(onward, NAMES)
    region["g1"].alive = True
    region["g1"].start()
    region.settle()
    region.wait(60)
    assert region.answering(ADDRESS) == ["g2"] and region.active == "g2", "who is back does not take back"


def test_a_gateway_that_nobody_reaches_lets_go_before_the_other_begins() -> None:
    """Its cable to the others and to the store is pulled, that to the public network is not."""
    region = gatewayed()
    region.cut("g1")
    region.connect("g1")
    region.settle()
    assert region.answering(ADDRESS) == [], "as soon as BFD says so"
    region.wait(8, "g1")
    assert region.answering(ADDRESS) == ["g2"] and region.active == "g2"
    region.connect()
    region.settle()
    assert region.answering(ADDRESS) == ["g2"], "it is reached again, and has not heard of the other yet"
    region.wait(4)
    region.mend("g1")
    region.settle()
    region.sign("g1")
    region.wait(4)
    assert region.answering(ADDRESS) == ["g2"] and region.active == "g2"


def test_a_lonely_gateway_that_was_cut_off_serves_again() -> None:
    """After a sign of life of its own has come back from the store."""
    region = Machines("g1", "n1")
    region.bind(region.eip("one", ADDRESS), region.port("vm", "n1", "10.0.1.10"))
    region.settle()
    region.wait(2)
    region.cut("g1")
    region.wait(4, "g1")
    assert region.answering(ADDRESS) == []
    region.mend("g1")
    region.wait(4)
    assert region.answering(ADDRESS) == []
    region.sign("g1")
    region.wait(1)
    assert region.answering(ADDRESS) == ["g1"]


def test_a_standby_that_is_cut_off_takes_nothing() -> None:
    region = gatewayed()
    region.wait(60, "g2")
    assert region.active == "g1" and region.answering(ADDRESS) == ["g1"]
    region.wait(60)
    assert region.active == "g1" and region.answering(ADDRESS) == ["g1"]


def test_gateways_that_do_not_reach_each_other_do_not_fight() -> None:
    """The way between the two is broken, all else works: one takes over, once."""
    region = gatewayed()
    served = []
    for look in range(200):
        for one, other in (("g1", "g2"), ("g2", "g1")):
            region[one].has(LocalPeer(id=other, up=False))
        for machine in region.running():
            machine.tick()
        region.settle()
        if look % 20 == 0:
            region.sign("g1", "g2")
        served += [host for host in region.answering(ADDRESS) if served[-1:] != [host]]
    assert served in (["g1", "g2"], ["g1"])


def test_a_standby_that_starts_after_the_active_one_died_takes_over() -> None:
    """It has never reached it, and hears nothing of it for longer than a heartbeat."""
    region = gatewayed()
    region.kill("g1")
    region["g2"].alive = False
    region["g2"].local = {key: one for key, one in region["g2"].local.items() if key[0] is not LocalPeer}
    region["g2"].alive = True
    region["g2"].start()
    region.settle()
    region.wait(40)
    assert region.active == "g1"
    region.wait(32)
    assert region.active == "g2" and region.answering(ADDRESS) == ["g2"]


def test_gateways_that_race_agree() -> None:
    """Three start at once, none knows of the others; who writes last has it, and the others leave it there."""
    region = gatewayed()
    region.kill("g1")
    third = Machines("g1", "g2", "g3", "n1")
    assert third.active in ("g1", "g2", "g3")
    before = third.active
    third.wait(80)
    assert third.active == before


def test_a_gateway_that_loses_its_uplink_gives_way() -> None:
    """And nobody answers beside the new one."""
    region = gatewayed()
    host = Host(id="g1", encap_ip=region["g1"].host.encap_ip, gateway=9)
    region.store.report(lambda txn: txn.put(host))
    region["g1"].has(region["g1"].local[LocalUplink, UPLINK], gone=True)
    region.settle()
    assert region.active == "g2" and region.answering(ADDRESS) == ["g2"]


def test_the_preferred_one_comes_first_and_the_next_when_it_does_not_come() -> None:
    region = Machines("g1", "g2", "g3", "n1")
    assert region.active == "g1"
    region.kill("g1")
    region.kill("g2")
    region.store.report(lambda txn: txn.delete(Holder, GATEWAY))
    region.settle()
    assert region.active == ""
    region.wait(4)
    assert region.active == "g3"


def test_a_gateway_that_was_cut_off_does_not_judge_its_successor_by_what_it_knew_before() -> None:
    """It reaches others again, its successor not yet, which it had reached before: it takes nothing back."""
    region = gatewayed()
    region.wait(2)
    region.cut("g1")
    region.connect("g1")
    region.settle()
    region.wait(8, "g1")
    assert region.active == "g2"
    region.mend("g1")
    for _ in range(8):
        region["g1"].has(LocalPeer(id="g2", up=False, met=True))
        region["g1"].has(LocalPeer(id="n1", up=True, met=True))
        region["g1"].tick()
        region.settle()
        region.sign("g1")
        assert region.active == "g2" and region.answering(ADDRESS) == ["g2"]
