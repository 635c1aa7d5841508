"""HaVips with real packets: a member claims one by a gratuitous ARP, and gets whatever leads to it."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sdnctl.base.addresses import Ip4, Mac
from sdnctl.packet import gratuitous_arp
from topologies.cloud import Cloud
from topologies.havip import HaVip
from topologies.process import stop, wait_until
from topologies.scenarios import Account, Scenario, Subnet, Vpc, machine
from topologies.traffic import Pinger

VIP = "10.0.1.100"
FAR = "192.0.2.55"
PROBER = "169.254.169.110"


def pair() -> Scenario:
    """Two members, a neighbour, a machine of another subnet with a public address; a stranger on the second subnet."""
    machines = (
        machine("one", "net", "10.0.1.11"),
        machine("two", "net", "10.0.1.12"),
        machine("near", "net", "10.0.1.20"),
        machine("far", "else", "10.0.2.10"),
    )
    subnets = (Subnet("net", "10.0.1.0/24"), Subnet("else", "10.0.2.0/24"))
    return Scenario("pair", (Account("acme", (Vpc("net", "10.0.0.0/16", subnets, machines),)),))


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with Cloud() as made:
        yield made.build(pair())


@pytest.fixture(scope="module")
def havip(cloud: Cloud) -> HaVip:
    return HaVip(cloud, "acme", ("acme", "net", "net"), VIP, ("one", "two"))


def test_h2_without_a_claim_it_is_nobody_s(cloud: Cloud, havip: HaVip) -> None:
    assert havip.shown()["masterResource"] is None
    assert cloud.guests["near"].ping(VIP, count=2, wait=0.3) == 0
    told = cloud.cli("trace", "--from", cloud.interfaces["near", 0]["networkInterfaceId"], "--to", VIP)
    assert "no master" in told["verdict"]


@pytest.mark.parametrize("kind", ["-U", "-A"])
def test_h1_the_last_claim_wins(cloud: Cloud, havip: HaVip, kind: str) -> None:
    """A gratuitous ARP, request or reply, moves it: neighbours, other subnets, whatever they remember."""
    for name in ("one", "two"):
        havip.take(name, kind)
        for sender in ("near", "far"):
            assert havip.answers(sender) == name
    assert havip.master() == "two"


def test_h1_nobody_else_may(cloud: Cloud, havip: HaVip) -> None:
    havip.take("one")
    near = cloud.guests["near"]
    near.run("ip", "address", "add", f"{VIP}/32", "dev", "eth0")
    near.run("arping", "-q", "-U", "-c", "2", "-I", "eth0", VIP, check=False)
    near.run("ip", "address", "del", f"{VIP}/32", "dev", "eth0")
    assert havip.master() == "one" and havip.answers("far") == "one"
    wait_until(lambda: "spoofed-arp" in str(cloud.cli("status")), 15)


def test_h3_an_elastic_ip_follows(cloud: Cloud, havip: HaVip) -> None:
    public = havip.bind(10)
    for name in ("two", "one"):
        havip.take(name)
        assert havip.answers("internet", public) == name
    # What the master sends itself from the address leaves by it too.
    assert "1 received" in cloud.guests["one"].run(
        "ping", "-c", "1", "-W", "2", "-I", VIP, "198.51.100.10", check=False
    )
    shown = havip.shown()
    assert shown["elasticIp"]["elasticIpAddress"] == public
    havip.unbind()
    cloud.cli("wait")


def test_h3_a_next_hop_follows(cloud: Cloud, havip: HaVip) -> None:
    tenant = cloud.owners["one"]
    for name in ("one", "two"):
        port = cloud.interfaces[name, 0]["networkInterfaceId"]
        tenant.vpc("modifyNetworkInterface", networkInterfaceId=port, sanityCheck=0)
        cloud.guests[name].run("ip", "address", "add", f"{FAR}/32", "dev", "lo")
    (table,) = tenant.vpc("describeVpc", vpcId=cloud.ids["acme", "net"])["vpc"]["routeTableIds"]
    rule = {"addressPrefix": "192.0.2.0/24", "nextHopType": "havip", "nextHopId": havip.id}
    tenant.vpc("addRouteTableRules", routeTableId=table, routeTableRuleSpecs=[rule])
    cloud.cli("wait")
    for name in ("one", "two"):
        havip.take(name)
        assert havip.answers("far", FAR) == name
    rules = tenant.vpc("describeRouteTable", routeTableId=table)["routeTable"]["routeTableRules"]
    id = next(one["ruleId"] for one in rules if one["nextHopId"] == havip.id)
    tenant.vpc("removeRouteTableRules", routeTableId=table, ruleIds=[id])


def test_h4_by_hand_in_one_call(cloud: Cloud, havip: HaVip) -> None:
    for name in ("one", "two", "one"):
        havip.move(name)
        assert havip.answers("near") == name and havip.master() == name


def test_h2_who_leaves_is_master_no_more(cloud: Cloud, havip: HaVip) -> None:
    havip.take("two")
    havip.leave("two")
    cloud.cli("wait")
    assert havip.shown()["masterResource"] is None and cloud.guests["near"].ping(VIP, count=2, wait=0.3) == 0
    havip.take("two", moves=False)
    assert havip.shown()["masterResource"] is None
    havip.join("two")
    cloud.cli("wait")
    havip.take("two")
    assert havip.answers("near") == "two"


def test_h5_any_member_may_send_from_it(cloud: Cloud, havip: HaVip) -> None:
    havip.take("one")
    with cloud.guests["near"].sniff() as wire:
        cloud.guests["two"].run("ping", "-c", "1", "-W", "0.3", "-I", VIP, "10.0.1.20", check=False)
        assert wire.seen(lambda frame: frame[12:14] == b"\x08\x00" and frame[26:30] == bytes((10, 0, 1, 100)))
    assert havip.master() == "one"


def told(havip: HaVip, **wanted: str) -> dict[str, Any]:
    """The newest event, once it says this; AssertionError when it does not come."""

    def newest() -> dict[str, Any]:
        found = havip.events()
        return found[0] if found and wanted.items() <= found[0].items() else {}

    assert wait_until(newest, 30, 0.1), havip.events()[:2]
    return newest()


def test_h4_each_move_is_kept_as_an_event(cloud: Cloud, havip: HaVip) -> None:
    """Claimed or by hand: from, to, cause, and the times."""
    havip.take("two")
    havip.take("one")
    event = told(havip, **{"from": "two", "to": "one", "cause": "claim"})
    assert event["detectedMs"] == 0 and 0 <= event["blackoutMs"] < 5000
    havip.move("two")
    event = told(havip, **{"from": "one", "to": "two", "cause": "by-hand"})
    assert event["detectedMs"] == 0 and 0 <= event["blackoutMs"] < 5000
    assert [one["cause"] for one in havip.events()[:3]] == ["by-hand", "claim", "claim"]


@pytest.mark.parametrize("how", [{"protocol": "Icmp"}, {"protocol": "Tcp", "port": 80}])
def test_h4_by_itself_where_the_master_is_ill(cloud: Cloud, havip: HaVip, how: dict[str, Any]) -> None:
    """Within three intervals of its last answer; it is well again when it answers, and does not take it back."""
    with contextlib.ExitStack() as undo:
        for name in ("one", "two"):
            guest, own = cloud.guests[name], cloud.interfaces[name, 0]["primaryIp"]["privateIpAddress"]
            undo.callback(stop, guest.spawn([sys.executable, "-m", "http.server", "80", "--bind", own]))
        havip.take("one")
        havip.check(**how, intervalSeconds=2, checkTimeoutSeconds=1)
        assert wait_until(lambda: set(havip.health().values()) == {"healthy"}, 60), havip.health()
        cloud.guests["one"].run("ip", "route", "add", "blackhole", PROBER)
        undo.callback(cloud.guests["one"].run, "ip", "route", "del", PROBER, check=False)
        event = told(havip, **{"from": "one", "to": "two", "cause": "unhealthy"})
        assert havip.answers("near") == "two" and havip.health() == {"one": "unhealthy", "two": "healthy"}
        print(f"{how['protocol']}, each 2 s: noticed after {event['detectedMs']} ms, over {event['blackoutMs']} ms")
        # The looks of a busy machine come late, so that fewer are counted than there should have been.
        assert 1000 <= event["detectedMs"] <= 3 * 2000 + 250 and event["blackoutMs"] >= event["detectedMs"] - 500
        cloud.guests["one"].run("ip", "route", "del", PROBER)
        assert wait_until(lambda: havip.health()["one"] == "healthy", 60)
        assert havip.master() == "two"
    havip.check()
    assert set(havip.health().values()) == {"N/A"}


def test_h2_with_checks_the_first_healthy_member_follows_one_that_leaves(cloud: Cloud, havip: HaVip) -> None:
    havip.check(protocol="Icmp", intervalSeconds=1, checkTimeoutSeconds=1)
    havip.take("two")
    assert wait_until(lambda: set(havip.health().values()) == {"healthy"}, 60), havip.health()
    havip.leave("two")
    told(havip, to="one", cause="no-master")
    assert havip.answers("near") == "one"
    havip.join("two")
    havip.check()


def keepalived(cloud: Cloud, name: str, priority: int, peer: str, folder: Path) -> "subprocess.Popen[str]":
    """Start keepalived on a machine: unicast VRRP with its peer, an advert each 0.2 s."""
    own = cloud.interfaces[name, 0]["primaryIp"]["privateIpAddress"]
    conf = folder / f"{name}.conf"
    conf.write_text(
        f"""
