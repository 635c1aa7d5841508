"""Watches over drops by signed calls beside the public API: a tenant's own interfaces only, a few, for a while."""

import time
from typing import Any

import pytest

from apps.drops.model import DropCount, DropWatch
from apps.drops.writes import REASONS_MOST
from sdnctl.model.host import Host
from sdnctl.program.feature import discover
from sdnctl.store import Txn
from tests.api.region import Refused, Region, Tenant, beside
from tests.api.test_operations import network, port


def call(tenant: Tenant, method: str, path: str = "", **parameters: Any) -> Any:
    return beside(tenant.vpc_client, method, "/regions/{regionId}/dropWatches/" + path, parameters)


def watch(tenant: Tenant, port_id: str, **parameters: Any) -> str:
    return str(call(tenant, "POST", networkInterfaceId=port_id, **parameters)["dropWatchId"])


def shown(tenant: Tenant, id: str) -> Any:
    return call(tenant, "GET", id)["dropWatch"]


def counts(region: Region, id: str, host: str, **packets: int) -> None:
    """A host has counted so many packets, by WAY_REASON."""
    told = {name.replace("_", " ", 1).replace("_", "-"): str(count) for name, count in packets.items()}

    def work(txn: Txn) -> None:
        txn.put(Host(id=host))
        txn.put(DropCount(id=f"{host}/{id}", host=host, watch=id, packets=told))

    region.store.report(work)


def watched(region: Region) -> int:
    with region.store.read() as state:
        return len(state.all(DropWatch))


def test_what_hosts_count_is_added_up_and_told_in_words(tenant: Tenant, region: Region) -> None:
    one = port(tenant, network(tenant)[1])
    id = watch(tenant, one)
    found = shown(tenant, id)
    assert (found["networkInterfaceId"], found["counting"], found["drops"]) == (one, False, [])
    counts(region, id, "host-1", out_no_route=2, in_bandwidth=7)
    counts(region, id, "host-2", out_no_route=3, in_not_here=1)
    found = shown(tenant, id)
    lines = {(line["direction"], line["reason"]): line for line in found["drops"]}
    assert {name: line["packets"] for name, line in lines.items()} == {
        ("in", "bandwidth"): 7,
        ("in", "not-here"): 1,
        ("out", "no-route"): 5,
    }
    assert found["counting"] is True
    assert lines["out", "no-route"]["meaning"] == "the subnet's route table has no route to the destination"
    assert all(line["meaning"] and line["remedy"] for line in found["drops"])


def test_every_reason_says_what_to_do() -> None:
    reasons = discover().pipeline.reasons
    assert {reason.name for reason in reasons if not reason.remedy} == set()
    assert len(reasons) <= REASONS_MOST


def test_a_watch_is_prolonged_and_ended(tenant: Tenant, region: Region) -> None:
    one = port(tenant, network(tenant)[1])
    id = watch(tenant, one, seconds=1)
    assert watch(tenant, one, seconds=600) == id
    assert shown(tenant, id)["ended"] is False
    assert call(tenant, "GET")["totalCount"] == 1
    call(tenant, "DELETE", id)
    with pytest.raises(Refused, match="404"):
        shown(tenant, id)


def test_a_watch_goes_with_its_interface_and_with_its_time(tenant: Tenant, region: Region) -> None:
    subnet = network(tenant)[1]
    one, other = port(tenant, subnet), port(tenant, subnet)
    id = watch(tenant, one, seconds=1)
    counts(region, id, "host-1", out_no_route=1)
    time.sleep(1.1)
    assert shown(tenant, id)["ended"] is True
    watch(tenant, other)
    assert watched(region) == 1, "the call has ended what was over"
    tenant.vpc("deleteNetworkInterface", networkInterfaceId=other)
    assert watched(region) == 0


def test_few_at_once_and_not_for_long(tenant: Tenant, region: Region) -> None:
    subnet = network(tenant)[1]
    ports = [port(tenant, subnet) for _ in range(5)]
    for one in ports[:4]:
        watch(tenant, one)
    refusal = region.changes_nothing(lambda: watch(tenant, ports[4]))
    assert (refusal.code, refusal.status) == (429, "QUOTA_EXCEEDED")
    for seconds in (0, 601, "soon"):
        assert region.changes_nothing(lambda seconds=seconds: watch(tenant, ports[0], seconds=seconds)).code == 400


def test_another_account_s_interface_cannot_be_watched(tenant: Tenant, region: Region) -> None:
    one, stranger = port(tenant, network(tenant)[1]), region.tenant("stranger")
    id = watch(tenant, one)
    for attempt in (
        lambda: watch(stranger, one),
        lambda: shown(stranger, id),
        lambda: call(stranger, "DELETE", id),
    ):
        assert region.changes_nothing(attempt).code == 404
    assert call(stranger, "GET")["totalCount"] == 0
