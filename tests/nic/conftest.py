"""Real interfaces in namespaces. Needs root."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.nic.namespace import Namespace


@pytest.fixture
def space(tmp_path: Path) -> Iterator[Namespace]:
    """A namespace without any interface but loopback."""
    with Namespace(tmp_path) as made:
        yield made