global_defs {{ vrrp_version 3
  vrrp_garp_master_repeat 2 }}
vrrp_instance shared {{
  state BACKUP
  interface eth0
  virtual_router_id 7
  priority {priority}
  advert_int 0.2
  unicast_src_ip {own}
  unicast_peer {{ {peer} }}
  virtual_ipaddress {{ {VIP}/32 dev eth0 }}
}}
"""
    )
    files = ["-p", str(folder / f"{name}.pid"), "-r", str(folder / f"{name}.vrrp")]
    argv = ["keepalived", "-n", "-P", "-f", str(conf), *files, "-l"]
    return cloud.guests[name].spawn(argv, log=folder / f"{name}.log")


def test_keepalived_fails_over(cloud: Cloud, havip: HaVip, tmp_path: Path) -> None:
    """Unicast VRRP passes between the members; whoever loses the other one's adverts claims the address."""
    for name in ("one", "two"):
        cloud.guests[name].run("ip", "address", "del", f"{VIP}/32", "dev", "eth0")
    for name in ("one", "two"):  # nobody is the master
        havip.leave(name)
        havip.join(name)
    running = {
        "one": keepalived(cloud, "one", 200, "10.0.1.12", tmp_path),
        "two": keepalived(cloud, "two", 100, "10.0.1.11", tmp_path),
    }
    assert wait_until(lambda: havip.master() == "one", 10), (tmp_path / "one.log").read_text()
    assert havip.answers("near") == "one"
    with Pinger(cloud.guests["near"], VIP, per_second=1000) as pinger:
        time.sleep(0.3)
        running["one"].kill()
        cloud.guests["one"].run("ip", "address", "del", f"{VIP}/32", "dev", "eth0", check=False)
        assert wait_until(lambda: havip.master() == "two", 10), (tmp_path / "two.log").read_text()
        time.sleep(0.3)
    print(f"keepalived, adverts each 200 ms: {pinger.result.gap * 1000:.0f} ms without answers")
    assert havip.answers("far") == "two"
    stop(running["two"])


def test_h1_split_brain_is_held_back_and_reported(cloud: Cloud, havip: HaVip) -> None:
    """Both say so in turn: after five times within ten seconds neither is heard for a while."""
    macs = {name: Mac.parse(cloud.interfaces[name, 0]["macAddress"]) for name in ("one", "two")}
    for _ in range(10):
        for name, mac in macs.items():
            cloud.guests[name].send(gratuitous_arp(mac, Ip4.parse(VIP)))
            time.sleep(0.1)
    assert wait_until(lambda: "split brain" in str(cloud.cli("status")), 15)
