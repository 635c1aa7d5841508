"""A leaf feature is taken away by removing its folder; `make test-leaves` tries each of them."""

from tests.leaves import ROOT, check, leaves, users


def test_one_leaf_is_taken_away() -> None:
    assert {"bandwidth", "dhcp", "limits", "multi_queue", "power", "trace"} <= set(leaves())
    assert check("dhcp") == ""


def test_what_tests_share_names_no_leaf() -> None:
    """Whoever takes a leaf away takes its own tests and networks with it, and nothing that others need."""
    shared = {path for path in (ROOT / "tests").glob("*.py") if not path.name.startswith("test_")}
    assert {leaf: found for leaf in leaves() if (found := shared.intersection(users(leaf, "tests")))} == {}
