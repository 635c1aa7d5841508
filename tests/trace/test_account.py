"""A tenant hears no name of a host or of another account's resource, whichever host said it."""

from types import SimpleNamespace

from sdnctl.model.account import Account
from sdnctl.model.host import TUNNEL
from sdnctl.of.fields import IP_DST
from sdnctl.trace.account import for_account, names_in
from sdnctl.trace.model import Exit, Leg, Statement, Trace, unknown

OWNERS = {"port-1": ("one", "network interface"), "fip-2": ("two", "elastic IP")}


def owner(id: str) -> tuple[str, str]:
    return OWNERS.get(id, ("", ""))


def said(text: str, about: str = "") -> Statement:
    return Statement("table", "feature", about, text, "in plain words", about)


def test_hosts_are_not_named_and_the_way_out_is_not_told() -> None:
    leg = Leg(
        "hv1", "onward", "", "port-1 is on hv2", (said("port-1 is on hv2", "port-1"),), Exit(TUNNEL, 1, {IP_DST: 1})
    )
    silent = unknown("hv2", "host hv2 did not answer within 4 s: is its agent running?")
    heard = for_account(Trace((leg, silent)), "one", owner, ["hv1", "hv2", "hv"])
    assert [leg.host for leg in heard.legs] == ["", ""]
    assert heard.legs[0].exit is None
    assert heard.legs[0].statements[0].says == "port-1 is on another host"
    assert heard.verdict == "another host did not answer within 4 s: is its agent running?"


def test_a_name_of_a_host_inside_another_word_is_left() -> None:
    leg = Leg("hv1", "delivered", "", "", (said("hv1.example and my-hv1 on hv1, hv12"),))
    (heard,) = for_account(Trace((leg,)), "one", owner, ["hv1"]).legs
    assert heard.statements[0].says == "hv1.example and my-hv1 on another host, hv12"


def test_what_comes_after_another_account_is_not_named_on_the_next_host_either() -> None:
    first = Leg("hv1", "onward", "", "", (said("elastic IP fip-2: in", "fip-2"),), None)
    second = Leg("hv2", "delivered", "", "", (said("delivered to 10.0.0.7"),))
    heard = for_account(Trace((first, second)), "one", owner, ["hv1", "hv2"])
    assert [one.says for leg in heard.legs for one in leg.statements] == [
        "another account's elastic IP: in plain words",
        "in plain words",
    ]
    assert heard.verdict == "delivered to another account's network interface"


def test_the_operator_is_given_the_names_of_what_is_told() -> None:
    class Region:
        """A region with one account."""

        def get(self, asked: type, id: str) -> object:
            return SimpleNamespace(name="shop") if (asked, id) == (Account, "acct-1") else None

    assert names_in(Region(), ["acct-1 on port-9", "dropped"]) == {"acct-1": "shop"}
