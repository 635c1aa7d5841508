"""A script knows when what it asked for is in force everywhere, and a dead host holds nobody up."""

import json
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from apps.uplink.model import GatewayNeighbour, Pool
from sdnctl.api.progress import ALIVE_S, patience
from sdnctl.base.addresses import Mac
from sdnctl.base.errors import IntentError
from sdnctl.model.host import Binding, Host, HostStatus
from sdnctl.store import Batch, Txn
from sdnctl.store.ovsdb.client import OvsdbStore
from sdnctl.store.server.single import Server
from tests.api.raw import Call
from tests.api.region import TOKEN, Refused, Region, Tenant
from tests.api.test_operations import network, port
from tests.product import CLASSES

Answer = tuple[int, dict[str, str], Any]
VPCS = "/v1/regions/cn-test-1/vpcs/"


def asked(region: Region, tenant: Tenant, method: str, target: str, body: Any = None, **headers: str) -> Answer:
    """One signed call with its headers."""
    data = b"" if body is None else json.dumps(body).encode()
    call = Call(
        method, target.encode(), data, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
    code, got, document = call.sign(tenant).send(region.endpoint)
    return code, {name.lower(): value for name, value in got.items()}, document


def operated(region: Region, method: str, path: str, body: Any = None, **headers: str) -> Answer:
    """One call of the operator with its headers."""
    data = None if body is None else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    url = f"http://{region.endpoint}/x/v1{path}"
    wanted = urllib.request.Request(url, data, {"Authorization": f"Bearer {TOKEN}", **named}, method=method)
    try:
        with urllib.request.urlopen(wanted, timeout=30) as answer:
            return answer.status, {k.lower(): v for k, v in answer.headers.items()}, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, {k.lower(): v for k, v in error.headers.items()}, json.load(error)


def reports(region: Region, name: str, applied: int, ago: float = 0.0) -> None:
    """A host told some time ago what it had applied."""

    def work(txn: Txn) -> None:
        if txn.get(Host, name) is None:
            txn.put(Host(id=name))
        txn.put(HostStatus(id=name, host=name, applied=applied, seen=time.time() - ago))

    region.store.report(work)


@contextmanager
def later(act: Callable[[], Answer]) -> Iterator[Callable[[], tuple[Answer, float]]]:
    """A call under way; what is given says its answer and after how many seconds it came."""
    began = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(lambda: (act(), time.monotonic() - began))
        yield lambda: future.result(30)


def new_vpc(name: str) -> dict[str, str]:
    return {"vpcName": name}


def test_every_writing_answer_says_its_sequence(region: Region, tenant: Tenant) -> None:
    code, headers, made = asked(region, tenant, "POST", VPCS, new_vpc("a"))
    assert (code, int(headers["x-sdnctl-sequence"])) == (200, region.store.state.sequence)
    assert "x-sdnctl-applied" not in headers
    target = f"{VPCS}{made['result']['vpcId']}"
    before = region.store.state.sequence
    code, headers, _ = asked(region, tenant, "PATCH", target, new_vpc("a"))  # as it is: nothing is committed
    assert (code, int(headers["x-sdnctl-sequence"]), region.store.state.sequence) == (200, before, before)
    code, headers, _ = asked(region, tenant, "DELETE", target)
    assert (code, int(headers["x-sdnctl-sequence"])) == (200, before + 1)
    assert "x-sdnctl-sequence" not in asked(region, tenant, "GET", VPCS)[1]
    assert "x-sdnctl-sequence" not in asked(region, tenant, "DELETE", target)[1], "a refusal has none"
    _, headers, _ = operated(region, "POST", "/accounts", {"name": "other"})
    assert int(headers["x-sdnctl-sequence"]) == region.store.state.sequence


def test_an_answer_waits_for_the_last_host(region: Region, tenant: Tenant) -> None:
    region.host("a", 0)
    region.host("b", 0)
    with later(lambda: asked(region, tenant, "POST", f"{VPCS}?wait=20", new_vpc("a"))) as answered:
        sequence = committed(region, tenant)
        region.host("a", sequence)
        time.sleep(0.3)
        region.host("b", sequence)
        told = time.monotonic()
        (code, headers, document), seconds = answered()
        woken = time.monotonic() - told
    assert (code, headers["x-sdnctl-applied"]) == (200, str(sequence)) and document["result"]["vpcId"]
    assert headers["x-sdnctl-sequence"] == str(sequence) and "x-sdnctl-behind" not in headers
    assert seconds >= 0.3 and woken < 2


def committed(region: Region, tenant: Tenant) -> int:
    """The sequence number of a call that is under way, once it has been committed."""
    end = time.monotonic() + 10
    while not tenant.vpc("describeVpcs")["totalCount"]:
        assert time.monotonic() < end
    return region.store.state.sequence


def test_an_answer_comes_anyway_and_says_that_it_is_pending(region: Region, tenant: Tenant) -> None:
    region.host("a", 10**6)
    region.host("b", 0)
    with later(lambda: asked(region, tenant, "POST", f"{VPCS}?wait=0.3", new_vpc("a"))) as answered:
        (code, headers, document), seconds = answered()
    assert (code, headers["x-sdnctl-applied"]) == (200, "pending") and document["result"]["vpcId"]
    assert headers["x-sdnctl-behind"] == "1", "what the provider's hosts are called is not a tenant's business"
    assert 0.3 <= seconds < 5
    code, headers, _ = operated(region, "POST", "/accounts?wait=0", {"name": "other"})
    assert (code, headers["x-sdnctl-applied"], headers["x-sdnctl-behind"]) == (200, "pending", "b")


def test_nothing_is_in_force_without_a_host(region: Region, tenant: Tenant) -> None:
    assert asked(region, tenant, "POST", f"{VPCS}?wait=0", new_vpc("a"))[1]["x-sdnctl-applied"] == "pending"
    reports(region, "a", 0, ago=ALIVE_S + 1)
    assert asked(region, tenant, "POST", f"{VPCS}?wait=0", new_vpc("b"))[1]["x-sdnctl-applied"] == "pending"


def test_a_dead_host_holds_nobody_up_and_is_named(region: Region) -> None:
    region.host("a", 10**6)
    reports(region, "ß,1", 0, ago=ALIVE_S + 1)
    code, headers, _ = operated(region, "POST", "/accounts?wait=20", {"name": "other"})
    assert (code, headers["x-sdnctl-applied"]) == (200, str(region.store.state.sequence))
    assert headers["x-sdnctl-behind"] == "%C3%9F%2C1"


def test_a_host_that_dies_meanwhile_does_neither(region: Region) -> None:
    region.host("a", 10**6)
    reports(region, "b", 0, ago=ALIVE_S - 0.5)
    with later(lambda: operated(region, "POST", "/accounts?wait=20", {"name": "other"})) as answered:
        (code, headers, _), seconds = answered()
    assert (code, headers["x-sdnctl-behind"]) == (200, "b") and headers["x-sdnctl-applied"] != "pending"
    assert seconds < 5


def test_a_removed_host_is_not_waited_for_any_more(region: Region) -> None:
    region.host("a", 10**6)
    region.host("b", 0)
    with later(lambda: operated(region, "GET", "/wait?timeout=20")) as answered:
        time.sleep(0.3)
        operated(region, "DELETE", "/hosts/b?force=true")
        (code, _, document), seconds = answered()
    assert (code, document["applied"], document["behind"], document["confirmed"]) == (200, True, [], ["a"])
    assert 0.3 <= seconds < 5


def test_a_hundred_who_wait_hold_up_nobody(region: Region, tenant: Tenant) -> None:
    """Many more than there are threads: all of them wait at once, others are served, one report frees them all."""
    region.host("a", 0)
    waiting = 100
    with ThreadPoolExecutor(waiting) as pool:
        calls = [pool.submit(operated, region, "GET", "/wait?timeout=30&sequence=1000") for _ in range(waiting)]
        time.sleep(1.0)
        began = time.monotonic()
        assert tenant.vpc("describeVpcs")["totalCount"] == 0
        assert time.monotonic() - began < 1 and not any(call.done() for call in calls)
        region.host("a", 1000)
        assert all(call.result(10)[2]["applied"] for call in calls)
        assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "wait", ["", "x", "-1", "1e1", "nan", "inf", "61", "60.1", "1,5", "5s", "%35%20", "%D9%A3", "0x5"]
)
def test_a_wait_that_is_none_is_refused_and_nothing_is_done(region: Region, tenant: Tenant, wait: str) -> None:
    before = region.everything()
    code, _, document = asked(region, tenant, "POST", f"{VPCS}?wait={wait}", new_vpc("a"))
    assert code == 400 and document["error"]["message"].startswith("wait: ")
    code, _, document = operated(region, "POST", f"/accounts?wait={wait}", {"name": "b"})
    assert code == 400 and document["error"]["message"].startswith("wait: ")
    assert region.everything() == before


