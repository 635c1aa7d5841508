"""A trace is asked for host by host, each within its time, and no more at once than is agreed."""

import json
import queue
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from apps.eni.model import NetworkInterface
from sdnctl.api import tracing
from sdnctl.base.addresses import Ip4
from sdnctl.model.host import TUNNEL, Binding, Host, TraceAnswer, TraceQuestion
from sdnctl.of.fields import IP_DST, TUN_ID
from sdnctl.store import Batch, Store
from sdnctl.trace.model import Exit, Leg, Statement
from sdnctl.trace.wire import leg_text
from tests.api.raw import Call
from tests.api.region import Refused, Region, Tenant
from tests.waiting import eventually

FAR = Ip4.parse("172.31.0.102")
Say = Callable[[TraceQuestion], Leg | str | None]


class Hosts:
    """Hosts that answer what a test tells them to, on a thread of their own."""

    def __init__(self, store: Store, say: Say) -> None:
        self.heard: list[TraceQuestion] = []
        self._say = say
        self._store = store
        self._queue: queue.SimpleQueue[TraceQuestion | None] = queue.SimpleQueue()
        store.subscribe(self._took)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._queue.put(None)
        self._thread.join(5)

    def _took(self, batch: Batch) -> None:
        for change in batch.changes:
            if change.cls is TraceQuestion and change.new is not None:
                self._queue.put(change.new)

    def _run(self) -> None:
        while (asked := self._queue.get()) is not None:
            self.heard.append(asked)
            said = self._say(asked)
            if said is not None:
                leg, error = ("", said) if isinstance(said, str) else (leg_text(said), "")
                answer = TraceAnswer(id=asked.id, host=asked.host, question=asked.id, leg=leg, error=error)
                self._store.report(lambda txn, answer=answer: txn.put(answer))  # type: ignore[misc]


def leg(asked: TraceQuestion, outcome: Any, says: str, way: Exit | None = None) -> Leg:
    statement = Statement("table", "feature", "", says, "plainly", "")
    return Leg(asked.host, outcome, "", f"{says} on {asked.host}", (statement,), way)


def through(asked: TraceQuestion) -> Leg:
    """From hv1 into the tunnel to hv2, and out there."""
    if asked.host == "hv1":
        return leg(asked, "onward", "is on hv2", Exit(TUNNEL, FAR, {TUN_ID: 7, IP_DST: 0x0A000001}))
    return leg(asked, "delivered", "delivered to port-x")


class Site:
    """A region of two hosts, with a tenant's interface on the first."""

    def __init__(self, region: Region, tenant: Tenant) -> None:
        self.region, self.tenant = region, tenant
        vpc = tenant.vpc("createVpc", vpcName="net", addressPrefix="10.0.0.0/16")["vpcId"]
        subnet = tenant.vpc("createSubnet", vpcId=vpc, subnetName="s", addressPrefix="10.0.1.0/24")["subnetId"]
        self.port = tenant.vpc("createNetworkInterface", subnetId=subnet)["networkInterfaceId"]
        self.hosts: Hosts | None = None
        hosts = [Host(id="hv1", encap_ip=Ip4.parse("172.31.0.101")), Host(id="hv2", encap_ip=FAR)]

        def work(txn: Any) -> None:
            for host in hosts:
                txn.put(host)
            found = txn.get(NetworkInterface, self.port)
            txn.put(Binding(id=self.port, port=self.port, vpc=found.vpc, host="hv1"))

        region.store.report(work)

    def answer(self, say: Say) -> None:
        self.hosts = Hosts(self.region.store, say)

    def trace(self, to: str = "10.0.1.9") -> dict[str, Any]:
        return self.region.operator("POST", "/flowTraces", {"from": self.port, "to": to})

    def left(self) -> int:
        state = self.region.store.state
        return len(state.all(TraceQuestion)) + len(state.all(TraceAnswer))


@pytest.fixture
def site(region: Region, tenant: Tenant) -> Iterator[Site]:
    made = Site(region, tenant)
    yield made
    if made.hosts is not None:
        made.hosts.close()


def test_the_packet_is_followed_to_the_next_host(site: Site) -> None:
    site.answer(through)
    told = site.trace()
    assert site.hosts is not None
    assert [(asked.host, asked.entry) for asked in site.hosts.heard] == [("hv1", site.port), ("hv2", TUNNEL)]
    assert site.hosts.heard[1].packet == {"tun_id": "0x7", "ip_dst": "0xa000001"}
    assert (told["host"], told["hosts"], told["outcome"]) == ("hv1", ["hv1", "hv2"], "delivered")
    assert [(step["hop"], step["says"]) for step in told["steps"]] == [(1, "is on hv2"), (2, "delivered to port-x")]
    assert site.left() == 0


