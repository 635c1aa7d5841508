"""A running region is upgraded from an earlier commit to this one: its store is converted, and no packet is lost.

The earlier programs end by SIGTERM, these ones start on the same data: each switch goes from the old tables to the new
ones in one atomic bundle while pings pass it a hundred times a second, and a start after that finds nothing to do.
"""

import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sdnctl.base.process import age
from sdnctl.bridge.starts import GRACE_S
from topologies.hypervisor import Hypervisor
from topologies.internet import SERVER
from topologies.pair import Pair
from topologies.process import wait_until
from topologies.scenarios import BACK, FRONT, Account, Scenario, Vpc, machine
from topologies.service import ROOT
from topologies.station import CommandError
from topologies.traffic import Pinger

BEFORE = "4042f9f"
"""The last commit before the code was moved into rooms."""
PATHS = (("web", "10.0.1.10"), ("web", "10.0.0.20"), ("web", SERVER), ("rival", SERVER), ("rival", "10.0.0.20"))
"""The pings: routed, through a tunnel, out by an elastic IP; in another VPC the same."""


def scenario() -> Scenario:
    """Two tenants with equal CIDRs, machines on both hosts, three elastic IPs."""
    shop = (
        machine("web", "front", "10.0.0.10", 200),
        machine("api", "back", "10.0.1.10", 200),
        machine("far", "front", "10.0.0.20", host="hv2"),
    )
    rival = (machine("rival", "front", "10.0.0.10", 200), machine("rival2", "front", "10.0.0.20", host="hv2"))
    return Scenario(
        "upgrade",
        (
            Account("shop", (Vpc("net", "10.0.0.0/16", (FRONT, BACK), shop),)),
            Account("rival", (Vpc("net", "10.0.0.0/16", (FRONT,), rival),)),
        ),
    )


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The earlier commit's files."""
    made = tmp_path_factory.mktemp("before")
    archive = subprocess.run(["git", "-C", str(ROOT), "archive", BEFORE], capture_output=True)
    if archive.returncode:
        said = archive.stderr.decode().strip()
        pytest.fail(f"commit {BEFORE} is not in this clone ({said}): fetch the whole history (git fetch --unshallow)")
    subprocess.run(["tar", "-x", "-C", str(made)], input=archive.stdout, check=True)
    return made


@pytest.fixture(scope="module")
def cloud(before: Path) -> Iterator[Pair]:
    """A region that the earlier commit runs, with a customer's route table."""
    with Pair(checkout=before) as made:
        made.build(scenario())
        owner, vpc = made.tenants["shop"], made.ids["shop", "net"]
        table = owner.vpc("createRouteTable", vpcId=vpc, routeTableName="far")["routeTableId"]
        hop = {"nextHopType": "instance", "nextHopId": made.instances["far"]}
        rule = {"addressPrefix": "172.16.0.0/12", **hop}
        owner.vpc("addRouteTableRules", routeTableId=table, routeTableRuleSpecs=[rule])
        owner.vpc("associateRouteTable", routeTableId=table, subnetIds=[made.ids["shop", "net", "back"]])
        for name, target in PATHS:
            assert made.guests[name].reaches(target, 10), (name, target)
        # What has just started has a time of grace, whose end is a bundle of its own.
        assert wait_until(lambda: all(age(host.switch.pid) > GRACE_S + 1 for host in (made.host, made.other)), 60, 0.5)
        yield made


def everything(host: Hypervisor) -> tuple[list[str], list[str], list[str]]:
    """The flows, groups and meters of a switch; CommandError while it does not answer."""
    groups = [line for line in host.ofctl("dump-groups").splitlines() if "group_id=" in line]
    return host.flows(), sorted(groups), host.meters()


def has(host: Hypervisor, wanted: tuple[list[str], list[str], list[str]]) -> bool:
    """True when a switch, which may be about to start, has exactly this."""
    try:
        return everything(host) == wanted
    except CommandError:
        return False


GROUPS = "networkSecurityGroupIds"


