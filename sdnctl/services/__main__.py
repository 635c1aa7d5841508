"""``python -m sdnctl.services --store REMOTE --data DIR --per host,gateway`` runs the services of a machine."""

import argparse
import asyncio
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import structlog

from sdnctl.base.log import to_stderr
from sdnctl.base.paths import switch_of
from sdnctl.program.service import Service, discover
from sdnctl.services import figures
from sdnctl.services.context import Machine
from sdnctl.services.runner import Deaf
from sdnctl.services.runtime import BLAMED, Runtime
from sdnctl.services.watchdog import CODE, blame
from sdnctl.store import Interest
from sdnctl.store.ovsdb.client import OvsdbStore

KINDS = ("host", "gateway", "region")
RETRY_S, RENAME_S = 1.0, 30.0
TIMEOUT_S = 5.0
_NAME = re.compile(r'sdnctl-host="?([^",}\s]+)')
log = structlog.get_logger("sdnctl.services")


def main(arguments: list[str] | None = None) -> None:
    """Run until SIGTERM or SIGINT; exit code 3 when a service made the process end."""
    given = _arguments(arguments)
    to_stderr()
    given.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    held = [_held(given.data / f"services.{kind}.lock") for kind in sorted(given.per)]
    services = discover(given.features)
    switch = given.ovs_db or switch_of(given.data)
    on_host = bool({"host", "gateway"} & set(given.per))
    name = given.name or (host_name(switch) if on_host else socket.gethostname())
    machine = Machine(name, given.data, switch if on_host else "")
    # A host's services follow nothing before it is known what their host follows.
    follow: Interest | None = None if "region" in given.per else {}
    store = OvsdbStore(given.store, interest=follow, pki=given.pki, timeout=TIMEOUT_S)
    try:
        asyncio.run(_run(services, given, machine, store))
    finally:
        for lock in held:
            os.close(lock)


async def _run(services: tuple[Service, ...], given: argparse.Namespace, machine: Machine, store: OvsdbStore) -> None:
    runtime = Runtime(services, given.per, machine, store)
    if given.metrics:
        address = figures.serve(runtime.samples, given.metrics, given.metrics_file)
        log.info("figures for Prometheus", address=address)
    code = 0
    try:
        await runtime.run(_renamed(given, machine))
    except Deaf as deaf:
        blame(machine.data / "services" / BLAMED, deaf.service, str(deaf))
        code = CODE
    store.close()
    sys.stderr.flush()
    os._exit(code)  # nobody waits for threads that block, in a store that is away or in a service that is deaf


async def _renamed(given: argparse.Namespace, machine: Machine) -> None:
    """Wait until this host has another name: everything begins anew under that one."""
    while given.name or not machine.switch or await asyncio.to_thread(host_name, machine.switch) == machine.name:
        await asyncio.sleep(RENAME_S)
    log.warning("the host has another name now", before=machine.name)


def host_name(switch: str) -> str:
    """The name of this host, as its switch has it, else the machine's; waits until the switch's database answers."""
    while True:
        command = ["ovs-vsctl", f"--db={switch}", "--timeout=5", "get", "Open_vSwitch", ".", "external_ids"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
        except (OSError, subprocess.SubprocessError) as error:
            log.warning("the switch's database does not answer", switch=switch, error=str(error))
            time.sleep(RETRY_S)
            continue
        found = _NAME.search(done.stdout)
        return found[1] if found else socket.gethostname()


def _held(path: Path) -> int:
    """The lock that keeps another process from running the same services; SystemExit when one does."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.lockf(lock, os.F_TLOCK, 0)
    except OSError:
        raise SystemExit(f"sdnctl.services: another process runs the services of {path.parent}") from None
    return lock


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="sdnctl.services", description="Run the services of a machine.")
    parser.add_argument("--store", required=True, help="the region's store: unix:PATH, tcp:HOST:PORT, ssl:HOST:PORT,…")
    parser.add_argument("--data", required=True, type=Path, help="directory in which services have their places")
    parser.add_argument("--per", type=_kinds, default=KINDS[:2], help="whose services: host,gateway and/or region")
    parser.add_argument("--ovs-db", help="this host's switch: unix:PATH; default: what `sdnctl up` or agent was told")
    parser.add_argument("--name", help="this machine's name; default: external_ids:sdnctl-host, or the machine's own")
    parser.add_argument("--pki", type=Path, help="directory of ca.pem, cert.pem and key.pem, for ssl: remotes")
    parser.add_argument(
        "--features",
        default="",
        help="the package in which services are looked for; default: every package of features",
    )
    parser.add_argument("--metrics", metavar="HOST:PORT", help="serve figures for Prometheus there; port 0 picks one")
    parser.add_argument("--metrics-file", type=Path, help="the JSON file that says where")
    return parser.parse_args(arguments)


def _kinds(text: str) -> tuple[str, ...]:
    kinds = tuple(text.split(","))
    if not set(kinds) <= set(KINDS):
        raise argparse.ArgumentTypeError(f"{text!r}: {', '.join(KINDS)} there are")
    return kinds


if __name__ == "__main__":
    main()
