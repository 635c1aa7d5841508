"""Security groups across hosts: each end is judged at its own host, and members are known at all of them."""

from contextlib import ExitStack

from tests.packet.groups import IN, UDP_NUMBER, add, goes_on, group, heard, inside, put, remove, rule, stops
from topologies.paced import Paced
from topologies.region import Region


def test_s7_s11_the_receivers_host_judges_what_comes_from_another_and_knows_replies(region: Region) -> None:
    red1, address = region.guests["red1"], region.address("red1")
    with group(region, of="red1") as closed, inside(region, "red1", closed):
        for other in ("red2", "red3"):
            there = region.guests[other]
            assert heard(red1, there, region.address(other), 7000) == (True, True)
            assert heard(there, red1, address, 7000) == (False, False)


def test_s9_s14_s15_a_member_on_another_host_comes_and_goes(region: Region) -> None:
    """red1 lets in who is in a group; red2, on another host, is or is not. red4's datagrams to red3 do not notice."""
    guests, of = region.guests, "red1"
    named = rule(IN, UDP_NUMBER, port=7000, addressPrefixType="SECURITYGROUP")
    with ExitStack() as stack:
        members, id = (stack.enter_context(group(region, of=of)) for _ in range(2))
        (rule_id,) = add(region, id, {**named, "addressPrefix": members}, of=of)
        stack.callback(remove, region, id, rule_id, of=of)
        stack.enter_context(inside(region, "red1", id))
        other = stack.enter_context(Paced(guests["red4"], guests["red3"], region.address("red3"), 7000, 500))
        paced = stack.enter_context(Paced(guests["red2"], guests["red1"], region.address("red1"), 7000, 500))
        assert stops(paced)
        for _ in range(2):
            with inside(region, "red2", members):
                assert goes_on(paced)
                assert heard(guests["red3"], guests["red1"], region.address("red1"), 7001) == (False, False)
            assert stops(paced)
        put(region, "red2", members)
        assert goes_on(paced)
        put(region, "red2")
    assert other.count().sent > 500 and other.count().lost == 0