@pytest.mark.parametrize(("query", "seconds"), [("", None), ("a=b&wait=5", 5), ("wait=%30.5", 0.5), ("%77ait=60", 60)])
def test_how_long_a_query_waits(query: str, seconds: float | None) -> None:
    assert patience(query) == seconds
    with pytest.raises(IntentError, match="wait"):
        patience("wait=1&wait=")


def test_the_wait_is_signed_and_never_reaches_the_operation(region: Region, tenant: Tenant) -> None:
    region.host("a", 10**6)
    forged = Call("POST", f"{VPCS}?wait=0".encode(), json.dumps(new_vpc("a")).encode()).sign(tenant)
    forged.target = f"{VPCS}?wait=1".encode()
    assert forged.send(region.endpoint)[0] == 401
    body = {**new_vpc("a"), "wait": "nonsense"}  # in a body it means nothing
    code, headers, made = asked(region, tenant, "POST", f"{VPCS}?wait=5", body)
    assert (code, "x-sdnctl-applied" in headers) == (200, True)
    target = f"{VPCS}{made['result']['vpcId']}"
    code, headers, _ = asked(region, tenant, "GET", f"{target}?wait=nonsense")
    assert (code, "x-sdnctl-applied" in headers) == (200, False), "who only reads has nothing to wait for"
    code, headers, _ = asked(region, tenant, "DELETE", f"{target}?wait=5")
    assert (code, headers["x-sdnctl-applied"]) == (200, str(region.store.state.sequence))


