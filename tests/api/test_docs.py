"""The generated page says what the API says: an operation that comes or goes without `make docs` fails here."""

import subprocess
import sys
from itertools import chain
from pathlib import Path

from sdnctl.api import catalogue
from sdnctl.api.docs import page
from sdnctl.api.operations import discover

REPO = Path(__file__).parent.parent.parent


def test_the_page_is_not_stale() -> None:
    made = subprocess.run(
        [sys.executable, "-m", "sdnctl.api.docs"], cwd=REPO, capture_output=True, text=True, check=True
    )
    assert (REPO / "docs" / "api.md").read_text() == made.stdout, "run 'make docs' and commit docs/api.md"


def test_every_operation_is_on_the_page() -> None:
    text = page(discover())
    for known in chain.from_iterable(catalogue.of_network().values()):
        assert f"| {known.name} | `{known.method} " in text, known
    for operation in discover():
        assert f"| {operation.name} | `{operation.method} " in text, operation.name
        assert operation.summary in text
    assert "| deleteVpcPolicy | `DELETE R/vpcPolicy/{vpcPolicyId}` | 501 |" in text
    assert "| `staticRoute` | 50 | the route table |" in text
