"""What a tenant makes and changes inside: VPCs, subnets, route tables, network interfaces and instances."""

from typing import Annotated, Any

import typer

from sdnctl.base.problem import Problem, Usage
from sdnctl.cli.command import tenants
from sdnctl.cli.invocation import Invocation
from sdnctl.cli.kinds import ENI, ENI_HOP, INSTANCE, ROUTE_TABLE, SUBNET, VPC, rule_text
from sdnctl.cli.names import Ambiguous, Unknown, find, find_id, tagged
from sdnctl.cli.resources import completion, made, one, option, remove
from sdnctl.cli.signed import Tenant

Json = dict[str, Any]
DEFAULT_TYPE, DEFAULT_IMAGE = "g.n2.medium", "img-none"
PLAIN_HOPS = ("internet",)

NewName = Annotated[str, typer.Argument(metavar="NAME", help="Its name.", show_default=False)]
MayName = Annotated[str | None, typer.Argument(metavar="[NAME]", help="Its name.", show_default=False)]
Description = Annotated[str | None, typer.Option(metavar="TEXT", help="What it is for.")]
InVpc = Annotated[str, option(VPC, "--vpc", "Name or id of its VPC.")]
InSubnet = Annotated[str, option(SUBNET, "--subnet", "Name or id of its subnet (also VPC/NAME).")]
Address = Annotated[str | None, typer.Option(metavar="IP", help="Primary private address; default: a free one.")]
Secondary = Annotated[list[str], typer.Option(metavar="IP", help="One more private address; may be repeated.")]
Unchecked = Annotated[bool, typer.Option("--no-source-check", help="Let it send from any address, as a router must.")]
Queues = Annotated[int | None, typer.Option(metavar="N", help="Queue pairs; default: what the instance type has.")]
Via = Annotated[str, typer.Option(metavar="HOP", help="internet, instance:NAME, eni:NAME, or TYPE:ID.")]


def given(**parameters: Any) -> Json:
    """The parameters that were given: the API's defaults hold for the others."""
    return {key: value for key, value in parameters.items() if value not in (None, [], ())}


@tenants("vpc", "create", waits=True)
def create_vpc(
    call: Invocation,
    name: NewName,
    cidr: Annotated[str | None, typer.Option(metavar="CIDR", help="Its addresses; default: any private one.")] = None,
    description: Description = None,
) -> None:
    """Make a VPC, and its default route table with it."""
    body = given(vpcName=name, addressPrefix=cidr, description=description)
    result = call.tenant.post("vpc", VPC.path, body)
    made(call, VPC, [result["vpcId"]], result)


@tenants("subnet", "create", waits=True)
def create_subnet(
    call: Invocation,
    name: NewName,
    vpc: InVpc,
    cidr: Annotated[str, typer.Option(metavar="CIDR", help="Its addresses, within the VPC's.")],
    route_table: Annotated[str | None, option(ROUTE_TABLE, "--route-table", "Default: the VPC's default one.")] = None,
    dns: Annotated[list[str], typer.Option(metavar="IP", help="A name server; may be repeated.")] = [],  # noqa: B006
    description: Description = None,
) -> None:
    """Make a subnet in a VPC."""
    owner = find_id(call.tenant, VPC, vpc)
    table = None if route_table is None else table_id(call.tenant, owner, route_table)
    body = given(vpcId=owner, subnetName=name, addressPrefix=cidr, routeTableId=table, description=description)
    result = call.tenant.post("vpc", SUBNET.path, {**body, **given(domainNameServers=dns)})
    made(call, SUBNET, [result["subnetId"]], result)


def table_id(tenant: Tenant, vpc: str, text: str) -> str:
    """A route table by id or name; a plain name is one of this VPC."""
    plain = "/" not in text and not ROUTE_TABLE.is_id(text)
    return find_id(tenant, ROUTE_TABLE, f"{vpc}/{text}" if plain else text)


@tenants("route-table", "create", waits=True)
def create_route_table(call: Invocation, name: NewName, vpc: InVpc, description: Description = None) -> None:
    """Make a route table; at first it has the local rule only."""
    owner = find_id(call.tenant, VPC, vpc)
    body = given(vpcId=owner, routeTableName=name, description=description)
    result = call.tenant.post("vpc", ROUTE_TABLE.path, body)
    made(call, ROUTE_TABLE, [result["routeTableId"]], result)


