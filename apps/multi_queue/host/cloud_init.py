"""The user data of an instance that puts ``guest.py`` there and has it run (cloud-init: write_files, runcmd)."""

import base64
import gzip
from pathlib import Path

from apps.multi_queue import guest

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


def snippet() -> str:
    """The cloud-init file; packed, since clouds take 16 KB of user data at most (cloud-init: write_files, runcmd)."""
    module = Path(guest.__file__).read_bytes()
    packed = base64.b64encode(gzip.compress(module, mtime=0)).decode()
    lines = [f"      {packed[at : at + _LINE]}" for at in range(0, len(packed), _LINE)]
    return _CLOUD_INIT.format(module="apps/multi_queue/guest.py", program=guest.PROGRAM, packed="\n".join(lines))
