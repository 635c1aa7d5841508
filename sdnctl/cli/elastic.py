"""What a tenant does with public addresses: get them, bind and move them, change their bandwidth."""

from typing import Annotated, Any

import typer

from sdnctl.base.problem import Problem
from sdnctl.cli.kinds import EIP, ENI, INSTANCE
from sdnctl.cli.names import find, find_id, holder
from sdnctl.cli.networks import MayName, given
from sdnctl.cli.resources import GROUPS, completion, made, one
from sdnctl.cli.session import Session, tenants
from sdnctl.cli.signed import Tenant

Json = dict[str, Any]
GROUP = GROUPS["eip"]
DEFAULT_CHARGE = "postpaid_by_duration"
Mbps = Annotated[int, typer.Option(metavar="MBPS", help="Outbound limit.")]


def order(mbps: int, charge: str = DEFAULT_CHARGE, **extra: Any) -> Json:
    """Elastic IPs to be made, as the API wants it."""
    spec = {"bandwidthMbps": mbps, "provider": "bgp", "chargeSpec": {"chargeMode": charge}}
    return {"elasticIpSpec": spec, **given(**extra)}


@tenants(GROUP, "create", waits=True)
def create(
    session: Session,
    bandwidth: Mbps,
    name: MayName = None,
    count: Annotated[int, typer.Option(metavar="N", help="How many.")] = 1,
    address: Annotated[str | None, typer.Option(metavar="IP", help="Which address; default: a free one.")] = None,
    pool: Annotated[str | None, typer.Option(metavar="ID", help="From which pool; default: any.")] = None,
    charge: Annotated[
        str, typer.Option(metavar="MODE", help="postpaid_by_duration, postpaid_by_usage or prepaid_by_duration.")
    ] = DEFAULT_CHARGE,
) -> None:
    """Get public addresses."""
    body = order(bandwidth, charge, maxCount=count, elasticIpName=name, elasticIpAddress=address, elasticIpPoolId=pool)
    result = session.tenant.post("vpc", EIP.path, body)
    made(session, EIP, result["elasticIpIds"], result)


@tenants(GROUP, "bind", waits=True)
def bind(
    session: Session,
    eip: Annotated[str, one(EIP)],
    target: Annotated[
        str,
        typer.Argument(
            metavar="INSTANCE|ENI",
            help="Name or id; instance:NAME or eni:NAME says which of the two.",
            autocompletion=completion(INSTANCE, ENI),
        ),
    ],
    private: Annotated[str | None, typer.Option(metavar="IP", help="For which address; default: the primary.")] = None,
    move: Annotated[bool, typer.Option("--move", help="Take it from where it is bound now.")] = False,
) -> None:
    """Bind an elastic IP to a private address of an instance or network interface."""
    shown, port = find(session.tenant, EIP, eip), holder(session.tenant, target)
    here = (port["networkInterfaceId"], private or port["primaryIp"]["privateIpAddress"])
    now = (shown["networkInterfaceId"], shown["privateIpAddress"])
    if now[0] and now != here:
        if not move:
            raise Problem(
                f"{eip} is bound to {shown['instanceId'] or shown['networkInterfaceId']}: add --move to take it from "
                f"there, or unbind it first with 'sdnctl eip unbind {eip}'"
            )
        release(session.tenant, shown)
    result = {} if now == here else tie(session.tenant, shown["elasticIpId"], *here)
    made(session, EIP, [shown["elasticIpId"]], result)


@tenants(GROUP, "unbind", waits=True)
def unbind(session: Session, eip: Annotated[str, one(EIP)]) -> None:
    """Take an elastic IP from whatever it is bound to; it keeps its address and bandwidth."""
    shown = find(session.tenant, EIP, eip)
    if not shown["networkInterfaceId"]:
        raise Problem(f"{eip} is bound to nothing")
    result = release(session.tenant, shown)
    made(session, EIP, [shown["elasticIpId"]], result)


@tenants(GROUP, "set-bandwidth", waits=True)
def set_bandwidth(
    session: Session,
    eip: Annotated[str, one(EIP)],
    mbps: Annotated[int, typer.Argument(metavar="MBPS", help="The new outbound limit.", show_default=False)],
) -> None:
    """Change an elastic IP's bandwidth; in force when its state is UP."""
    id = find_id(session.tenant, EIP, eip)
    result = session.tenant.call("vpc", "PATCH", EIP.item(id), {"bandwidthMbps": mbps})
    made(session, EIP, [id], result)


def tie(tenant: Tenant, eip: str, port: str, private: str | None) -> Json:
    """Bind an elastic IP to an address of a network interface."""
    body = {"elasticIpId": eip, **given(privateIpAddress=private)}
    return tenant.post("vpc", ENI.item(port, "associateElasticIp"), body)


def release(tenant: Tenant, shown: Json) -> Json:
    """Take an elastic IP, as the API shows it, from where it is bound."""
    path = ENI.item(shown["networkInterfaceId"], "disassociateElasticIp")
    return tenant.post("vpc", path, {"elasticIpId": shown["elasticIpId"]})
