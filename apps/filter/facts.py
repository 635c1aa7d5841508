"""Rules of filters (security groups, network ACLs): the matches of the other side, protocol and ports of one."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from apps.prefix_list.model import VpcPrefixes
from sdnctl.base.addresses import MAX_PORT, Cidr
from sdnctl.model.tally import Tally
from sdnctl.of.fields import (
    FRAGMENT_LATER,
    IP_FRAG,
    IP_PROTO,
    IP_PROTO_ICMP,
    IP_PROTO_TCP,
    IP_PROTO_UDP,
    Field,
    OxmField,
    Value,
)
from sdnctl.of.ranges import masks
from sdnctl.program.feature import View
from sdnctl.program.weight import Weighed

Match = dict[Field, Value]
PROTOCOLS = {"icmp": IP_PROTO_ICMP, "tcp": IP_PROTO_TCP, "udp": IP_PROTO_UDP}
LATER = (FRAGMENT_LATER, FRAGMENT_LATER)


class Rule(Protocol):
    """The part of a filter's rule that says what it is for; ``prefix_list`` is empty where ``cidr`` says it."""

    @property
    def vpc(self) -> str: ...
    @property
    def prefix_list(self) -> str: ...
    @property
    def cidr(self) -> Cidr: ...
    @property
    def action(self) -> str: ...
    @property
    def protocol(self) -> str: ...
    @property
    def first(self) -> int: ...
    @property
    def last(self) -> int: ...


def blocks_of(rule: Rule, view: View) -> tuple[Cidr, ...]:
    """The blocks of addresses that a rule is for; those of a list that is not there are none."""
    if not rule.prefix_list:
        return (rule.cidr,)
    ids = view.by(VpcPrefixes, ("vpc", "prefix_list"), (rule.vpc, rule.prefix_list))
    lists = (view.get(VpcPrefixes, id) for id in ids)
    return tuple(sorted({block for one in lists if one is not None for block in one.blocks}))


def names_ports(rule: Rule) -> bool:
    """True when a rule is for some ports; every port is as good as none, but for port 0, which nobody has."""
    return rule.protocol in ("tcp", "udp") and not (rule.first <= 1 and rule.last == MAX_PORT)


def packets_of(rule: Rule, ports: Mapping[str, OxmField]) -> Iterator[Match]:
    """The matches of a rule's protocol and ports, which are in the fields ``ports``.

    Of a datagram in fragments only the first has ports.  The later ones pass by each rule that allows some ports: the
    receiver's connection tracking lets none of them on before the first, which was judged by its port.
    """
    if rule.protocol == "all":
        yield {}
        return
    protocol: Match = {IP_PROTO: PROTOCOLS[rule.protocol]}
    if not names_ports(rule):
        yield protocol
        return
    for port in masks(rule.first, rule.last):
        yield {**protocol, ports[rule.protocol]: port}
    if rule.action == "allow":
        yield {**protocol, IP_FRAG: LATER}


def matches_of(rule: Rule) -> int:
    """The number of matches that a rule takes for each of its blocks: each mask of its ports, and later fragments."""
    return len(masks(rule.first, rule.last)) + (rule.action == "allow") if names_ports(rule) else 1


def tally_of(rules: type, holder: str) -> Tally:
    """The matches of a class of rules for each block, by what is named ``holder``, their VPC and their prefix list."""
    return Tally(rules, lambda rule: (getattr(rule, holder), rule.vpc, rule.prefix_list), matches_of)


def matches_in(tally: Tally, holder: str, vpc: str, lists: Iterable[str], records: Weighed) -> int:
    """The matches of a holder's rules in a VPC, whose rules may name some prefix lists."""
    total = records.total(tally, (holder, vpc, ""))
    for one in lists:
        each = records.total(tally, (holder, vpc, one))
        found = records.by(VpcPrefixes, ("vpc", "prefix_list"), (vpc, one)) if each else ()
        total += each * sum(len(known.blocks) for known in records.many(VpcPrefixes, found))
    return total