def hop(tenant: Tenant, via: str, vpc: str) -> Json:
    """A next hop as the API wants it: ``internet``, ``instance:NAME``, ``eni:NAME``, an id, or ``TYPE:ID``.

    A plain name is one of this VPC (an id, or "" for any).  Raises Usage.
    """
    if via in PLAIN_HOPS:
        return {"nextHopType": via, "nextHopId": via}
    kind, name = tagged(via)
    if kind is not None:
        scoped = name if not vpc or "/" in name or kind.is_id(name) else f"{vpc}/{name}"
        return {
            "nextHopType": ENI_HOP if kind is ENI else kind.command,
            "nextHopId": find_id(tenant, kind, scoped),
        }
    tag, colon, id = via.partition(":")
    if not (colon and tag and id):
        raise Usage(f"a next hop is internet, instance:NAME, eni:NAME or TYPE:ID, not {via!r}")
    return {"nextHopType": tag, "nextHopId": id}


@tenants("route-table", "add-rule", waits=True)
def add_rule(
    call: Invocation,
    table: Annotated[str, one(ROUTE_TABLE)],
    prefix: Annotated[str, typer.Argument(metavar="CIDR", help="Where the packets go to.", show_default=False)],
    via: Via,
    priority: Annotated[int | None, typer.Option(help="Among equal prefixes: 1 to 255, the lower wins.")] = None,
    description: Description = None,
) -> None:
    """Add a rule: packets to a prefix take a next hop."""
    found = find(call.tenant, ROUTE_TABLE, table)
    rule = {"addressPrefix": prefix, **hop(call.tenant, via, found["vpcId"])}
    rule |= given(priority=priority, description=description)
    _change(call, found["routeTableId"], "addRouteTableRules", {"routeTableRuleSpecs": [rule]})


@tenants("route-table", "remove-rule", waits=True)
def remove_rule(
    call: Invocation,
    table: Annotated[str, one(ROUTE_TABLE)],
    rule: Annotated[str, typer.Argument(metavar="RULE|CIDR", help="The rule's id, or its prefix.", show_default=False)],
) -> None:
    """Remove a rule, by its id or its prefix."""
    found = find(call.tenant, ROUTE_TABLE, table)
    matching = [r for r in found["routeTableRules"] if rule in (r["ruleId"], r["addressPrefix"])]
    matching = [r for r in matching if r["nextHopType"] != "local"] or matching
    if not matching:
        raise Unknown(f"{table} has no rule {rule}: 'sdnctl route-table get {table}' shows its rules")
    if len(matching) > 1:
        rules = "; ".join(f"{r['ruleId']} {rule_text(r)}" for r in matching)
        raise Ambiguous(f"{table} has {len(matching)} rules for {rule} ({rules}): name one by its id")
    _change(call, found["routeTableId"], "removeRouteTableRules", {"ruleIds": [matching[0]["ruleId"]]})


@tenants("route-table", "associate", waits=True)
def associate(
    call: Invocation,
    table: Annotated[str, one(ROUTE_TABLE)],
    subnets: Annotated[
        list[str], typer.Argument(metavar="SUBNET...", help="Names or ids.", autocompletion=completion(SUBNET))
    ],
) -> None:
    """Let subnets use a route table instead of the one they use now."""
    found = find(call.tenant, ROUTE_TABLE, table)
    ids = [_in_vpc(call, found["vpcId"], subnet) for subnet in subnets]
    _change(call, found["routeTableId"], "associateRouteTable", {"subnetIds": ids})


@tenants("route-table", "disassociate", waits=True)
def disassociate(
    call: Invocation, table: Annotated[str, one(ROUTE_TABLE)], subnet: Annotated[str, one(SUBNET)]
) -> None:
    """Let a subnet use its VPC's default route table again."""
    found = find(call.tenant, ROUTE_TABLE, table)
    body = {"subnetId": _in_vpc(call, found["vpcId"], subnet)}
    _change(call, found["routeTableId"], "disassociateRouteTable", body)


def _in_vpc(call: Invocation, vpc: str, subnet: str) -> str:
    plain = "/" not in subnet and not SUBNET.is_id(subnet)
    return find_id(call.tenant, SUBNET, f"{vpc}/{subnet}" if plain else subnet)


def _change(call: Invocation, table: str, action: str, body: Json) -> None:
    result = call.tenant.post("vpc", ROUTE_TABLE.item(table, action), body)
    made(call, ROUTE_TABLE, [table], result)


