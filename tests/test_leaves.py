"""A leaf feature is taken away by removing its folder; `make test-leaves` tries each of them."""

from tests.leaves import check, leaves


def test_one_leaf_is_taken_away() -> None:
    assert {"bandwidth", "dhcp", "limits", "multi_queue", "power", "trace"} <= set(leaves())
    assert check("dhcp") == ""
