"""Changes of NAT gateways within a transaction, and the rules that they keep."""

from collections.abc import Iterable
from dataclasses import replace

from apps.eip.model import ElasticIp
from apps.eip.writes import bind, unbind
from apps.eni.model import NetworkInterface
from apps.eni.writes import new_managed
from apps.gateway.writes import may_translate
from apps.holder.model import Holder
from apps.nat_gateway.model import CONNECTIONS, KIND, DnatRule, NatGateway, SnatRule
from apps.nat_gateway.tables import NAT_SLOTS
from apps.routing.model import EVERYWHERE, Route
from apps.routing.writes import routed
from apps.vpc.model import Subnet
from sdnctl.base.errors import IntentError
from sdnctl.model.account import Account
from sdnctl.of.ranges import masks
from sdnctl.program.lifecycle import arbitrates, blocks, born, changed
from sdnctl.program.weight import Weighed, weighs
from sdnctl.store import Txn

SHIFTED_MOST = 64
"""The most ports of one rule that stand for others: each takes a flow of its own."""
EIPS_MOST = 20
"""The elastic IPs that a gateway may have, by its quota."""
EIPS_QUOTA = "natGatewayFip"
GATEWAY_FLOWS = weighs(NatGateway, 6)


def _snat_flows(records: Weighed, account: str) -> int:
    rules = records.many(SnatRule, records.by(SnatRule, ("account",), account))
    return sum(1 if len(rule.eips) == 1 else MOST_SNAT for rule in rules)


MOST_SNAT = 1 + NAT_SLOTS + EIPS_MOST
SNAT_FLOWS = weighs(SnatRule, 1, most=MOST_SNAT, exactly=_snat_flows)
DNAT_FLOWS = weighs(
    DnatRule,
    4,
    most=3 + SHIFTED_MOST,
    exactly=lambda records, account: sum(
        3 + openings(rule) for rule in records.many(DnatRule, records.by(DnatRule, ("account",), account))
    ),
)


def openings(rule: DnatRule) -> int:
    """The flows for the ports that a rule opens."""
    if rule.protocol == "all":
        return 1
    return len(masks(rule.first, rule.last)) if rule.first == rule.inside else rule.last - rule.first + 1


def new_gateway(txn: Txn, subnet: Subnet, name: str, size: str = "small") -> NatGateway:
    """A NAT gateway with an address of the subnet and a rule for everything; IntentError where none is free."""
    id = txn.new_id(NatGateway)
    port = new_managed(txn, subnet, KIND, id)
    made = NatGateway(
        id=id,
        account=subnet.account,
        vpc=subnet.vpc,
        subnet=subnet.id,
        port=port.id,
        connections=CONNECTIONS[size],
        zone=txn.allocate(NatGateway, "zone"),
        piece_meter=txn.allocate(NatGateway, "piece_meter"),
        size=size,
        name=name,
        charge_start=txn.now,
        created=txn.now,
    )
    txn.put(made)
    rule = SnatRule(
        id=txn.new_id(SnatRule),
        account=made.account,
        vpc=made.vpc,
        gateway=made.id,
        cidr=EVERYWHERE,
        system=True,
        created=txn.now,
        updated=txn.now,
    )
    txn.put(rule)
    return made


def join(txn: Txn, natgw: NatGateway, eip: ElasticIp) -> None:
    """Let a gateway have one more elastic IP; IntentError when that is bound elsewhere."""
    port = txn.get(NetworkInterface, natgw.port)
    if port is None:
        raise IntentError.missing("natGatewayId", natgw.id)
    if eip.port == port.id:
        return
    if eip.port:
        raise IntentError("elasticIpIds", f"{eip.id} is bound to {eip.port}: disassociate it first", 409, "CONFLICT")
    bind(txn, eip, port, port.addresses[0])


def leave(txn: Txn, natgw: NatGateway, eip: ElasticIp) -> ElasticIp:
    """Take an elastic IP from a gateway; IntentError while a rule names it."""
    if txn.get(NatGateway, natgw.id) is not None:
        _check_unnamed(txn, natgw, eip, "elasticIpIds")
    return unbind(txn, eip)


