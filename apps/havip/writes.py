"""Changes of HaVips within a transaction: to make one, to move it, to let members come and go."""

from dataclasses import replace

from apps.eip.model import ElasticIp
from apps.eni.model import NetworkInterface
from apps.eni.writes import new_managed
from apps.havip.facts import member
from apps.havip.model import KIND, HaVip, HaVipMember
from apps.routing.writes import routed
from apps.vpc.model import Subnet
from sdnctl.base.addresses import Ip4
from sdnctl.base.errors import IntentError
from sdnctl.model.host import Binding
from sdnctl.program.lifecycle import arbitrates, blocks
from sdnctl.program.weight import weighs
from sdnctl.store import Txn

FLOWS = weighs(HaVip, 1)
MEMBER_FLOWS = weighs(HaVipMember, 3)


def new_havip(txn: Txn, subnet: Subnet, name: str, address: Ip4 | None) -> HaVip:
    """A HaVip without members, written to the transaction; IntentError when it can have no address."""
    id = txn.new_id(HaVip)
    port = new_managed(txn, subnet, KIND, id, address)
    made = HaVip(
        id=id,
        account=subnet.account,
        vpc=subnet.vpc,
        subnet=subnet.id,
        port=port.id,
        name=name,
        created=txn.now,
        updated=txn.now,
    )
    txn.put(made)
    return made


def join(txn: Txn, havip: HaVip, port: NetworkInterface, kind: str, resource: str) -> HaVipMember:
    """A port becomes a member; IntentError when it is one already, is managed, or is of another subnet."""
    if port.managed or port.subnet != havip.subnet:
        raise IntentError.precondition("resources", f"{port.id} of {port.subnet} is not of subnet {havip.subnet}")
    if member(havip.id, port.id, txn):
        raise IntentError("resources", f"{port.id} is associated with {havip.id} already", 409, "ALREADY_EXISTS")
    made = HaVipMember(
        id=txn.new_id(HaVipMember),
        account=havip.account,
        havip=havip.id,
        vpc=havip.vpc,
        port=port.id,
        kind=kind,
        resource=resource,
        created=txn.now,
    )
    txn.put(made)
    return made


def leave(txn: Txn, havip: HaVip, one: HaVipMember) -> None:
    """A member leaves: where it was the master there is none, until another one claims the HaVip."""
    txn.delete(HaVipMember, one.id)
    known = txn.get(Binding, havip.port)
    if known is not None and known.behind == one.port:
        txn.delete(Binding, havip.port)


def move(txn: Txn, havip: HaVip, port: str) -> None:
    """A member becomes the master by hand; IntentError when it is none, or is plugged in nowhere."""
    if not member(havip.id, port, txn):
        raise IntentError.precondition("resourceId", f"{port} is not associated with {havip.id}")
    front, known = txn.get(Binding, port), txn.get(Binding, havip.port)
    if front is None:
        raise IntentError.precondition("resourceId", f"{port} is on no host")
    turn = known.turn if known is not None else 0
    if known is None or known.behind != port:
        made = Binding(id=havip.port, port=havip.port, vpc=havip.vpc, host=front.host, behind=port, turn=turn + 1)
        txn.put(made)
        before = known.behind if known is not None else ""
        txn.put(replace(havip, updated=txn.now, moved=txn.now, moved_turn=turn + 1, before=before))


@arbitrates(Binding)
def by_a_member(known: Binding | None, wanted: Binding, txn: Txn) -> Binding | None:
    """A HaVip is behind one of its members, and nothing else is behind another port."""
    port = txn.get(NetworkInterface, wanted.port)
    if port is None or port.managed != KIND:
        return None if wanted.behind else wanted
    return wanted if member(port.owner, wanted.behind, txn) else None


@blocks(Subnet)
def there(subnet: Subnet, txn: Txn) -> str:
    """A HaVip in the subnet."""
    found = sorted(txn.by(HaVip, ("subnet",), subnet.id))
    return f"{subnet.id} has HaVip {found[0]}" if found else ""


@blocks(HaVip)
def in_use(havip: HaVip, txn: Txn) -> str:
    """A member, an elastic IP, or a route that leads to it."""
    for id in sorted(txn.by(HaVipMember, ("havip",), havip.id)):
        one = txn.get(HaVipMember, id)
        return f"{havip.id} is associated with {one.resource if one is not None else id}: disassociate it first"
    for eip in sorted(txn.by(ElasticIp, ("port",), havip.port)):
        return f"{havip.id} has elastic IP {eip}: disassociate it first"
    return routed(havip.id, txn)
