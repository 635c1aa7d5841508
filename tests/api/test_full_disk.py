"""The API of a region whose disk is full says so, to people, to probes and to clients, and goes on reading."""

import http.client
import json

from sdnctl.base.errors import DiskFull, StoreError
from sdnctl.store.memory import MemoryStore
from tests.api.region import Refused, Region


class Full(MemoryStore):
    """A store without room."""

    def transact(self, work):  # type: ignore[no-untyped-def]
        """See Store."""
        if self.full:
            raise DiskFull("the store has no room: I/O error")
        return super().transact(work)


def ready(region: Region) -> tuple[int, dict[str, object]]:
    """The answer of /readyz."""
    connection = http.client.HTTPConnection(region.endpoint, timeout=10)
    connection.request("GET", "/readyz")
    answer = connection.getresponse()
    return answer.status, json.load(answer)


def test_reads_go_on_and_changes_are_refused_in_the_api_s_own_form() -> None:
    store = Full()
    with Region(store=store) as region:
        tenant = region.tenant("tenant")
        made = tenant.vpc("createVpc", vpcName="before")["vpcId"]
        assert ready(region)[0] == 200
        store.full = True
        code, said = ready(region)
        assert code == 503 and "disk is full" in str(said["message"])
        assert [vpc["vpcId"] for vpc in tenant.vpc("describeVpcs")["vpcs"]] == [made]
        try:
            tenant.vpc("createVpc", vpcName="after")
        except Refused as refused:
            assert (refused.code, refused.status) == (503, "UNAVAILABLE") and "disk is full" in refused.message
        else:
            raise AssertionError("it was accepted")
        store.full = False
        assert tenant.vpc("createVpc", vpcName="after")["vpcId"]


def test_a_full_disk_is_a_fault_of_the_store() -> None:
    assert issubclass(DiskFull, StoreError)