def test_a_repeated_call_may_wait_longer_than_the_first(region: Region, tenant: Tenant) -> None:
    region.host("a", 0)
    before = region.store.state.sequence
    body = {"elasticIpPoolName": "p", "provider": "bgp", "cidrMask": 30, "clientToken": "t-1"}
    target = "/v1/regions/cn-test-1/elasticIpPool/"
    _, first, made = asked(region, tenant, "POST", f"{target}?wait=0", body)
    region.host("a", before + 1)
    code, again, same = asked(region, tenant, "POST", f"{target}?wait=10", body)
    assert (code, same["result"], again["x-sdnctl-applied"]) == (200, made["result"], first["x-sdnctl-sequence"])
    assert first["x-sdnctl-applied"] == "pending"


def test_the_operator_asks_who_has_it(region: Region) -> None:
    region.host("a", 10**6)
    region.host("b", 7)
    reports(region, "c", 3, ago=3600)
    found = region.operator("GET", "/wait?sequence=7")
    assert (found["sequence"], found["applied"], found["confirmed"]) == (7, True, ["a", "b"])
    ((late),) = found["behind"]
    assert (late["host"], late["applied"], late["alive"]) == ("c", 3, False) and late["seen"]
    found = region.operator("GET", "/wait?sequence=8")
    assert (found["applied"], [host["host"] for host in found["behind"]]) == (False, ["b", "c"])
    assert region.operator("GET", "/wait")["sequence"] == region.store.state.sequence
    for wrong in ("timeout=61", "timeout=-1", "timeout=nan", "sequence=x", "sequence=-1", f"sequence={2**63}"):
        with pytest.raises(Refused, match="400") as refused:
            region.operator("GET", f"/wait?{wrong}")
        assert wrong.partition("=")[0] in refused.value.message


