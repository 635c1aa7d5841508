"""``sdnctl nic``: queues of this machine's network interfaces, and which CPUs work for them; the same in an instance.

Only interfaces that are named are changed; every change is written down first and can be rolled back.
"""

# What touches the machine is imported by the commands: the rest of the command line need not wait for it.

import signal
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from sdnctl.base.paths import data_directory, default_ovs_db
from sdnctl.base.problem import Usage
from sdnctl.cli import show
from sdnctl.cli.command import Group, command, tenants
from sdnctl.cli.invocation import Invocation

if TYPE_CHECKING:
    from apps.multi_queue.host.fragments import Plug
    from apps.multi_queue.host.measure import Report
    from apps.multi_queue.host.tuner import Changes, Proposal, Tuner
    from apps.multi_queue.model import Wish

NIC = Group("nic", "This machine's network cards: queues, and the CPUs that work for them; instances' interfaces: eni.")
BAR = 40
PERIOD_S = 30.0
COLOURS = {"even": "green", "uneven": "yellow", "one cpu": "red"}

Data = Annotated[str | None, typer.Option("--data", metavar="DIR", help="Where changes are recorded (SDNCTL_DATA).")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Which = Annotated[list[str], typer.Argument(metavar="NIC...", help="Interfaces of this machine.", show_default=False)]
Some = Annotated[list[str], typer.Argument(metavar="[NIC]...", help="Interfaces; default: all.", show_default=False)]
One = Annotated[str, typer.Argument(metavar="NIC", help="An interface of this machine.", show_default=False)]
Queues = Annotated[int, typer.Option(metavar="N", min=0, help="Queues; 0: one for each CPU near the NIC.")]
Threaded = Annotated[
    bool | None, typer.Option("--threaded/--no-threaded", help="NAPI in threads of its own; default: as it is.")
]
Rfs = Annotated[bool, typer.Option("--rfs", help="Follow the CPU that reads the socket; of no use to a switch.")]
Force = Annotated[bool, typer.Option("--force", help="Also the interface with this machine's default route.")]
OvsDb = Annotated[str | None, typer.Option("--ovs-db", metavar="unix:PATH", help="Database of Open vSwitch.")]
Socket = Annotated[str, typer.Option(metavar="PATH", help="vhost-user through this socket instead of a tap.")]
Instance = Annotated[
    str | None, typer.Argument(metavar="[INSTANCE]", help="Name or id of an instance.", show_default=False)
]
Port = Annotated[str | None, typer.Option("--port", metavar="ENI", help="Only this network interface, name or id.")]


def _wish(queues: int, rfs: bool = False, threaded: bool | None = None) -> "Wish":
    from apps.multi_queue.model import Wish

    return Wish(queues, rfs, threaded)


def _tuner(data: str | None) -> "Tuner":
    from apps.multi_queue.host.machine import Machine
    from apps.multi_queue.host.tuner import Tuner

    return Tuner(Machine(), data_directory(data))


@command("nic", "show")
def show_(nics: Some = [], data: Data = None, json: Json = False) -> None:  # noqa: B006
    """Show queues, interrupts, CPUs and rings as they are; nothing is changed."""
    tuner = _tuner(data)
    found = [tuner.show(name) for name in nics or tuner.machine.names()]
    if json:
        show.document({"nics": found})
        return
    for one in found:
        show.record({key: _plain(value) for key, value in one.items() if value not in ([], {}, None)}, False)
        show.line("")


@command("nic", "plan")
def plan_(
    nics: Which,
    queues: Queues = 0,
    threaded: Threaded = None,
    rfs: Rfs = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Say what apply would change; nothing is changed."""
    tuner = _tuner(data)
    _proposals({name: tuner.plan(name, _wish(queues, rfs, threaded)) for name in nics}, json)


@command("nic", "apply")
def apply_(
    nics: Which,
    queues: Queues = 0,
    threaded: Threaded = None,
    rfs: Rfs = False,
    force: Force = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Spread the work of these interfaces over the CPUs near them; an interface is changed whole or not at all."""
    tuner = _tuner(data)
    for name in nics:
        tuner.machine.at(name)  # a name that is wrong is told before anything is changed
    _proposals({name: tuner.apply(name, _wish(queues, rfs, threaded), force) for name in nics}, json)


@command("nic", "rollback")
def rollback_(nics: Which, data: Data = None, json: Json = False) -> None:
    """Bring back everything as it was before the first apply."""
    tuner = _tuner(data)
    done = {name: tuner.rollback(name) for name in nics}
    if json:
        show.document({"nics": {name: _pairs(changes) for name, changes in done.items()}})
        return
    for name, changes in done.items():
        show.line(f"{name}: {len(changes)} settings are as they were")


@command("nic", "verify")
def verify_(
    name: One,
    seconds: Annotated[float, typer.Option(metavar="S", min=0.1, help="How long to count.")] = 5.0,
    data: Data = None,
    json: Json = False,
) -> None:
    """Count for some seconds which CPU does how much for it, and judge that.

    Exit code 1 when one CPU does it all, and when it received too little to judge.
    """
    from apps.multi_queue.host.measure import watch

    tuner = _tuner(data)
    report = watch(tuner.machine, *tuner.planned(name), seconds)
    if json:
        show.document(report.shown())
    else:
        _chart(report)
    raise typer.Exit(int(report.verdict in ("one cpu", "idle")))


@command("nic", "watch")
def watch_(
    nics: Some = [],  # noqa: B006
    bound: Annotated[
        bool, typer.Option("--bound", help="Also the uplink and the interfaces of bound ports of Open vSwitch.")
    ] = False,
    queues: Queues = 0,
    period: Annotated[float, typer.Option(metavar="S", min=0.1, help="Look at everything this often.")] = PERIOD_S,
    metrics: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Serve figures for Prometheus.")] = None,
    force: Force = False,
    ovs_db: OvsDb = None,
    data: Data = None,
) -> None:
    """Apply, and apply again after a link flap, a driver's reset or a change of CPUs; one line of JSON an event."""
    if not nics and not bound:
        raise Usage("name the interfaces to look after, or say --bound")
    from apps.multi_queue.host.pmd import Switch
    from apps.multi_queue.host.watch import Wanted, Watcher

    tuner = _tuner(data)
    switch = Switch(ovs_db or default_ovs_db()) if bound else None
    wanted = Wanted({name: _wish(queues) for name in nics}, switch)
    watcher = Watcher(tuner, wanted, _event, force)
    if metrics is not None:
        _serve(tuner, metrics)
    signal.signal(signal.SIGTERM, lambda *_: watcher.stop())
    signal.signal(signal.SIGINT, lambda *_: watcher.stop())
    watcher.run(period)


def _event(event: dict[str, Any]) -> None:
    """One line on stdout, at once."""
    show.document(event)
    sys.stdout.flush()


def _serve(tuner: "Tuner", listen: str) -> None:
    """Figures for Prometheus beside the watch."""
    from apps.multi_queue.host.measure import looked, samples
    from sdnctl.services.figures import serve

    made = serve(lambda: samples(looked(tuner.machine, tuner.journal.names(), tuner.planned)), listen)
    _event({"event": "metrics", "address": made})


@command("nic", "pmd")
def pmd_(
    name: One,
    apply: Annotated[bool, typer.Option("--apply", help="Set it; default: only say what would be set.")] = False,
    rollback: Annotated[bool, typer.Option("--rollback", help="Bring back what was before the first --apply.")] = False,
    queues: Queues = 0,
    ovs_db: OvsDb = None,
    control: Annotated[str, typer.Option(metavar="PATH", help="Control socket of ovs-vswitchd.")] = "",
    data: Data = None,
    json: Json = False,
) -> None:
    """Queues and polling threads of an interface of a datapath with PMDs; 'not applicable' for any other."""
    from apps.multi_queue.host.pmd import Switch

    switch, journal = Switch(ovs_db or default_ovs_db(), control), _tuner(data).journal
    if apply and rollback:
        raise Usage("either --apply or --rollback")
    if rollback:
        switch.rollback(name, journal)
        show.record({"nic": name, "rolledBack": True}, json)
        return
    made = switch.polling(name, _wish(queues))
    if apply:
        switch.apply(made, journal)
    if json:
        notes = {"applied": apply, "warnings": list(made.notes)}
        show.document({"nic": name, **notes, "changes": _pairs(made.changes)})
        return
    _changes(name, made.changes)
    for note in made.notes:
        show.line(f"{name}: {note}")


@tenants("nic", "libvirt")
def libvirt_(call: Invocation, instance: Instance = None, *, port: Port = None, vhost_user: Socket = "") -> None:
    """Print the <interface> elements of an instance's libvirt domain, and what to do on the host before."""
    from apps.multi_queue.host import fragments

    plugs = _plugs(call, instance, port, vhost_user)
    _fragments(call, plugs, {plug.port: fragments.libvirt(plug) for plug in plugs}, "<!-- ", " -->")


@tenants("nic", "qemu")
def qemu_(
    call: Invocation,
    instance: Instance = None,
    *,
    port: Port = None,
    vhost_user: Socket = "",
    vhost: Annotated[bool, typer.Option(help="Let the kernel move the packets (/dev/vhost-net).")] = True,
) -> None:
    """Print the arguments for qemu-system that give an instance its interfaces, and what to do on the host before."""
    from apps.multi_queue.host import fragments

    plugs = _plugs(call, instance, port, vhost_user)
    made = {plug.port: " \\\n".join(_lines(fragments.qemu(plug, vhost))) for plug in plugs}
    _fragments(call, plugs, made, "# ", "")


@command("nic", "tune")
def tune(
    nics: Annotated[list[str] | None, typer.Argument(metavar="[NIC]...", help="Interfaces; default: all.")] = None,
    inside: Annotated[bool, typer.Option("--guest", help="This machine is an instance.")] = False,
    queues: Annotated[int, typer.Option(metavar="N", min=0, help="Queues; 0: as many as card and vCPUs allow.")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    install: Annotated[
        bool, typer.Option("--install", help="Also at every boot and for what is plugged in later.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Spread the interrupts of this instance's network cards over its vCPUs; what is right is left alone."""
    if not inside:
        raise Usage("inside an instance say --guest; on a host it is: sdnctl nic apply NIC")
    from apps.multi_queue import guest

    flags = {"--dry-run": dry_run, "--install": install, "--json": json}
    chosen = [flag for flag, wanted in flags.items() if wanted]
    raise typer.Exit(guest.main([*(nics or []), "--queues", str(queues), *chosen]))


@command("nic", "cloud-init")
def cloud_init() -> None:
    """Print a cloud-init file (user data of an instance) that puts the module there and has it run."""
    from apps.multi_queue.host.cloud_init import snippet

    print(snippet(), end="")


def _lines(arguments: list[str]) -> list[str]:
    """Each option with its value."""
    return [" ".join(pair) for pair in zip(arguments[::2], arguments[1::2], strict=True)]


def _plugs(call: Invocation, instance: str | None, port: str | None, socket: str) -> "list[Plug]":
    """The interfaces that are meant, as the region knows them; raises Usage when none is named."""
    from apps.multi_queue.host.fragments import Plug

    if port is not None:
        shown = [call.find("eni", port)]
    elif instance is not None:
        found = call.find("instance", instance)
        attached = [found["primaryNetworkInterface"], *found.get("secondaryNetworkInterfaces", ())]
        shown = [one["networkInterface"] for one in attached]
    else:
        raise Usage("name an instance, or a network interface with --port")
    if socket and len(shown) > 1:
        raise Usage("a vhost-user socket is for one interface: name it with --port")
    # A detached interface without a wish has no number yet.
    return [Plug(one["networkInterfaceId"], one["macAddress"], one["queueNum"] or 1, socket) for one in shown]


def _fragments(call: Invocation, plugs: "list[Plug]", made: Mapping[str, str], begin: str, end: str) -> None:
    """Print the fragment for the guest's definition, and as comments the commands for the host."""
    from apps.multi_queue.host.fragments import preparation

    if call.json:
        rows = [
            {"port": p.port, "queueNum": p.queues, "prepare": preparation(p), "fragment": made[p.port]} for p in plugs
        ]
        show.document({"interfaces": rows})
        return
    for plug in plugs:
        for line in preparation(plug):
            print(f"{begin}{line}{end}")
        print(made[plug.port])


def _proposals(found: "Mapping[str, Proposal]", as_json: bool) -> None:
    if as_json:
        show.document({"nics": {name: proposal.shown() for name, proposal in found.items()}})
        return
    for name, proposal in found.items():
        _changes(name, proposal.changes)
        for warning in proposal.warnings:
            show.line(f"{name}: {warning}")


def _changes(name: str, changes: "Changes") -> None:
    rows = [{"what": what, "before": before, "after": after} for what, (before, after) in changes.items()]
    columns = {"what": name, "before": "before", "after": "after"}
    show.table(rows, columns, f"{name}: nothing to change", False, "changes")


def _pairs(changes: "Changes") -> dict[str, dict[str, str]]:
    return {what: {"before": before, "after": after} for what, (before, after) in changes.items()}


def _plain(value: Any) -> Any:
    """Nested values as short lines."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {item}" for key, item in value.items())
    if isinstance(value, list):
        return [_plain(item) if isinstance(item, dict) else f"{n}: {item or 'none'}" for n, item in enumerate(value)]
    return value


def _chart(report: "Report") -> None:
    """A bar for each CPU: its share of the packets, and of the interrupts where there are any.

    What is said of RPS and of drops is the whole machine's.
    """
    made = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("cpu", "packets", "share", "", "interrupts", "rps (all)", "dropped (all)"):
        made.add_column(heading, justify="right" if heading not in ("", "cpu") else "left")
    total = sum(report.packets.counts.values())
    for cpu, count in sorted(report.packets.counts.items()):
        share = count / total if total else 0.0
        cells = [report.interrupts.counts.get(cpu, 0), report.handed.get(cpu, 0), report.drops.get(cpu, 0)]
        made.add_row(str(cpu), str(count), f"{share:.0%}", "█" * round(BAR * share), *map(str, cells))
    show.console().print(made)
    if report.verdict == "idle":
        few = f"received {total} packets in {report.seconds} s, too few to judge (Gini {report.packets.gini:.2f})"
        show.console().print(f"[dim]{'little' if total else 'no'} traffic[/]: {report.nic} {few}")
        return
    colour = COLOURS[report.verdict]
    busiest = f"busiest CPU {report.packets.busiest:.2f} of the mean, Gini {report.packets.gini:.2f}"
    show.console().print(f"[{colour}]{report.verdict}[/]: {report.nic}, {busiest}, {report.seconds} s")
