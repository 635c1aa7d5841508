"""A proof that fails says which packet, and its way in a tenant's words."""

import pytest

from sdnctl.verify.rules import Out
from sdnctl.verify.story import story
from tests.build import HERE
from tests.networks import NETWORKS
from tests.verify.proof import Proof


def test_the_packet_that_gets_through_is_told_with_its_way() -> None:
    proof = Proof(NETWORKS["two_tenants"]())
    first = min(proof.entries, key=lambda entry: entry.port)
    wrong = [rule for rule in proof.rules if Out(first.port) not in rule.actions]
    found = proof.differences(proof.region(wrong), first)
    assert {one.meant for one in found} == {"to port-a1", "not that"}
    assert str(found[0]).startswith("port-a1 sends eth_type=0x800,"), str(found[0])
    assert str(found[0]).endswith(": to port-a1, but: dropped: not-here")
    (leg,) = story(proof.region(proof.rules), {HERE: proof.engine}, HERE, first.port, found[0].packet)
    assert leg.outcome == "delivered" and leg.statements[0].says == "port-a1 sends, in subnet-a of vpc-a"
    assert leg.verdict == f"delivered to port-a1 on host {HERE}"


def test_equal_priorities_that_differ_are_a_fault() -> None:
    proof = Proof(NETWORKS["two_tenants"]())
    table = proof.engine.program.pipeline.tables["resolve"].id
    one = next(rule for rule in proof.rules if rule.table == table and rule.match)
    every = tuple(part for part in one.match if part[0].name != "reg0")
    twin = one._replace(cookie=1, actions=(), match=every)
    with pytest.raises(AssertionError, match="two flows of one priority"):
        for entry in proof.entries:
            proof.differences(proof.region([*proof.rules, twin]), entry)
