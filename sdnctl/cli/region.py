"""``sdnctl store|api|agent|pki``: the programs of a region of several machines, one process each.

``sdnctl up`` is all of them on one machine.  Each runs in the foreground until SIGTERM; systemd/ has units for them.
"""

import contextlib
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from sdnctl.base.paths import DEFAULT_LISTEN, DEFAULT_REGION, data_directory, default_ovs_db, region_id, remember_switch
from sdnctl.base.problem import Usage
from sdnctl.bridge.claim import SwitchClaim
from sdnctl.cli import arguments, show
from sdnctl.cli.command import SEVERAL, Group, command

STORE = Group("store", "One member of the region's store.", SEVERAL)
PKI = Group("pki", "Certificates for the parts of a region.", SEVERAL)

Data = Annotated[str | None, typer.Option("--data", metavar="DIR", help="Data directory (SDNCTL_DATA).")]
Pki = Annotated[
    Path | None,
    typer.Option("--pki", metavar="DIR", help="ca.pem, cert.pem, key.pem of this part; else no TLS."),
]
Store = Annotated[
    str, typer.Option("--store", metavar="REMOTE,...", help="Its members: ssl:HOST:PORT, tcp:HOST:PORT or unix:PATH.")
]
TlsCert = Annotated[
    Path | None,
    typer.Option("--tls-cert", metavar="FILE", help="Serve https with this certificate; 'sdnctl pki https' makes one."),
]
TlsKey = Annotated[Path | None, typer.Option("--tls-key", metavar="FILE", help="The key of the certificate.")]
Metrics = Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Serve figures for Prometheus there.")]
TakeOver = Annotated[
    bool, typer.Option("--take-over", help="Take the switch from another program that keeps it; that one then ends.")
]
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

    arguments.endpoint("--listen", listen)
    arguments.endpoint("--raft", raft)
    others = tuple(one for one in join.split(",") if one)
    for one in others:
        arguments.endpoint("--join", one.removeprefix("ssl:"))
    feature.discover()
    delegated = service.delegated(service.discover())
    serve(Member(data_directory(data), listen, raft, others, pki, delegated))


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


@command("store", "leave")
def store_leave(data: Data = None) -> None:
    """Have a member leave the others, so that it may join them anew.

    They must be a majority without it.  Then start it again with --join: its old file is kept, under another name.
    """
    from sdnctl.store.server.leave import leave

    directory = data_directory(data)
    leave(directory)
    show.record({"data": str(directory), "next": "start it again with --join"}, False)


@command("", "api", panel=SEVERAL)
def api(
    store: Store,
    data: Data = None,
    listen: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where it answers.")] = DEFAULT_LISTEN,
    region: Annotated[str, typer.Option(metavar="NAME", help="Region id in every API path.")] = DEFAULT_REGION,
    pki: Pki = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
) -> None:
    """Run one API server of the region; any number may run.

    The first line on stdout says where it serves and the default account's keys.  A renewed certificate is taken up by
    itself, and on SIGHUP.
    """
    more = tls(tls_cert, tls_key)
    directory = data_directory(data)
    arguments.endpoint("--listen", listen, any_port=True)
    members = arguments.members(store, pki)
    where = ["--data", str(directory), "--listen", listen, "--region", region_id(region)]
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    _become("sdnctl.api", "--store", members, *where, *_pki(pki), *more)


@command("", "agent", panel=SEVERAL)
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
    take_over: TakeOver = False,
) -> None:
    """Run the controller of this host, beside its Open vSwitch.

    Traffic goes on whether it runs or not.
    """
    switch, members = arguments.database(ovs_db or default_ovs_db()), arguments.members(store, pki)
    if metrics:
        arguments.endpoint("--metrics", metrics, any_port=True)
    if data is not None:
        data_directory(data).mkdir(mode=0o700, parents=True, exist_ok=True)
        remember_switch(data_directory(data), switch)
    owner = f"sdnctl agent --store {members} (pid {os.getpid()})"
    with contextlib.suppress(OSError):  # the switch may come later: the agent waits for it
        SwitchClaim(switch, owner, take_over).check()
    more = ["--owner", owner, *(["--take-over"] if take_over else [])]
    more += ["--metrics", metrics] if metrics else []
    more += ["--metrics-file", str(metrics_file)] if metrics_file else []
    _become("sdnctl.agent.app", "--store", members, "--ovs-db", switch, *more, *_pki(pki))


@command("pki", "init")
def pki_init(dir: Directory) -> None:
    """Make the region's CA, and that of its store's members."""
    from sdnctl.region.pki import init

    init(dir)
    show.record({"ca": str(dir)}, False)


@command("pki", "raft")
def pki_raft(dir: Directory) -> None:
    """Make the CA for the members of the store, in a region that an earlier version made."""
    from sdnctl.region.pki import raft

    raft(dir)
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


@command("pki", "https")
def pki_https(
    names: Annotated[list[str], typer.Argument(metavar="NAME|ADDRESS...", help="What clients call the API by.")],
    dir: Directory,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where https.ca.pem, https.pem and https.key.pem go.")],
) -> None:
    """Make a certificate with which the API serves https (--tls-cert, --tls-key).

    Its CA is one of its own, made the first time: clients trust https.ca.pem (--ca); it opens nothing in the region.
    """
    from sdnctl.region.pki import https

    https(dir, names, out)
    show.record({"names": names, "certificate": str(out / "https.pem"), "ca": str(out / "https.ca.pem")}, False)


def tls(certificate: Path | None, key: Path | None) -> tuple[str, ...]:
    """The arguments for an API that serves with a certificate, none without one; Usage when it cannot be used."""
    if certificate is None and key is None:
        return ()
    if certificate is None or key is None:
        raise Usage("--tls-cert needs --tls-key, and the other way round")
    from sdnctl.api.tls import Certificate

    try:
        Certificate(certificate, key)
    except OSError as error:
        raise Usage(f"{certificate} and {key} cannot be used: {error.strerror or error}") from None
    return ("--tls-cert", str(certificate.absolute()), "--tls-key", str(key.absolute()))


def _pki(directory: Path | None) -> list[str]:
    return ["--pki", str(directory)] if directory is not None else []


def _become(module: str, *arguments: str) -> None:
    """Be that program from here on: one process, which gets the signals itself."""
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])
