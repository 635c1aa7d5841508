"""A topology removes everything it made, also when what ran in it failed, and the demo is no exception."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from topologies import scenarios
from topologies.cloud import Cloud
from topologies.process import alive, wait_until
from topologies.service import ROOT
from topologies.station import environment


class Broken(Exception):
    """The failure in the test below."""


def ours(directories: list[str]) -> list[str]:
    """Command lines of the running processes that mention one of these directories."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and alive(int(entry.name)):
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except (FileNotFoundError, ProcessLookupError):
                continue
            if any(directory in line for directory in directories):
                found.append(line)
    return found


def test_after_an_error_nothing_is_left() -> None:
    with pytest.raises(Broken), Cloud() as cloud:
        cloud.build(scenarios.single())
        cloud.guests["one"].dhcp()
        directories = [str(cloud.directory), str(cloud.host.directory)]
        nodes = [node.pid for node in cloud.net.hosts]
        assert ours(directories)
        raise Broken
    assert ours(directories) == []
    assert not any(Path(directory).exists() for directory in directories)
    assert not any(alive(pid) for pid in nodes)


def test_when_its_own_process_is_killed_the_rest_ends_too() -> None:
    """SIGKILL leaves no time to clean up: files stay, programs do not."""
    code = (
        "import os, signal\n"
        "from topologies.cloud import Cloud\n"
        "with Cloud() as cloud:\n"
        "    print(cloud.directory, cloud.host.directory, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    with tempfile.TemporaryDirectory() as scratch:
        env = environment(PYTHONPATH=str(ROOT), TMPDIR=scratch)
        done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60)
        assert done.returncode == -signal.SIGKILL, done.stderr
        directories = done.stdout.split()
        assert len(directories) == 2
        assert wait_until(lambda: ours(directories) == [], 15, 0.2), ours(directories)


def test_the_demo_holds_all_it_claims_and_leaves_nothing() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        env = environment(PYTHONPATH=str(ROOT), TMPDIR=scratch)
        command = [sys.executable, "-m", "sdnctl", "demo", "--json"]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=240)
        checks = json.loads(done.stdout)
        assert [check for check in checks if not check["holds"]] == []
        assert done.returncode == 0
        assert len(checks) >= 20
        assert ours([scratch]) == []
        assert os.listdir(scratch) == []