def test_a_dead_host_is_removed_with_all_that_it_reported(region: Region, tenant: Tenant) -> None:
    vpc, subnet = network(tenant)
    eni = port(tenant, subnet)
    reports(region, "gone", 5, ago=ALIVE_S + 1)
    reports(region, "stays", 5)

    def work(txn: Txn) -> None:
        (pool,) = txn.all(Pool)
        txn.put(Binding(id=eni, port=eni, vpc=vpc, host="gone"))
        for host in ("gone", "stays"):
            txn.put(GatewayNeighbour(id=f"{host}/{pool}", host=host, pool=pool, mac=Mac(1)))

    region.store.report(work)
    before = region.store.state.sequence
    code, headers, done = operated(region, "DELETE", "/hosts/gone")
    assert (code, done["removed"]) == (200, {"Binding": 1, "GatewayNeighbour": 1, "Host": 1, "HostStatus": 1})
    assert int(headers["x-sdnctl-sequence"]) == before + 1, "so that one can wait until the others know"
    everything = region.everything()
    assert "gone" not in str(everything) and eni in everything["NetworkInterface"]
    assert [host["host"] for host in region.operator("GET", "/hosts")["hosts"]] == ["stays"]
    with pytest.raises(Refused, match="404 NOT_FOUND: host: "):
        region.operator("DELETE", "/hosts/gone")
    region.host("gone", 9)
    assert [host["alive"] for host in region.operator("GET", "/hosts")["hosts"]] == [True, True]


def test_a_host_that_is_alive_stays_unless_forced(region: Region) -> None:
    reports(region, "a", 5, ago=3)
    refusal = region.changes_nothing(lambda: region.operator("DELETE", "/hosts/a"))
    assert (refusal.code, refusal.status) == (400, "FAILED_PRECONDITION")
    assert "a is alive, it told of itself 3 s ago" in refusal.message
    assert region.operator("DELETE", "/hosts/a?force=true")["removed"] == {"Host": 1, "HostStatus": 1}


def test_a_host_that_never_told_how_it_does_may_go(region: Region) -> None:
    region.store.report(lambda txn: txn.put(Host(id="a.example-" + "x" * 90)))
    (host,) = region.operator("GET", "/hosts")["hosts"]
    assert not host["alive"]
    assert region.operator("DELETE", f"/hosts/{host['host']}")["removed"] == {"Host": 1}


def test_a_call_may_ask_for_a_server_that_knows_enough(region: Region, tenant: Tenant) -> None:
    known = region.store.state.sequence
    assert asked(region, tenant, "GET", VPCS, x_sdnctl_after=str(known))[0] == 200
    with later(lambda: operated(region, "GET", "/status", x_sdnctl_after=str(known + 1))) as answered:
        time.sleep(0.3)
        tenant.vpc("createVpc", vpcName="a")
        (code, _, status), seconds = answered()
    assert (code, status["sequence"]) == (200, known + 1) and 0.3 <= seconds < 5
    for wrong in ("x", "-1", "1.5", "9" * 19):
        code, _, document = asked(region, tenant, "GET", VPCS, x_sdnctl_after=wrong)
        assert code == 400 and document["error"]["message"].startswith("x-sdnctl-after: ")


