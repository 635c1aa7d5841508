"""The blocks of prefix lists are in exactly the VPCs whose rules name them, and are there what the list says."""

import pytest

from apps.network_acl.model import AclRule, NetworkAcl
from apps.prefix_list.facts import counted, holders, naming
from apps.prefix_list.model import PrefixEntry, PrefixList, VpcPrefixes
from apps.prefix_list.writes import altered, released, uses
from apps.security_group.model import GroupRule, SecurityGroup
from sdnctl.base.addresses import Cidr
from sdnctl.base.errors import IntentError
from sdnctl.program.lifecycle import remove
from sdnctl.store import Txn
from sdnctl.store.memory import MemoryStore
from tests.build import Network

OFFICE, BRANCH = Cidr.parse("203.0.113.0/24"), Cidr.parse("198.51.100.7/32")


@pytest.fixture
def store() -> MemoryStore:
    """Two VPCs; a list of one block and at most three; a group in the first VPC and an ACL in the second."""
    net = Network()
    for name in "ab":
        net.vpc(name, "10.0.0.0/16")

    def work(txn: Txn) -> None:
        txn.put(PrefixList(id="pl-1", account="acc", most=3))
        txn.put(PrefixEntry(id="ple-1", account="acc", prefix_list="pl-1", block=OFFICE))
        txn.put(SecurityGroup(id="sg-1", account="acc", vpc="vpc-a"))
        txn.put(NetworkAcl(id="acl-1", account="acc", vpc="vpc-b", key=txn.allocate(NetworkAcl, "key")))

    net.store.transact(work)
    return net.store


def rule(id: str, prefix_list: str = "pl-1") -> GroupRule:
    return GroupRule(id=id, account="acc", vpc="vpc-a", group="sg-1", direction="in", prefix_list=prefix_list)


def name_it(txn: Txn) -> None:
    """A rule of the group and one of the ACL name the list."""
    txn.put(rule("sgr-1"))
    uses(txn, "vpc-a", "pl-1")
    acl = AclRule(id="aclr-1", account="acc", vpc="vpc-b", acl="acl-1", direction="in", prefix_list="pl-1", priority=1)
    txn.put(acl)
    uses(txn, "vpc-b", "pl-1")


def known(store: MemoryStore) -> dict[str, tuple[Cidr, ...]]:
    """The blocks of the list by the VPCs that have them."""
    return {one.vpc: one.blocks for one in store.state.all(VpcPrefixes).values()}


def test_a_vpc_has_the_blocks_from_its_first_rule_to_its_last(store: MemoryStore) -> None:
    store.transact(name_it)
    assert known(store) == {"vpc-a": (OFFICE,), "vpc-b": (OFFICE,)}

    def more(txn: Txn) -> None:
        txn.put(rule("sgr-2"))
        uses(txn, "vpc-a", "pl-1")

    def fewer(txn: Txn) -> None:
        txn.delete(GroupRule, next(iter(sorted(txn.by(GroupRule, ("group",), "sg-1")))))
        released(txn, "vpc-a", "pl-1")

    store.transact(more)
    store.transact(fewer)
    assert set(known(store)) == {"vpc-a", "vpc-b"}
    store.transact(fewer)
    assert set(known(store)) == {"vpc-b"}


def test_a_change_of_the_list_is_one_change_of_every_vpc(store: MemoryStore) -> None:
    store.transact(name_it)

    def extend(txn: Txn) -> None:
        txn.put(PrefixEntry(id="ple-2", account="acc", prefix_list="pl-1", block=BRANCH))
        altered(txn, "pl-1")

    store.transact(extend)
    assert known(store) == {"vpc-a": (BRANCH, OFFICE), "vpc-b": (BRANCH, OFFICE)}


def test_a_list_that_a_rule_names_stays(store: MemoryStore) -> None:
    store.transact(name_it)

    def drop(txn: Txn) -> None:
        found = txn.get(PrefixList, "pl-1")
        remove(txn, found, "prefixListId")

    with pytest.raises(IntentError, match=r"pl-1 is named by rule aclr-1 of acl-1"):
        store.transact(drop)

    def unname(txn: Txn) -> None:
        txn.delete(AclRule, "aclr-1")
        released(txn, "vpc-b", "pl-1")
        txn.delete(SecurityGroup, "sg-1")  # and its rules with it
        released(txn, "vpc-a", "pl-1")
        drop(txn)

    store.transact(unname)
    assert known(store) == {} and not store.state.all(PrefixEntry)


def test_a_rule_with_a_list_counts_as_the_list_s_most_entries(store: MemoryStore) -> None:
    plain, naming_it = rule("sgr-0", ""), rule("sgr-1")
    assert counted([plain, naming_it, naming_it], store.state) == 1 + 3 + 3


def test_what_names_a_list_is_told_by_its_kind(store: MemoryStore) -> None:
    store.transact(name_it)
    assert {one.shown: ids for one, ids in holders("pl-1", store.state).items()} == {
        "acl": ["acl-1"],
        "securityGroup": ["sg-1"],
    }
    assert {one.quota for one in naming()} == {"aclRule", "securityGroupRule"}
