"""One served region for each test that asks for it."""

from collections.abc import Iterator

import pytest

from tests.api.region import Region, Tenant


@pytest.fixture
def region() -> Iterator[Region]:
    """A region with one pool of public addresses."""
    with Region() as served:
        served.operator("POST", "/pools", {"cidr": "203.0.113.0/24", "gateway": "203.0.113.1"})
        yield served


@pytest.fixture
def tenant(region: Region) -> Tenant:
    """An account of that region."""
    return region.tenant("tenant")
