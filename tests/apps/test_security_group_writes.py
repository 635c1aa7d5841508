"""The life of security groups in the store: default groups, profiles that follow the interfaces, and bits."""

from dataclasses import replace

import pytest

from apps.eni.model import NetworkInterface
from apps.eni.writes import new_interface
from apps.routing.model import RouteTable
from apps.security_group.facts import default_group
from apps.security_group.model import BITS, NO_BIT, GroupProfile, GroupRule, SecurityGroup
from apps.security_group.writes import change_rule, new_group, new_rule, remove_group, remove_rule, set_groups
from apps.vpc.model import ANYTHING, Subnet, Vpc
from sdnctl.base.addresses import Cidr
from sdnctl.base.errors import IntentError
from sdnctl.model.account import Account
from sdnctl.program.lifecycle import create, remove
from sdnctl.store import Txn
from sdnctl.store.memory import MemoryStore

BLOCK = Cidr.parse("10.0.0.0/16")


class Cloud:
    """A region with an account, and VPCs of one subnet each."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.store.transact(lambda txn: txn.put(Account(id="acct-a")))

    def vpc(self, name: str = "a", born: bool = True) -> Subnet:
        """The subnet of a new VPC; ``born`` off is what a program before security groups stored."""

        def work(txn: Txn) -> Subnet:
            key, meter = txn.allocate(Vpc, "key"), txn.allocate(Vpc, "meter")
            vpc = Vpc(id=f"vpc-{name}", account="acct-a", cidr=BLOCK, key=key, meter=meter)
            if born:
                create(txn, vpc)
                table = next(iter(txn.by(RouteTable, ("vpc",), vpc.id)))
            else:
                txn.put(vpc)
                table = f"rtb-{name}"
                number = txn.allocate(RouteTable, "key")
                txn.put(RouteTable(id=table, account="acct-a", vpc=vpc.id, default=True, key=number))
            key = txn.allocate(Subnet, "key")
            cidr = Cidr.parse("10.0.1.0/24")
            subnet = Subnet(id=f"subnet-{name}", account="acct-a", vpc=vpc.id, route_table=table, cidr=cidr, key=key)
            txn.put(subnet)
            return subnet

        return self.store.transact(work)

    def group(self, subnet: Subnet, name: str) -> SecurityGroup:
        """A custom group of a subnet's VPC."""
        return self.store.transact(lambda txn: new_group(txn, self.store.state.all(Vpc)[subnet.vpc], name))

    def port(self, subnet: Subnet, *groups: str) -> NetworkInterface:
        """An interface of a subnet in some groups."""
        return self.store.transact(lambda txn: new_interface(txn, subnet, groups=groups))

    def move(self, port: NetworkInterface, *groups: str) -> None:
        """Change the groups of an interface."""
        self.store.transact(lambda txn: set_groups(txn, self.store.state.all(NetworkInterface)[port.id], groups))

    def profiles(self) -> list[tuple[str, ...]]:
        """The sets of groups that have a profile."""
        return sorted(profile.groups for profile in self.store.state.all(GroupProfile).values())

    def bit(self, group: SecurityGroup) -> int:
        """The bit of a group."""
        return self.store.state.all(SecurityGroup)[group.id].bit


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


def default_in(cloud: Cloud, subnet: Subnet) -> str:
    return default_group(subnet.vpc, cloud.store.state)


def test_s1_a_vpc_has_one_default_group_that_lets_everything_pass_both_ways(cloud: Cloud) -> None:
    cloud.vpc()
    (group,) = cloud.store.state.all(SecurityGroup).values()
    rules = cloud.store.state.all(GroupRule).values()
    assert group.default and group.vpc == "vpc-a"
    assert sorted(rule.direction for rule in rules) == ["in", "out"]
    for rule in rules:
        assert (rule.action, rule.protocol, rule.cidr, rule.priority) == ("allow", "all", ANYTHING, 100)
        assert (rule.group, rule.origin) == (group.id, "default")


def test_a_profile_lives_as_long_as_an_interface_has_its_groups(cloud: Cloud) -> None:
    subnet = cloud.vpc()
    web, db = cloud.group(subnet, "web").id, cloud.group(subnet, "db").id
    assert cloud.profiles() == []
    first, second = cloud.port(subnet, web, db), cloud.port(subnet, db, web)
    both = tuple(sorted((web, db)))
    assert cloud.profiles() == [both], "the order of groups does not matter"
    third = cloud.port(subnet)
    default = (default_in(cloud, subnet),)
    assert cloud.profiles() == sorted([both, default])
    cloud.move(first, web)
    cloud.move(third, db)
    assert cloud.profiles() == sorted([both, (web,), (db,)])
    cloud.store.transact(lambda txn: remove(txn, second, "networkInterfaceId"))
    assert cloud.profiles() == sorted([(web,), (db,)])
    cloud.move(first)
    cloud.move(third)
    assert cloud.profiles() == [default]