def test_a_tenant_hears_it_without_hosts(site: Site) -> None:
    site.answer(through)
    body = json.dumps({"from": site.port, "to": "10.0.1.9"}).encode()
    call = Call("POST", b"/v1/regions/cn-test-1/flowTraces", body).sign(site.tenant)
    _, _, answer = call.send(site.tenant.endpoint)
    told = answer["result"]["flowTrace"]
    assert (told["host"], told["hosts"], told["outcome"]) == ("", [], "delivered")
    assert [step["says"] for step in told["steps"]] == ["is on another host", "delivered to port-x"]
    assert not re.search(r"\bhv\d", str(told))


def test_a_host_that_does_not_answer_is_named_in_time(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "PATIENCE_S", 0.5)
    site.answer(lambda asked: through(asked) if asked.host == "hv1" else None)
    began = time.monotonic()
    told = site.trace()
    assert time.monotonic() - began < 2
    assert told["outcome"] == "unknown"
    assert "host hv2 did not answer" in told["verdict"] and "is its agent running" in told["verdict"]
    assert [step["says"] for step in told["steps"]] == ["is on hv2"]
    assert site.left() == 0


def test_the_first_host_s_silence_is_an_error(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "PATIENCE_S", 0.3)
    with pytest.raises(Refused, match="503 UNAVAILABLE: host hv1 did not answer"):
        site.trace()
    site.answer(lambda asked: "no ovs-vswitchd answers")
    with pytest.raises(Refused, match="503 UNAVAILABLE: host hv1 cannot say: no ovs-vswitchd answers"):
        site.trace()


def test_a_packet_that_goes_round_is_followed_so_far(site: Site) -> None:
    far = {"hv1": FAR, "hv2": Ip4.parse("172.31.0.101")}
    site.answer(lambda asked: leg(asked, "onward", "on", Exit(TUNNEL, far[asked.host], {TUN_ID: 7})))
    told = site.trace()
    assert told["outcome"] == "unknown"
    assert told["verdict"] == "the packet is still on its way after 8 hosts"
    assert len(told["steps"]) == 8


def test_what_is_no_answer_is_told(site: Site) -> None:
    def work(asked: TraceQuestion) -> None:
        answer = TraceAnswer(id=asked.id, host=asked.host, question=asked.id, leg="{}")
        site.region.store.report(lambda txn: txn.put(answer))

    site.answer(work)
    with pytest.raises(Refused, match="host hv1 answered what is no answer"):
        site.trace()


def test_an_unknown_tunnel_is_told(site: Site) -> None:
    site.answer(lambda asked: leg(asked, "onward", "on", Exit(TUNNEL, Ip4.parse("172.31.0.99"), {TUN_ID: 7})))
    assert site.trace()["verdict"] == "no host has the tunnel address 172.31.0.99 any more: ask again"


def test_an_account_waits_for_few_at_a_time_and_others_are_served(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "PATIENCE_S", 2.0)

    def one(_: int) -> str:
        try:
            return str(site.trace()["outcome"])
        except Refused as refusal:
            return str(refusal.code)

    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(one, number) for number in range(8)]
        eventually(lambda: site.left() == tracing.WAITING_OF_ACCOUNT, 5)
        began = time.monotonic()
        assert site.region.operator("GET", "/status")["hosts"]
        assert time.monotonic() - began < 1, "those who wait for hosts hold up nobody"
        codes = sorted(future.result() for future in asked)
    assert codes == ["429"] * 4 + ["503"] * 4
    assert site.left() == 0


def test_questions_that_a_server_left_behind_do_not_count_against_an_account(site: Site) -> None:
    """Those for a host whose agent is dead too: nobody else removes them."""
    left = [TraceQuestion(id=f"trace-{number}", host="hv2", asked=1.0) for number in range(tracing.WAITING_OF_ACCOUNT)]
    site.region.store.report(lambda txn: [txn.put(one) for one in left])
    site.answer(lambda asked: leg(asked, "delivered", "delivered") if asked.host == "hv1" else None)
    assert site.trace()["outcome"] == "delivered"
    assert site.left() == 0


def test_an_account_asks_so_often_a_second(site: Site) -> None:
    site.answer(lambda asked: leg(asked, "delivered", "delivered"))
    codes = []
    for _ in range(tracing.RATE_OF_ACCOUNT * 4):
        try:
            site.trace()
            codes.append(200)
        except Refused as refusal:
            codes.append(refusal.code)
    assert 10 <= codes.count(200) <= 16
    assert set(codes) == {200, 429}
