"""``sdnctl nic tune --guest`` and ``sdnctl nic cloud-init``: the module that spreads interrupts inside an instance."""

import base64
import gzip
from pathlib import Path
from typing import Annotated

import typer

from apps.multi_queue import guest
from sdnctl.base.problem import Usage
from sdnctl.cli.command import command

_LINE = 96
_CLOUD_INIT = """#cloud-config
# Made by `sdnctl nic cloud-init`: the interrupts of every network card are spread over the vCPUs, now, at each boot and
# for whatever is plugged in later.  The file is {module}, packed; `sdnctl-nic-tune --show` tells what is set.
write_files:
  - path: /{program}
    permissions: "0755"
    encoding: gz+b64
    content: |
{packed}
runcmd:
  - [/usr/bin/python3, /{program}, --install]
"""


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
    flags = {"--dry-run": dry_run, "--install": install, "--json": json}
    chosen = [flag for flag, wanted in flags.items() if wanted]
    raise typer.Exit(guest.main([*(nics or []), "--queues", str(queues), *chosen]))


@command("nic", "cloud-init")
def cloud_init() -> None:
    """Print a cloud-init file (user data of an instance) that puts the module there and has it run."""
    print(snippet(), end="")


def snippet() -> str:
    """The cloud-init file; packed, since clouds take 16 KB of user data at most (cloud-init: write_files, runcmd)."""
    module = Path(guest.__file__).read_bytes()
    packed = base64.b64encode(gzip.compress(module, mtime=0)).decode()
    lines = [f"      {packed[at : at + _LINE]}" for at in range(0, len(packed), _LINE)]
    return _CLOUD_INIT.format(module="apps/multi_queue/guest.py", program=guest.PROGRAM, packed="\n".join(lines))