@tenants("eni", "create", waits=True)
def create_eni(
    call: Invocation,
    subnet: InSubnet,
    name: MayName = None,
    address: Address = None,
    secondary: Secondary = [],  # noqa: B006
    no_source_check: Unchecked = False,
    queues: Queues = None,
    description: Description = None,
) -> None:
    """Make a network interface; 'sdnctl eni attach' gives it to an instance."""
    body = interface(find_id(call.tenant, SUBNET, subnet), address, secondary, not no_source_check, queues)
    body |= given(networkInterfaceName=name, description=description)
    result = call.tenant.post("vpc", ENI.path, body)
    made(call, ENI, [result["networkInterfaceId"]], result)


def interface(subnet: str, address: str | None, secondary: list[str], checked: bool, queues: int | None) -> Json:
    """A network interface to be made, as the API wants it."""
    body = given(subnetId=subnet, primaryIpAddress=address, secondaryIpAddresses=secondary, queueNum=queues)
    return {**body, "sanityCheck": int(checked)}


@tenants("eni", "attach", waits=True)
def attach(
    call: Invocation,
    eni: Annotated[str, one(ENI)],
    instance: Annotated[str, one(INSTANCE)],
    auto_delete: Annotated[bool, typer.Option("--auto-delete", help="Delete it with the instance.")] = False,
) -> None:
    """Attach a network interface to an instance of the same VPC."""
    port = find_id(call.tenant, ENI, eni)
    owner = find_id(call.tenant, INSTANCE, instance)
    body = {"networkInterfaceId": port, "autoDelete": auto_delete}
    result = call.tenant.post("vm", INSTANCE.item(owner, "attachNetworkInterface"), body)
    made(call, ENI, [port], result)


@tenants("eni", "detach", waits=True)
def detach(call: Invocation, eni: Annotated[str, one(ENI)]) -> None:
    """Take a network interface from its instance; it keeps its addresses and elastic IPs."""
    shown = find(call.tenant, ENI, eni)
    if not shown["instanceId"]:
        raise Problem(f"{eni} is attached to nothing")
    port = shown["networkInterfaceId"]
    path = INSTANCE.item(shown["instanceId"], "detachNetworkInterface")
    result = call.tenant.post("vm", path, {"networkInterfaceId": port})
    made(call, ENI, [port], result)


@tenants("instance", "create", waits=True)
def create_instance(
    call: Invocation,
    name: NewName,
    subnet: InSubnet,
    type: Annotated[str, typer.Option(metavar="TYPE", help="Its size, such as g.n2.large.")] = DEFAULT_TYPE,
    address: Address = None,
    secondary: Secondary = [],  # noqa: B006
    no_source_check: Unchecked = False,
    queues: Queues = None,
    image: Annotated[str, typer.Option(metavar="ID", help="Kept, but of no meaning to the network.")] = DEFAULT_IMAGE,
    eip_bandwidth: Annotated[int | None, typer.Option(metavar="MBPS", help="Give it an elastic IP too.")] = None,
    description: Description = None,
) -> None:
    """Make an instance with its primary network interface."""
    first = interface(find_id(call.tenant, SUBNET, subnet), address, secondary, not no_source_check, queues)
    spec = {"name": name, "instanceType": type, "imageId": image, **given(description=description)}
    spec["primaryNetworkInterface"] = {"networkInterface": first}
    if eip_bandwidth is not None:
        spec["elasticIp"] = {"bandwidthMbps": eip_bandwidth, "provider": "bgp"}
    result = call.tenant.post("vm", INSTANCE.path, {"instanceSpec": spec, "maxCount": 1})
    made(call, INSTANCE, result["instanceIds"], result)


@tenants("instance", "delete", waits=True)
def delete_instance(
    call: Invocation,
    which: Annotated[str, one(INSTANCE)],
    with_eips: Annotated[bool, typer.Option("--with-eips", help="Delete its elastic IPs too; else they stay.")] = False,
) -> None:
    """Delete an instance and its primary network interface; others are only detached."""
    query = [("deletePrimaryNetworkInterfaceAllElasticIp", "True")] if with_eips else []
    remove(call, INSTANCE, which, query)


@tenants("instance", "start", waits=True)
def start(call: Invocation, instance: Annotated[str, one(INSTANCE)]) -> None:
    """Start a stopped instance."""
    _power(call, instance, "startInstance")


@tenants("instance", "stop", waits=True)
def stop(call: Invocation, instance: Annotated[str, one(INSTANCE)]) -> None:
    """Stop a running instance."""
    _power(call, instance, "stopInstance")


def _power(call: Invocation, instance: str, action: str) -> None:
    id = find_id(call.tenant, INSTANCE, instance)
    result = call.tenant.post("vm", INSTANCE.item(id, action), {})
    made(call, INSTANCE, [id], result)
