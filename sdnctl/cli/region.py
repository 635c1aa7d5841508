"""``sdnctl store|api|agent|pki``: the programs of a region of several machines, one process each.

``sdnctl up`` is all of them on one machine.  Each runs in the foreground until SIGTERM; systemd/ has units for them.
"""

import contextlib
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from sdnctl.base.addresses import HostPort
from sdnctl.base.paths import DEFAULT_LISTEN, DEFAULT_REGION, data_directory, default_ovs_db, remember_switch
from sdnctl.base.problem import Usage
from sdnctl.cli import show
from sdnctl.cli.command import Group, command

STORE = Group("store", "One member of the region's store.")
PKI = Group("pki", "Certificates for the parts of a region.")

Data = Annotated[str | None, typer.Option("--data", metavar="DIR", help="Data directory (SDNCTL_DATA).")]
Pki = Annotated[
    Path | None,
    typer.Option("--pki", metavar="DIR", help="ca.pem, cert.pem, key.pem of this part; else no TLS."),
]
Store = Annotated[
    str, typer.Option("--store", metavar="REMOTE,...", help="Its members: ssl:HOST:PORT, tcp:HOST:PORT or unix:PATH.")
]
Metrics = Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Serve figures for Prometheus there.")]
MetricsFile = Annotated[Path | None, typer.Option(metavar="FILE", help="JSON file that says where.")]
Directory = Annotated[Path, typer.Option("--dir", metavar="DIR", help="Where the CA is; keep it safe and offline.")]


@command("store", "")
def store(
    context: typer.Context,
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where API servers and agents reach this member.")
    ] = "",
    raft: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where the other members reach it.")] = "",
    join: Annotated[str, typer.Option(metavar="HOST:PORT,...", help="Other members; without: make the store.")] = "",
    data: Data = None,
    pki: Pki = None,
) -> None:
    """Run one member of the region's store.

    The first start makes the store, or joins it with --join; later ones serve what is there.
    """
    if context.invoked_subcommand is not None:
        return
    from sdnctl.program import feature, service
    from sdnctl.store.server.keeper import serve
    from sdnctl.store.server.member import Member

    for option, where in (("--listen", listen), ("--raft", raft), *(("--join", one) for one in _several(join))):
        _checked(option, where)
    feature.discover()
    delegated = service.delegated(service.discover())
    serve(Member(data_directory(data), listen, raft, _several(join), pki, delegated))


@command("store", "repair")
def store_repair(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what is wrong.")] = False,
    data: Data = None,
) -> None:
    """Cut off what a member wrote behind a hole, after its disk was full, so that it opens again; a copy is kept.

    Stop 'sdnctl store' first.  Where there are other members they send what is missing; else it is lost.
    """
    from sdnctl.store.server.repair import look, repair

    directory = data_directory(data)
    found = look(directory)
    if found is None:
        show.record({"data": str(directory), "hole": "none: nothing to repair"}, False)
        return
    where = {"data": str(directory), "hole at byte": found.start, "records behind": found.records}
    kept = {} if dry_run else {"kept": str(repair(directory))}
    show.record({**where, "members": found.members, **kept}, False)


@command("", "api")
def api(
    store: Store,
    data: Data = None,
    listen: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where it answers.")] = DEFAULT_LISTEN,
    region: Annotated[str, typer.Option(metavar="NAME", help="Region id in every API path.")] = DEFAULT_REGION,
    pki: Pki = None,
) -> None:
    """Run one API server of the region; any number may run.

    The first line on stdout says where it serves and the default account's keys.
    """
    directory = data_directory(data)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    where = ["--data", str(directory), "--listen", listen, "--region", region]
    _become("sdnctl.api", "--store", store, *where, *_pki(pki))


@command("", "agent")
def agent(
    store: Store,
    ovs_db: Annotated[
        str | None,
        typer.Option("--ovs-db", metavar="unix:PATH", help="Its Open vSwitch; default: the system's."),
    ] = None,
    data: Data = None,
    pki: Pki = None,
    metrics: Metrics = None,
    metrics_file: MetricsFile = None,
) -> None:
    """Run the controller of this host, beside its Open vSwitch.

    Traffic goes on whether it runs or not.
    """
    switch = ovs_db or default_ovs_db()
    if data is not None:
        data_directory(data).mkdir(mode=0o700, parents=True, exist_ok=True)
        remember_switch(data_directory(data), switch)
    more = ["--metrics", metrics] if metrics else []
    more += ["--metrics-file", str(metrics_file)] if metrics_file else []
    _become("sdnctl.agent.app", "--store", store, "--ovs-db", switch, *more, *_pki(pki))


@command("pki", "init")
def pki_init(dir: Directory) -> None:
    """Make the region's CA."""
    from sdnctl.region.pki import init

    init(dir)
    show.record({"ca": str(dir)}, False)


@command("pki", "issue")
def pki_issue(
    name: Annotated[str, typer.Argument(help="The host's name for an agent or its services, else the role.")],
    role: Annotated[str, typer.Option(help="store, api, agent or services.")],
    dir: Directory,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where ca.pem, cert.pem and key.pem go.")],
) -> None:
    """Make a certificate for one part of the region."""
    from sdnctl.region.pki import issue

    issue(dir, name, role, out)
    show.record({"name": name, "role": role, "pki": str(out)}, False)


def _pki(directory: Path | None) -> list[str]:
    return ["--pki", str(directory)] if directory is not None else []


def _several(text: str) -> tuple[str, ...]:
    return tuple(one for one in text.split(",") if one)


def _checked(option: str, where: str) -> None:
    with contextlib.suppress(ValueError):
        host, port = HostPort.parse(where)
        if host and port:
            return
    raise Usage(f"{option} must be HOST:PORT, not {where!r}")


def _become(module: str, *arguments: str) -> None:
    """Be that program from here on: one process, which gets the signals itself."""
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])
