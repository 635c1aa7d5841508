"""``sdnctl verify``: a proof that no packet crosses between networks but by the ways that were asked for."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from sdnctl.base.paths import data_directory
from sdnctl.base.problem import Problem
from sdnctl.cli import show
from sdnctl.cli.command import Data, Json, command

if TYPE_CHECKING:
    from sdnctl.verify.isolation import Finding
    from sdnctl.verify.network import Network


@command("", "verify")
def verify(data: Data = None, json: Json = False) -> None:
    """Prove for every packet that it leaves its network only by a declared way; exit code 1 when one does not.

    The flows of all hosts are computed from the store as their controllers do; no host is asked, no packet is sent.
    """
    told = proof(data_directory(data))
    if json:
        show.document(told)
    else:
        _tell(told)
    if not told["proved"]:
        raise typer.Exit(1)


def proof(directory: Path) -> dict[str, Any]:
    """The verdict on a region as it is stored, with one packet for each hole, in words."""
    from sdnctl.program.feature import discover
    from sdnctl.trace.explain import load
    from sdnctl.verify.doors import all_doors
    from sdnctl.verify.isolation import check
    from sdnctl.verify.network import computed

    program = discover()
    whole = load(f"unix:{directory / 'store.sock'}")
    network = computed(program, whole.changes)
    if not network.engines:
        raise Problem("no host yet: there are no flows to prove anything about")
    engine = next(iter(network.engines.values()))
    try:
        verdict = check(network, all_doors(engine.state), network.entries)
    except ValueError as error:
        raise Problem(f"nothing is proved: {error}") from error
    return {
        "proved": verdict.holds,
        "hosts": len(network.engines),
        "flows": sum(len(one.desired.flows) for one in network.engines.values()),
        "ports": verdict.senders,
        "pairs": verdict.pairs,
        "holes": [hole(one, network) for one in verdict.findings],
        "undecided": [{"from": one.owner, "host": one.host} for one in verdict.undecided],
    }


def hole(found: "Finding", network: "Network") -> dict[str, Any]:
    """One packet that breaks what is promised, and its way as a trace tells it."""
    from sdnctl.trace.ofproto import flow_text
    from sdnctl.verify.story import packet, story

    entry = found.entry
    legs = story(
        network.region,
        network.engines,
        entry.host,
        entry.port,
        found.bits,
        to=found.receiver,
        connection=found.state,
    )
    steps = [(leg.host, step) for leg in legs for step in leg.statements]
    return {
        "from": entry.owner,
        "network": entry.network,
        "host": entry.host,
        "packet": flow_text(packet(found.bits)),
        "to": found.receiver,
        "says": found.says,
        "steps": [{"host": host, "table": one.table, "says": one.says} for host, one in steps],
        "verdict": legs[-1].verdict,
    }


def _tell(told: dict[str, Any]) -> None:
    """A verdict for people."""
    for one in told["holes"]:
        where = f" of {one['network']}" if one["network"] else ""
        show.line(f"HOLE: {one['from']}{where} on {one['host']} sends {one['packet']}", "bold red")
        show.line(f"  {one['says']}")
        for number, step in enumerate(one["steps"], 1):
            show.line(f"  {number:3}  {step['host']}  {step['table']}: {step['says']}")
        show.line(f"  {one['verdict']}")
    for one in told["undecided"]:
        show.line(f"NOT PROVED: packets of {one['from']} on {one['host']}: the proof grew too large", "yellow")
    if told["proved"]:
        what = f"{told['ports']} ports, {told['hosts']} hosts, {told['flows']} flows, {told['pairs']} ways"
        show.line(f"proved: no packet gets into another network, in or out, but by a declared way ({what})", "green")
