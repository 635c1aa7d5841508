"""What a tenant does with public addresses: get them, bind and move them, change their bandwidth."""

from typing import Annotated, Any

import typer

from sdnctl.base.problem import Problem
from sdnctl.cli.command import tenants
from sdnctl.cli.invocation import Invocation
from sdnctl.cli.kinds import EIP, ENI, INSTANCE
from sdnctl.cli.names import find, find_id, holder
from sdnctl.cli.networks import MayName, given
from sdnctl.cli.resources import completion, made, one
from sdnctl.cli.signed import Tenant

Json = dict[str, Any]
DEFAULT_CHARGE = "postpaid_by_duration"
Mbps = Annotated[int, typer.Option(metavar="MBPS", help="Outbound limit.")]


def order(mbps: int, charge: str = DEFAULT_CHARGE, **extra: Any) -> Json:
    """Elastic IPs to be made, as the API wants it."""
    spec = {"bandwidthMbps": mbps, "provider": "bgp", "chargeSpec": {"chargeMode": charge}}
    return {"elasticIpSpec": spec, **given(**extra)}


@tenants("eip", "create", waits=True)
def create(
    call: Invocation,
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
    result = call.tenant.post("vpc", EIP.path, body)
    made(call, EIP, result["elasticIpIds"], result)


@tenants("eip", "bind", waits=True)
def bind(
    call: Invocation,
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
    shown, port = find(call.tenant, EIP, eip), holder(call.tenant, target)
    here = (port["networkInterfaceId"], private or port["primaryIp"]["privateIpAddress"])
    now = (shown["networkInterfaceId"], shown["privateIpAddress"])
    if now[0] and now != here:
        if not move:
            raise Problem(
                f"{eip} is bound to {shown['instanceId'] or shown['networkInterfaceId']}: add --move to take it from "
                f"there, or unbind it first with 'sdnctl eip unbind {eip}'"
            )
        release(call.tenant, shown)
    result = {} if now == here else tie(call.tenant, shown["elasticIpId"], *here)
    made(call, EIP, [shown["elasticIpId"]], result)


@tenants("eip", "unbind", waits=True)
def unbind(call: Invocation, eip: Annotated[str, one(EIP)]) -> None:
    """Take an elastic IP from whatever it is bound to; it keeps its address and bandwidth."""
    shown = find(call.tenant, EIP, eip)
    if not shown["networkInterfaceId"]:
        raise Problem(f"{eip} is bound to nothing")
    result = release(call.tenant, shown)
    made(call, EIP, [shown["elasticIpId"]], result)


@tenants("eip", "set-bandwidth", waits=True)
def set_bandwidth(
    call: Invocation,
    eip: Annotated[str, one(EIP)],
    mbps: Annotated[int, typer.Argument(metavar="MBPS", help="The new outbound limit.", show_default=False)],
) -> None:
    """Change an elastic IP's bandwidth; in force when its state is UP."""
    id = find_id(call.tenant, EIP, eip)
    result = call.tenant.call("vpc", "PATCH", EIP.item(id), {"bandwidthMbps": mbps})
    made(call, EIP, [id], result)


def tie(tenant: Tenant, eip: str, port: str, private: str | None) -> Json:
    """Bind an elastic IP to an address of a network interface."""
    body = {"elasticIpId": eip, **given(privateIpAddress=private)}
    return tenant.post("vpc", ENI.item(port, "associateElasticIp"), body)


def release(tenant: Tenant, shown: Json) -> Json:
    """Take an elastic IP, as the API shows it, from where it is bound."""
    path = ENI.item(shown["networkInterfaceId"], "disassociateElasticIp")
    return tenant.post("vpc", path, {"elasticIpId": shown["elasticIpId"]})