def interfaces(cloud: Pair) -> list[dict[str, Any]]:
    """Every machine's interface, as the API shows it."""
    ports = [(cloud.owners[name], port["networkInterfaceId"]) for (name, _), port in cloud.interfaces.items()]
    return [owner.network_interface(id) for owner, id in ports]


def known(cloud: Pair) -> list[dict[str, Any]]:
    """Every machine's interface and every elastic IP, as the API shows them; but for the groups, which are new."""
    elastic = [(cloud.owners[name], eip["elasticIpId"]) for (name, _), eip in cloud.elastic.items()]
    return [*({**one, GROUPS: []} for one in interfaces(cloud)), *(owner.elastic_ip(id) for owner, id in elastic)]


def default_groups(cloud: Pair) -> dict[str, list[str]]:
    """The default security group of each VPC, as an interface shows it."""
    made: dict[str, list[str]] = {}
    for owner in cloud.tenants.values():
        for group in owner.vpc("describeNetworkSecurityGroups")["networkSecurityGroups"]:
            assert (group["networkSecurityGroupType"], len(group["securityGroupRules"])) == ("default", 2)
            made.setdefault(group["vpcId"], []).append(group["networkSecurityGroupId"])
    return made


def in_step(cloud: Pair) -> bool:
    """True when both hosts have confirmed the latest change."""
    try:
        cloud.cli("wait", "--timeout", "20")
    except CommandError:
        return False
    return True


def test_no_packet_is_lost_in_an_upgrade_and_each_switch_gets_one_bundle(cloud: Pair) -> None:
    hosts = (cloud.host, cloud.other)
    counters = [host.count_changes() for host in hosts]
    described = known(cloud)
    with ExitStack() as stack:
        pingers = [stack.enter_context(Pinger(cloud.guests[name], target)) for name, target in PATHS]
        time.sleep(1.0)
        cloud.end()
        assert [counter() for counter in counters] == [0, 0]
        cloud.start()
        assert all(counter.read_back() for counter in counters)
        assert in_step(cloud)
        time.sleep(2.0)
    figures = {path: one.result for path, one in zip(PATHS, pingers, strict=True)}
    bundles = [counter.bundles() for counter in counters]
    print(f"{figures}, modifications {[counter() for counter in counters]}, bundles and loose flows {bundles}")
    assert all(result.lost == 0 and result.sent >= 300 for result in figures.values()), figures
    for counter, (committed, loose) in zip(counters, bundles, strict=True):
        assert committed == bool(counter()) and not loose, "not one bundle, or flows outside of it"
    assert known(cloud) == described
    groups = default_groups(cloud)
    assert all(len(found) == 1 for found in groups.values())
    assert [one[GROUPS] for one in interfaces(cloud)] == [groups[one["vpcId"]] for one in interfaces(cloud)]


def test_a_start_after_it_sends_nothing(cloud: Pair) -> None:
    counters = [host.count_changes() for host in (cloud.host, cloud.other)]
    cloud.end()
    cloud.start()
    assert all(counter.read_back() for counter in counters)
    assert in_step(cloud)
    time.sleep(1.0)
    assert [counter() for counter in counters] == [0, 0]


def test_the_tables_are_those_that_an_empty_switch_gets(cloud: Pair) -> None:
    for host in (cloud.host, cloud.other):
        upgraded = everything(host)
        host.kill_vswitchd()
        host.start_vswitchd()
        assert wait_until(partial(has, host, upgraded), GRACE_S + 20, 0.5)


def test_customers_go_on_changing_it(cloud: Pair) -> None:
    owner, eip = cloud.owners["web"], cloud.elastic["web", "10.0.0.10"]["elasticIpId"]
    owner.set_bandwidth(eip, 77)
    made = owner.vpc("createNetworkInterface", subnetId=cloud.ids["shop", "net", "front"])["networkInterfaceId"]
    owner.unbind(eip, cloud.interfaces["web", 0]["networkInterfaceId"])
    owner.bind(eip, made)
    owner.unbind(eip, made)
    owner.bind(eip, cloud.interfaces["web", 0]["networkInterfaceId"])
    assert cloud.guests["web"].reaches(SERVER, 10)