def _check_unnamed(txn: Txn, natgw: NatGateway, eip: ElasticIp, field: str) -> None:
    """Raise IntentError 409 when a rule of the gateway names the elastic IP."""
    for id in sorted(txn.by(DnatRule, ("eip",), eip.id)):
        raise IntentError(field, f"{eip.id} is named by rule {id}: remove that first", 409, "CONFLICT")
    for rule in txn.many(SnatRule, sorted(txn.by(SnatRule, ("gateway",), natgw.id))):
        if eip.id in rule.eips:
            raise IntentError(field, f"{eip.id} is named by rule {rule.id}: change that first", 409, "CONFLICT")


@changed(ElasticIp)
def comes_and_goes(before: ElasticIp, after: ElasticIp, txn: Txn) -> None:
    """By whatever call: an elastic IP leaves a gateway when no rule names it, is online elsewhere, joins one with room.

    It may be bound to the gateway's interface, or moved, as to any other.
    """
    if before.port == after.port:
        return
    for natgw in txn.many(NatGateway, sorted(txn.by(NatGateway, ("port",), before.port)) if before.port else ()):
        _check_unnamed(txn, natgw, after, "elasticIpId")
        if after.id in natgw.offline:
            txn.put(replace(natgw, offline=tuple(id for id in natgw.offline if id != after.id)))
    for natgw in txn.many(NatGateway, sorted(txn.by(NatGateway, ("port",), after.port)) if after.port else ()):
        account = txn.get(Account, natgw.account)
        most = int(account.quotas.get(EIPS_QUOTA, EIPS_MOST)) if account is not None else EIPS_MOST
        if len(txn.by(ElasticIp, ("port",), natgw.port)) > most:
            text = f"the quota {EIPS_QUOTA} of {natgw.id} is {most}, all are in use"
            raise IntentError("elasticIpId", text, 429, "QUOTA_EXCEEDED")


@blocks(Subnet)
def gateway_in(subnet: Subnet, txn: Txn) -> str:
    """A NAT gateway in the subnet."""
    found = sorted(txn.by(NatGateway, ("subnet",), subnet.id))
    return f"{subnet.id} has NAT gateway {found[0]}" if found else ""


@blocks(NatGateway)
def led_to(natgw: NatGateway, txn: Txn) -> str:
    """A route that leads to the gateway."""
    return routed(natgw.id, txn)


@born(Route)
def no_circle(route: Route, txn: Txn) -> None:
    """A route to a gateway is in no table that the gateway's own subnet follows."""
    _check(txn, [route], txn.by(Subnet, ("route_table",), route.table))


@changed(Route)
def no_circle_later(before: Route, after: Route, txn: Txn) -> None:
    """The same when a route leads elsewhere from now on."""
    no_circle.run(after, txn)


@changed(Subnet)
def no_circle_of_a_subnet(before: Subnet, after: Subnet, txn: Txn) -> None:
    """The same when a subnet follows another table."""
    if before.route_table != after.route_table:
        _check(txn, txn.many(Route, sorted(txn.by(Route, ("table",), after.route_table))), [after.id])


def _check(txn: Txn, routes: Iterable[Route], subnets: Iterable[str]) -> None:
    followers = set(subnets)
    for route in routes:
        found = txn.get(NatGateway, route.next_hop) if route.next_hop_type == KIND else None
        if found is not None and found.subnet in followers:
            text = f"{route.prefix} would lead {found.subnet}, the subnet of {found.id} itself, back to it"
            raise IntentError("nextHopId", text, 409, "CONFLICT")


@arbitrates(Holder, keys=lambda key: key.startswith(f"{KIND}-"))
def translated_by(known: Holder | None, wanted: Holder, txn: Txn) -> Holder | None:
    """A NAT gateway is on the active gateway; in a region without gateways on a host that has an uplink."""
    there = txn.get(NatGateway, wanted.id) is not None
    return wanted if there and may_translate(txn, wanted.host) else None
