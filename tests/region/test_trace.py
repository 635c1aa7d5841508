"""Traces of a packet, asked anywhere in a region of four hosts, and followed from host to host."""

import json
import threading
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.region.arp import holder
from topologies.internet import SERVER
from topologies.process import wait_until, within
from topologies.region import API_PORT, Region
from topologies.tenant import ApiError

HOSTS = ("hv1", "hv2", "hv3", "hv4")
CROSSING = ["through the tunnel", "in from another host"]
BOUND_S = 9.0  # for a whole trace, the client's way included


class Told:
    """The answer to a call of the operator's at the first API server, and how long it took in seconds."""

    def __init__(self, region: Region, path: str, document: dict[str, Any] | None = None) -> None:
        api = region.apis["api1"]
        token = json.loads((region.directory / "api1" / "endpoint.json").read_text())["operator"]
        data = json.dumps(document).encode() if document is not None else None
        url = f"http://127.0.0.1:{API_PORT}/x/v1{path}"
        request = urllib.request.Request(url, data, {"Authorization": f"Bearer {token}"})
        began = time.monotonic()
        self.code, self.document = within(api.station.pid, lambda: send(request))
        self.seconds = time.monotonic() - began

    def __getitem__(self, key: str) -> Any:
        return self.document.get(key)

    @property
    def says(self) -> list[str]:
        return [step["says"] for step in self.document["steps"]]


def send(request: urllib.request.Request) -> tuple[int, dict[str, Any]]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=15) as answer:
            return 200, json.load(answer)
    except urllib.error.HTTPError as refusal:
        return refusal.code, json.load(refusal)["error"]


def trace(region: Region, sender: str, to: str, **more: Any) -> Told:
    return Told(region, "/flowTraces", {"from": sender, "to": to, **more})


def delivered(region: Region, name: str) -> str:
    """The verdict that names a machine's interface, without its host."""
    return f"delivered to {port(region, name)} (instance {region.instances[name]})"


def port(region: Region, name: str) -> str:
    return str(region.interfaces[name, 0]["networkInterfaceId"])


def test_delivered_on_another_host(region: Region) -> None:
    told = trace(region, "red3", region.address("red1"))
    print(f"hv3 to hv1: {told.seconds * 1000:.0f} ms; {told['verdict']}")
    assert (told["host"], told["hosts"], told["outcome"]) == ("hv3", ["hv3", "hv1"], "delivered")
    assert told["verdict"] == f"{delivered(region, 'red1')} on host hv1"
    assert f"{port(region, 'red1')} (instance {region.instances['red1']}) is on hv1" in told.says
    assert [said for said in told.says if "tunnel" in said or "from another" in said] == [
        "through the tunnel",
        "in from another host",
    ]


@pytest.mark.parametrize(
    ("sender", "receiver"), [("red1", "red4"), ("red4", "red2"), ("blue1", "blue3"), ("red2", "red3")]
)
def test_every_host_goes_on_where_another_ends(region: Region, sender: str, receiver: str) -> None:
    told = trace(region, port(region, sender), region.address(receiver), protocol="tcp", destinationPort=443)
    assert told["verdict"] == f"{delivered(region, receiver)} on host {region.homes[receiver].name}"
    assert told["hosts"] == [region.homes[sender].name, region.homes[receiver].name]


def test_names_are_as_good_as_ids(region: Region) -> None:
    assert trace(region, "red1", "10.0.0.12")["outcome"] == "delivered"
    told = trace(region, "net/red1", "10.0.0.12")
    assert (told["host"], told["outcome"]) == ("hv1", "delivered")
    assert region.cli("trace", "--from", "net/red3", "--to", "10.0.0.11")["hosts"] == ["hv3", "hv1"]
    assert trace(region, "nobody", "10.0.0.12").code == 404


def test_dropped_where_it_starts(region: Region) -> None:
    spoofed = trace(region, "red3", "10.0.0.11", sourceAddress="10.0.0.12")
    assert (spoofed["outcome"], spoofed["reason"], spoofed["hosts"]) == ("dropped", "spoofed-ip", ["hv3"])
    assert "10.0.0.12 is no address of" in spoofed["verdict"]
    nobody = trace(region, "red3", "10.0.0.222")
    assert (nobody["outcome"], nobody["reason"]) == ("dropped", "no-such-address")
    no_way = trace(region, port(region, "blue1"), SERVER)
    assert (no_way["outcome"], no_way["reason"]) == ("dropped", "no-elastic-ip")


def test_a_receiver_that_is_not_plugged_in(region: Region) -> None:
    owner, subnet = region.tenants["red"], region.ids["red", "net", "front"]
    made = owner.vpc("createNetworkInterface", subnetId=subnet, primaryIpAddress="10.0.0.201")["networkInterfaceId"]
    region.cli("wait", "--timeout", "10")
    told = trace(region, "red3", "10.0.0.201")
    assert (told["outcome"], told["reason"]) == ("dropped", "not-here")
    assert f"{made} is plugged into no host" in told["verdict"]
    owner.vpc("deleteNetworkInterface", networkInterfaceId=made)


