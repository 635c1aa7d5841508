"""Rules of NAT gateways on the command line."""

from typing import Annotated, Any

import typer

from apps.nat_gateway.cli import GATEWAY, NAT_GATEWAY, Which
from sdnctl.base.problem import Usage
from sdnctl.cli import show
from sdnctl.cli.command import tenants
from sdnctl.cli.invocation import Invocation
from sdnctl.cli.kind import given
from sdnctl.cli.resources import Description

Json = dict[str, Any]
Rules = Annotated[list[str], typer.Argument(metavar="RULE...", help="Ids of rules.", show_default=False)]
Public = Annotated[list[str], typer.Option(metavar="IP", help="Leave by this elastic IP. May be repeated.")]


@tenants(GATEWAY, "rules")
def rules(call: Invocation, gateway: Which) -> None:
    """Show the rules of a NAT gateway: by which elastic IPs connections leave, and which ports are open."""
    id = call.id(GATEWAY, gateway)
    out = call.tenant.get("vpc", NAT_GATEWAY.item(id) + "/snatRules", [("pageSize", "100")])["snatRules"]
    opened = call.tenant.get("vpc", NAT_GATEWAY.item(id) + "/dnatRules", [("pageSize", "100")])["dnatRules"]
    if call.json:
        show.document({"snatRules": out, "dnatRules": opened})
        return
    lines = [{"rule": one["snatRuleId"], "says": _snat_text(one)} for one in out]
    lines += [{"rule": one["dnatRuleId"], "says": _dnat_text(one)} for one in opened]
    show.table(lines, {"rule": "rule", "says": "says"}, "no rules", False, "rules")


def _snat_text(rule: Json) -> str:
    by = ", ".join(rule["snatIpAddresses"]) or "any elastic IP"
    affinity = ", each source always by the same" if rule["ipAffinity"] == "ENABLE" else ""
    off = " (off)" if rule["snatRuleStatus"] == "DISABLE" else ""
    return f"out: {rule['sourceCidr']} by {by}{affinity}{off}"


def _dnat_text(rule: Json) -> str:
    if rule["protocol"] == "ALL":
        return f"in: all to {rule['externalIpAddress']} goes to {rule['internalIpAddress']}"
    ends = rule["externalPortStart"], rule["externalPortEnd"]
    ports = f"{ends[0]}-{ends[1]}" if ends[0] != ends[1] else str(ends[0])
    to = f"{rule['internalIpAddress']}:{rule['internalPortStart']}"
    return f"in: {rule['protocol']} to {rule['externalIpAddress']}:{ports} goes to {to}"


@tenants(GATEWAY, "add-snat", waits=True)
def add_snat(
    call: Invocation,
    gateway: Which,
    source: Annotated[str, typer.Argument(metavar="CIDR", help="The machines that it is for.", show_default=False)],
    by: Public = [],  # noqa: B006
    affinity: Annotated[bool, typer.Option("--affinity", help="Each source always by the same elastic IP.")] = False,
    description: Description = None,
) -> None:
    """Say by which elastic IPs the connections of some machines leave; the longest prefix decides."""
    spec = given(sourceCidr=source, snatIpAddresses=by or None, description=description)
    _act(call, gateway, "addSnatRules", snatRuleSpecs=[{**spec, "ipAffinity": "ENABLE" if affinity else "DISABLE"}])


@tenants(GATEWAY, "remove-snat", waits=True)
def remove_snat(call: Invocation, gateway: Which, rules: Rules) -> None:
    """Remove SNAT rules."""
    _act(call, gateway, "removeSnatRules", snatRuleIds=rules)


@tenants(GATEWAY, "add-dnat", waits=True)
def add_dnat(
    call: Invocation,
    gateway: Which,
    public: Annotated[str, typer.Argument(metavar="IP[:PORT[-PORT]]", help="What is open.", show_default=False)],
    to: Annotated[str, typer.Argument(metavar="IP[:PORT]", help="The machine, and its port.", show_default=False)],
    protocol: Annotated[str, typer.Option(metavar="NAME", help="tcp or udp; without ports it is all.")] = "tcp",
    description: Description = None,
) -> None:
    """Open ports of an elastic IP of the gateway to the internet."""
    address, _, ports = public.partition(":")
    inside, _, port = to.partition(":")
    spec: Json = {"externalIpAddress": address, "internalIpAddress": inside, "protocol": "ALL"}
    if ports:
        first, _, last = ports.partition("-")
        if not all(part.isdigit() for part in (first, last or first, port or first)):
            raise Usage(f"ports are numbers, not {public!r} and {to!r}")
        start, count = int(port or first), int(last or first) - int(first)
        spec |= {"protocol": protocol.upper(), "externalPortStart": int(first), "externalPortEnd": int(last or first)}
        spec |= {"internalPortStart": start, "internalPortEnd": start + count}
    _act(call, gateway, "addDnatRules", dnatRuleSpecs=[{**spec, **given(description=description)}])


@tenants(GATEWAY, "remove-dnat", waits=True)
def remove_dnat(call: Invocation, gateway: Which, rules: Rules) -> None:
    """Remove DNAT rules; connections that began by one end at once."""
    _act(call, gateway, "removeDnatRules", dnatRuleIds=rules)


def _act(call: Invocation, gateway: str, action: str, **body: Any) -> None:
    id = call.id(GATEWAY, gateway)
    result = call.tenant.post("vpc", NAT_GATEWAY.item(id, action), body)
    call.settle([(NAT_GATEWAY, id)])
    show.document(result)
