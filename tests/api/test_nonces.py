"""A signed call is carried out once where its nonce is signed; where it is not, equal calls are calls of their own."""

import json

import pytest

from sdnctl.api.nonces import SPAN_S, Nonces
from sdnctl.api.signature import Signed
from sdnctl.base.errors import IntentError
from sdnctl.store.memory import MemoryStore
from tests.api.raw import Call
from tests.api.region import Region, Tenant

VPCS = b"/v1/regions/cn-test-1/vpcs/"
ALL = "content-type;host;x-jdcloud-date;x-jdcloud-nonce"


def call(tenant: Tenant, version: str, signed: str, nonce: str = "7481a149") -> Call:
    """A call that makes a VPC."""
    made = Call("POST", VPCS, b'{"vpcName":"once"}', version=version)
    made.headers["x-jdcloud-nonce"] = nonce
    return made.sign(tenant, signed=signed)


@pytest.mark.parametrize("version", ["2", "3"])
def test_a_recorded_call_is_refused(region: Region, tenant: Tenant, version: str) -> None:
    sent = call(tenant, version, ALL)
    assert sent.send(region.endpoint)[0] == 200
    for _ in range(3):
        code, _, answer = sent.send(region.endpoint)
        assert code == 401 and answer["error"]["status"] == "UNAUTHENTICATED"
        assert "was made before" in answer["error"]["message"] and answer["requestId"]
    assert tenant.vpc("describeVpcs")["totalCount"] == 1
    assert call(tenant, version, ALL, "another").send(region.endpoint)[0] == 200


def test_what_a_signature_does_not_tell_apart_makes_no_other_nonce(region: Region, tenant: Tenant) -> None:
    sent = call(tenant, "2", ALL, "a b")
    assert sent.send(region.endpoint)[0] == 200
    for nonce in ("a  b", " a   b", "a b  "):
        sent.headers["x-jdcloud-nonce"] = nonce
        code, _, answer = sent.send(region.endpoint)
        assert code == 401 and "was made before" in answer["error"]["message"]


def test_what_is_not_signed_does_not_count(region: Region, tenant: Tenant) -> None:
    sent = call(tenant, "3", "content-type;host")
    assert [sent.send(region.endpoint)[0] for _ in range(2)] == [200, 200]


def test_a_forged_call_uses_up_no_nonce(region: Region, tenant: Tenant) -> None:
    forged = call(tenant, "3", ALL)
    forged.body = b'{"vpcName":"evil"}'
    assert forged.send(region.endpoint)[0] == 401
    assert call(tenant, "3", ALL).send(region.endpoint)[0] == 200


def test_repeating_a_call_spends_nothing_of_its_owner(region: Region) -> None:
    tenant = region.tenant("slow", requestRate=2)
    sent = call(tenant, "3", ALL)
    assert sent.send(region.endpoint)[0] == 200
    assert {sent.send(region.endpoint)[0] for _ in range(20)} == {401}
    assert call(tenant, "3", ALL, "another").send(region.endpoint)[0] == 200


def test_what_another_server_does_not_know_a_client_token_does() -> None:
    """The limit: each server remembers its own calls; what is ordered with a token is in the store."""
    store = MemoryStore()
    with Region(store=store) as one, Region(store=store) as other:
        tenant = one.tenant("recorded")
        bare = call(tenant, "3", ALL)
        bare.headers["host"] = one.endpoint
        assert [bare.send(region.endpoint)[0] for region in (one, other, one, other)] == [200, 200, 401, 401]
        vpc = tenant.vpc("describeVpcs")["vpcs"][0]["vpcId"]
        order = {"vpcId": vpc, "networkSecurityGroupName": "ordered", "clientToken": "order-1"}
        ordered = Call("POST", b"/v1/regions/cn-test-1/networkSecurityGroups/", json.dumps(order).encode())
        ordered.headers["x-jdcloud-nonce"] = "of-the-order"
        ordered.sign(tenant, signed=ALL)
        made = [ordered.send(region.endpoint) for region in (one, other)]
        assert [answer[0] for answer in made] == [200, 200] and made[0][2]["result"] == made[1][2]["result"]
        groups = tenant.vpc("describeNetworkSecurityGroups")["networkSecurityGroups"]
        assert [one["networkSecurityGroupName"] for one in groups].count("ordered") == 1


def scope(at: int, nonce: str, key: str = "AK") -> Signed:
    """A verified call."""
    return Signed(key, at, nonce)


def test_what_is_too_old_is_forgotten() -> None:
    nonces = Nonces(900)
    for n in range(5000):
        nonces.take(scope(1000 + n, f"n{n}"), 1000.0 + n)
    assert len(nonces) <= 900 + 2 * SPAN_S
    with pytest.raises(IntentError, match="made before"):
        nonces.take(scope(5999, "n4999"), 6000.0)
    nonces.take(scope(20_000, "x", "other"), 20_000.0)
    assert len(nonces) == 1


def test_memory_is_bounded_a_key_and_in_all_and_nothing_is_ever_done_twice() -> None:
    nonces, done = Nonces(900, per_key=100, total=250), set()
    for key in "abcd":
        for n in range(1000):
            at = 1000 + n % 700
            try:
                nonces.take(scope(at, f"{n % 300}", key), 1500.0)
            except IntentError:
                continue
            assert (key, at, n % 300) not in done
            done.add((key, at, n % 300))
        assert len(nonces) <= 250
    with pytest.raises(IntentError, match="too early"):
        nonces.check(scope(1000, "new", "d"))
    nonces.take(scope(1800, "new", "d"), 1500.0)
    nonces.take(scope(1000, "", "d"), 1500.0)