def test_in_through_a_gateway(region: Region) -> None:
    """red4's host has no uplink: the active gateway presents its elastic IP."""
    active = holder(region, region.public("red4"))
    told = trace(region, "internet", region.public("red4"), protocol="tcp", destinationPort=443)
    print(f"internet to hv4 by {active}: {told.seconds * 1000:.0f} ms")
    assert told["hosts"] == [active, "hv4"]
    assert told["verdict"] == f"{delivered(region, 'red4')} on host hv4"
    direct = trace(region, "internet", region.public("red1"))
    assert (direct["hosts"], direct["outcome"]) == (["hv1"], "delivered")


def test_out_through_a_gateway(region: Region) -> None:
    active = holder(region, region.public("red4"))
    told = trace(region, "red4", SERVER)
    assert told["hosts"] == ["hv4", active]
    assert told["verdict"].startswith("out to the public network by the gateway ")
    assert told["verdict"].endswith(f" on host {active}")


def test_from_one_elastic_ip_to_another(region: Region) -> None:
    """Out by the sender's host, in where the other is presented, and on to where its machine is."""
    near = trace(region, "red1", region.public("red2"))
    assert (near["hosts"], near["outcome"]) == (["hv1", "hv2"], "delivered")
    far = trace(region, "red1", region.public("red4"))
    print(f"elastic IP to elastic IP by a gateway: {far.seconds * 1000:.0f} ms")
    assert far["hosts"] == ["hv1", holder(region, region.public("red4")), "hv4"]
    assert far["verdict"] == f"{delivered(region, 'red4')} on host hv4"


def test_a_tenant_hears_its_own_part_without_hosts(region: Region) -> None:
    red, blue = region.tenants["red"], region.tenants["blue"]
    told = red.trace("red3", region.address("red1"))
    assert told["verdict"] == delivered(region, "red1")
    assert not any(host in json.dumps(told) for host in HOSTS)
    assert {step["hop"] for step in told["steps"]} == {1, 2}
    for foreign in (port(region, "red1"), "red1", "net/red1"):
        with pytest.raises(ApiError, match="404"):
            blue.trace(foreign, "10.0.0.12")
    across = red.trace("red1", region.public("blue9"))
    assert across["verdict"] == "delivered to another account's network interface"
    secret = {port(region, "blue9"), region.ids["blue", "net"], region.address("blue9"), *HOSTS}
    assert not [word for word in secret if word in json.dumps(across)]
    home = red.trace("internet", region.public("red4"))
    assert home["verdict"] == delivered(region, "red4")
    with pytest.raises(ApiError, match="404"):
        red.trace("internet", region.public("blue9"))


@pytest.fixture
def without_hv1(region: Region) -> Iterator[None]:
    """The agent of hv1 is killed; its switch goes on."""
    agent = region.agents["hv1"]
    agent.kill()
    yield
    agent.start()
    region.cli("wait", "--timeout", "30")
    assert wait_until(lambda: trace(region, "red1", "10.0.0.12")["outcome"] == "delivered", 20, 0.5)


def test_a_host_whose_agent_is_dead_is_told_within_the_bound(region: Region, without_hv1: None) -> None:
    told = trace(region, "red3", region.address("red1"))
    print(f"agent of hv1 killed: told after {told.seconds:.1f} s")
    assert told.seconds < BOUND_S
    assert told["outcome"] == "unknown"
    assert "host hv1 did not answer" in told["verdict"] and "is its agent running" in told["verdict"]
    assert "through the tunnel" in told.says
    first = trace(region, "red1", region.address("red3"))
    assert first.code == 503 and "host hv1 did not answer" in first["message"]
    assert first.seconds < BOUND_S
    with pytest.raises(ApiError, match="503") as refused:
        region.tenants["red"].trace("red1", "10.0.0.12")
    assert "hv1" not in str(refused.value)


def test_a_flood_of_traces_slows_no_change(region: Region) -> None:
    """Sixteen callers who ask as fast as they can: it costs no more than calls that ask no host anything."""
    others, refused = flooded(region, "nobody")
    traces, codes = flooded(region, "red3")
    print(f"a change: {others * 1000:.0f} ms beside {refused}, {traces * 1000:.0f} ms beside traces {codes}")
    assert set(refused) == {404}
    assert set(codes) <= {200, 429, 503} and codes[200] > 0
    assert traces < 2 * others + 0.1


def flooded(region: Region, sender: str) -> tuple[float, dict[int, int]]:
    """The median time of a change while sixteen ask for traces of a sender, and how often each answer came."""
    over = threading.Event()
    codes: dict[int, int] = defaultdict(int)

    def ask(_: int) -> None:
        while not over.is_set():
            codes[trace(region, sender, region.address("red1")).code] += 1

    with ThreadPoolExecutor(16) as pool:
        asked = [pool.submit(ask, number) for number in range(16)]
        try:
            time.sleep(1)
            took = changes(region, 12)
        finally:
            over.set()
        for future in asked:
            future.result()
    return took, dict(codes)


def changes(region: Region, count: int) -> float:
    """The median of how long it takes until a new interface is in force on all hosts, in seconds."""
    owner, subnet = region.tenants["blue"], region.ids["blue", "net", "front"]
    took = []
    for number in range(count):
        began = time.monotonic()
        address = f"10.0.0.{210 + number}"
        made = owner.vpc("createNetworkInterface", subnetId=subnet, primaryIpAddress=address)["networkInterfaceId"]
        assert Told(region, "/wait?timeout=10")["applied"]
        took.append(time.monotonic() - began)
        owner.vpc("deleteNetworkInterface", networkInterfaceId=made)
    return sorted(took)[count // 2]
