"""Values derived from NAT gateways: the place of one, its elastic IPs, and those that a rule may use."""

from collections.abc import Iterator, Sequence
from hashlib import blake2b

from apps.eip.model import ElasticIp
from apps.eni.model import NetworkInterface
from apps.gateway.facts import translates_here
from apps.holder.facts import held_here
from apps.nat_gateway.model import DnatRule, NatGateway, SnatRule
from apps.routing.facts import leads_to_internet
from apps.vpc.model import Subnet
from sdnctl.program.feature import View
from sdnctl.verify.doors import Door, Exit, Records, doors


def in_force_here(gateway: str, here: str, view: View) -> bool:
    """True where a NAT gateway, which is running, translates."""
    found = view.get(NatGateway, gateway)
    serves = found is not None and found.running and view.derived(translates_here, found.vpc)
    return serves and view.derived(held_here, gateway)


def gateway_at(port: str, view: View) -> NatGateway | None:
    """The NAT gateway that an interface belongs to."""
    found = (view.get(NatGateway, id) for id in view.by(NatGateway, ("port",), port))
    return next(found, None)


def nat_port(port: str, here: str, view: View) -> bool:
    """True for the interface of a NAT gateway."""
    return bool(port) and view.any(NatGateway, ("port",), port)


def online(gateway: str, here: str, view: View) -> tuple[ElasticIp, ...]:
    """The elastic IPs of a gateway that get new connections, in order of their ids."""
    known = view.get(NatGateway, gateway)
    subnet = view.get(Subnet, known.subnet) if known is not None else None
    if known is None or subnet is None or not view.derived(leads_to_internet, subnet.route_table):
        return ()
    found = (view.get(ElasticIp, id) for id in sorted(view.by(ElasticIp, ("port",), known.port)))
    return tuple(eip for eip in found if eip is not None and eip.id not in known.offline)


def leave_by(rule: SnatRule, view: View) -> Sequence[ElasticIp]:
    """The elastic IPs by which new connections of a rule's sources leave."""
    known: Sequence[ElasticIp] = view.derived(online, rule.gateway)
    return [eip for eip in known if eip.id in rule.eips] if rule.eips else known


def number_of(zone: int, eips: Sequence[ElasticIp], use: str = "") -> int:
    """The number of a set of elastic IPs of a gateway for a use, the same on every host; two share one in 2**-32 cases.

    None has 0.
    """
    text = " ".join((str(zone), use, *(str(eip.address) for eip in eips)))
    return int.from_bytes(blake2b(text.encode(), digest_size=4).digest(), "big") or 1


@doors
def opened(records: Records) -> Iterator[Door | Exit]:
    """Connections leave by the elastic IPs of a gateway; the address of a DNAT rule is reached by the one it names."""
    gateways_at = {natgw.port for natgw in records.all(NatGateway).values()}
    yield from (Exit(eip.port, eip.address) for eip in records.all(ElasticIp).values() if eip.port in gateways_at)
    owners = {
        (port.vpc, address): port.id for port in records.all(NetworkInterface).values() for address in port.addresses
    }
    eips = records.all(ElasticIp)
    for rule in records.all(DnatRule).values():
        owner, eip = owners.get((rule.vpc, rule.address)), eips.get(rule.eip)
        if owner is not None and eip is not None:
            yield Door(owner, eip.address, rule.address)