def test_a_server_that_does_not_catch_up_says_so(
    region: Region, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sdnctl.api.app.CATCH_UP_S", 0.2)
    before = region.everything()
    code, _, document = asked(region, tenant, "POST", VPCS, new_vpc("a"), x_sdnctl_after="1000000")
    assert (code, document["error"]["status"]) == (503, "UNAVAILABLE") and "x-sdnctl-after" in document["error"][
        "message"
    ]
    assert operated(region, "GET", "/status", x_sdnctl_after="1000000")[0] == 503
    assert region.everything() == before


def test_a_server_that_ends_answers_those_who_wait(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sdnctl.api", "--store", "memory", "--data", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        line = json.loads(process.stdout.readline())
        token = json.loads((tmp_path / "endpoint.json").read_text())["operator"]
        url = f"http://{line['endpoint']}/x/v1/accounts?wait=60"
        wanted = urllib.request.Request(url, b'{"name": "a"}', {"Authorization": f"Bearer {token}"})
        began = time.monotonic()
        with ThreadPoolExecutor(1) as pool:
            answered = pool.submit(urllib.request.urlopen, wanted, timeout=30)
            time.sleep(1)
            assert not answered.done()
            process.send_signal(signal.SIGTERM)
            with answered.result(10) as answer:
                assert (answer.status, answer.headers["x-sdnctl-applied"]) == (200, "pending")
        assert time.monotonic() - began < 6
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()


class Two:
    """Two API servers on one store server, each with a replica of its own."""

    def __init__(self, a: Region, b: Region) -> None:
        self.a, self.b = a, b

    @contextmanager
    def late(self) -> Iterator[Callable[[], None]]:
        """Have the second one's replica fall behind: it is at work on one batch while others are made.

        What is given lets it catch up, before the end.
        """
        busy, go_on = threading.Event(), threading.Event()

        def deliver(batch: Batch) -> None:
            if any(change.id == "straw" for change in batch.changes):
                busy.set()
                assert go_on.wait(20)

        self.b.store.subscribe(deliver)
        self.a.host("straw", 0)
        assert busy.wait(10)
        try:
            yield go_on.set
        finally:
            go_on.set()


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Two]:
    server = Server(tmp_path, classes=CLASSES)
    server.prepare()
    process = subprocess.Popen(server.argv())
    try:
        with ExitStack() as stack:
            stores = [OvsdbStore(server.remote, classes=CLASSES) for _ in range(2)]
            for store in stores:
                stack.callback(store.close)
            yield Two(*(stack.enter_context(Region(store=store)) for store in stores))
    finally:
        process.terminate()
        process.wait(10)


def at(tenant: Tenant, region: Region) -> Tenant:
    """The same keys, at another server."""
    return region.client(tenant.account, tenant.access_key, tenant.secret_key)


def test_one_server_may_not_know_yet_what_another_has_acknowledged(two: Two) -> None:
    """Without the header a new thing is unknown for a moment, whether read or built upon; then it is there."""
    tenant = two.a.tenant("tenant")
    elsewhere = at(tenant, two.b)
    with two.late():
        vpc = tenant.vpc("createVpc", vpcName="a")["vpcId"]
        for call in (
            partial(elsewhere.vpc, "describeVpc", vpcId=vpc),
            partial(elsewhere.vpc, "createSubnet", vpcId=vpc, subnetName="s", addressPrefix="10.0.0.0/24"),
        ):
            with pytest.raises(Refused, match="404"):
                call()
        stranger = two.a.tenant("other")
        with pytest.raises(Refused, match="401"):
            at(stranger, two.b).vpc("describeVpcs")


def test_a_header_makes_a_server_know_what_another_has_acknowledged(two: Two) -> None:
    with two.late() as catch_up:
        tenant = two.a.tenant("tenant")
        code, headers, made = asked(two.a, tenant, "POST", VPCS, new_vpc("a"))
        target = f"{VPCS}{made['result']['vpcId']}"
        after = {"x_sdnctl_after": headers["x-sdnctl-sequence"]}
        with later(lambda: asked(two.b, at(tenant, two.b), "GET", target, **after)) as reads:
            time.sleep(0.3)
            catch_up()
            (code, _, shown), seconds = reads()
    assert (code, shown["result"]["vpc"]["vpcName"]) == (200, "a") and 0.3 <= seconds < 5