def test_profiles_have_numbers_of_their_own(cloud: Cloud) -> None:
    subnet, other = cloud.vpc("a"), cloud.vpc("b")
    cloud.port(subnet)
    cloud.port(other)
    cloud.port(subnet, cloud.group(subnet, "web").id)
    keys = [profile.key for profile in cloud.store.state.all(GroupProfile).values()]
    assert sorted(keys) == [1, 2, 3]


def test_the_default_group_beside_others_is_taken_off(cloud: Cloud) -> None:
    subnet = cloud.vpc()
    web, default = cloud.group(subnet, "web").id, default_in(cloud, subnet)
    port = cloud.port(subnet, default, web)
    assert cloud.store.state.all(NetworkInterface)[port.id].security_groups == (web,)
    cloud.move(port, default)
    assert cloud.store.state.all(NetworkInterface)[port.id].security_groups == ()
    assert cloud.profiles() == [(default,)]


@pytest.mark.parametrize(
    ("groups", "code"), [(["sg-none"], 404), (["far"], 400), (["0", "0"], 400), (list("012345"), 400)]
)
def test_groups_that_an_interface_may_not_have(cloud: Cloud, groups: list[str], code: int) -> None:
    subnet, other = cloud.vpc("a"), cloud.vpc("b")
    named = {str(n): cloud.group(subnet, f"g{n}").id for n in range(6)} | {"far": cloud.group(other, "far").id}
    port, asked = cloud.port(subnet), [named.get(name, name) for name in groups]
    with pytest.raises(IntentError, match="securityGroups") as made:
        cloud.port(subnet, *asked)
    with pytest.raises(IntentError, match="securityGroups") as moved:
        cloud.move(port, *asked)
    assert (made.value.code, moved.value.code) == (code, code)
    assert len(cloud.store.state.all(NetworkInterface)) == 1 and len(cloud.profiles()) == 1


def test_a_group_has_a_bit_while_a_rule_names_it(cloud: Cloud) -> None:
    subnet = cloud.vpc()
    web, db = cloud.group(subnet, "web"), cloud.group(subnet, "db")
    assert cloud.bit(web) == NO_BIT
    first = cloud.store.transact(lambda txn: new_rule(txn, db, "in", peer=web.id))
    second = cloud.store.transact(lambda txn: new_rule(txn, db, "out", peer=web.id))
    own = cloud.store.transact(lambda txn: new_rule(txn, db, "in", peer=db.id))
    assert (cloud.bit(web), cloud.bit(db)) == (0, 1)
    cloud.store.transact(lambda txn: change_rule(txn, first, replace(first, peer=db.id)))
    assert cloud.bit(web) == 0
    cloud.store.transact(lambda txn: remove_rule(txn, second))
    assert cloud.bit(web) == NO_BIT
    cloud.store.transact(lambda txn: change_rule(txn, own, replace(own, peer=web.id)))
    assert (cloud.bit(web), cloud.bit(db)) == (0, 1)
    cloud.store.transact(lambda txn: remove_group(txn, db))
    assert cloud.bit(web) == NO_BIT and not [r for r in cloud.store.state.all(GroupRule).values() if r.group == db.id]


def test_the_sixty_fifth_group_that_rules_name_is_refused(cloud: Cloud) -> None:
    subnet = cloud.vpc()
    groups = [cloud.group(subnet, f"g{n}") for n in range(BITS + 1)]
    for group in groups[:BITS]:
        cloud.store.transact(lambda txn, group=group: new_rule(txn, groups[0], "in", peer=group.id))  # type: ignore[misc]
    assert sorted(map(cloud.bit, groups[:BITS])) == list(range(BITS))
    with pytest.raises(IntentError, match="64 different groups") as refused:
        cloud.store.transact(lambda txn: new_rule(txn, groups[0], "in", peer=groups[BITS].id))
    assert (refused.value.code, refused.value.status) == (429, "QUOTA_EXCEEDED")
    other = cloud.vpc("b")
    ours = cloud.group(other, "x")
    cloud.store.transact(lambda txn: new_rule(txn, ours, "in", peer=ours.id))
    assert cloud.bit(ours) == 0, "each VPC has bits of its own"


def test_a_vpc_goes_with_all_its_groups_whatever_they_name(cloud: Cloud) -> None:
    subnet = cloud.vpc()
    web, db = cloud.group(subnet, "web"), cloud.group(subnet, "db")
    cloud.store.transact(lambda txn: new_rule(txn, db, "in", peer=web.id))
    cloud.store.transact(lambda txn: new_rule(txn, web, "in", peer=db.id))
    cloud.store.transact(lambda txn: remove(txn, subnet, "subnetId"))
    vpc = cloud.store.state.all(Vpc)[subnet.vpc]
    cloud.store.transact(lambda txn: remove(txn, vpc, "vpcId"))
    assert not cloud.store.state.all(SecurityGroup) and not cloud.store.state.all(GroupRule)


def test_a_vpc_of_an_older_program_gets_its_default_group_with_its_next_interface(cloud: Cloud) -> None:
    subnet = cloud.vpc(born=False)
    assert default_in(cloud, subnet) == ""
    cloud.port(subnet)
    assert cloud.profiles() == [(default_in(cloud, subnet),)]
