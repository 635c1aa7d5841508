"""``sdnctl lab`` as somebody who comes with Mininet uses it: at a terminal, by a script, and under mn(1)."""

import contextlib
import os
import pty
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import pytest

from sdnctl.base.process import readable
from topologies.process import stop
from topologies.service import ROOT, programs_of

SHOP = ROOT / "examples" / "shop.yaml"
LAB = (sys.executable, "-m", "sdnctl", "lab")
MN = (sys.executable, str(Path(sys.executable).with_name("mn")), "--custom", str(ROOT / "topologies" / "mn.py"))
PROMPT = "lab> "
PATIENCE = 60.0


class Terminal:
    """A program at a terminal of its own."""

    def __init__(self, argv: Sequence[str], directory: Path) -> None:
        self._side, inner = pty.openpty()
        environment = programs_of(ROOT) | {"TERM": "dumb", "COLUMNS": "200", "TMPDIR": str(directory)}
        self.process = subprocess.Popen(
            argv, stdin=inner, stdout=inner, stderr=inner, env=environment, cwd=directory, start_new_session=True
        )
        os.close(inner)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            stop(self.process, signal.SIGTERM, 20)
        os.close(self._side)

    def until(self, mark: str = PROMPT) -> str:
        """Everything that is printed up to a mark."""
        said, end = "", time.monotonic() + PATIENCE
        while mark not in said:
            assert time.monotonic() < end, said
            if readable(self._side, 0.2):
                with contextlib.suppress(OSError):
                    said += os.read(self._side, 65536).decode(errors="replace")
            elif self.process.poll() is not None:
                raise AssertionError(f"ended: {said}")
        return said

    def types(self, line: str) -> str:
        """What a line is answered with."""
        os.write(self._side, f"{line}\n".encode())
        return self.until()

    def leaves(self) -> int:
        """The exit code after ``exit``; what the program still prints is read away."""
        os.write(self._side, b"exit\n")
        end = time.monotonic() + PATIENCE
        while self.process.poll() is None and time.monotonic() < end:
            if readable(self._side, 0.1):
                with contextlib.suppress(OSError):
                    os.read(self._side, 65536)
        assert self.process.returncode is not None
        return self.process.returncode


@pytest.fixture
def nothing_left() -> Iterator[Path]:
    """A directory for temporary files, which is empty at the end; short, as names of sockets must be (unix(7))."""
    with tempfile.TemporaryDirectory(prefix="lab.") as made:
        yield Path(made)
        assert [path.name for path in Path(made).iterdir() if path.name.startswith("sdnctl-")] == []


def test_a_session_at_a_terminal(nothing_left: Path) -> None:
    with Terminal([*LAB, "-f", str(SHOP)], nothing_left) as lab:
        machines = lab.until()
        assert "resource limits" not in machines, "Mininet's warning is about nothing that is needed"
        assert re.search(r"web +default/shop +10\.0\.0\.10, 203\.0\.113\.\d+ outside", machines), machines
        assert "1 received" in lab.types("web ping -c 1 db")
        assert re.search(r"web -> db: [\d.]+ Mbit/s", lab.types("web iperf db"))
        traced = lab.types("trace web db")
        assert re.search(r"\(instance i-\w+, db\)", traced) and "(front)" in traced
        assert "icmp 10.0.0.10 → 10.0.1.10" in traced and "delivered to" in traced
        assert "0 received" in lab.types("db ping -c 1 -W 1 internet"), "it has no public address"
        assert "1 received" in lab.types("web ping -c 1 internet")
        assert "web2" in lab.types("sdnctl eip bind web-ip web2 --move --wait")
        assert "1 received" in lab.types("web2 ping -c 1 internet")
        assert "no machine and no command 'nonsense'" in lab.types("nonsense")
        assert lab.leaves() == 0


def test_a_script_ends_at_the_first_line_that_fails(nothing_left: Path) -> None:
    script = nothing_left / "script"
    lines = ["# a comment", "one ping -c 1 10.0.0.1", "not one ping -c 1 -W 1 10.0.0.77", "one false", "one echo never"]
    script.write_text("\n".join(lines))
    environment = programs_of(ROOT) | {"TMPDIR": str(nothing_left)}
    argv = [*LAB, "single", "--run", str(script)]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "failed: one false" in done.stderr
    assert "never" not in done.stdout


def test_the_same_network_under_mn(nothing_left: Path) -> None:
    argv = [*MN, "--topo", "two-tenants", "--controller", "none", "--verbosity", "output"]
    with Terminal(argv, nothing_left) as lab:
        assert re.search(r"red-a +red/net +10\.0\.0\.10", lab.until())
        assert "1 received" in lab.types("red-a ping -c 1 red-b")
        assert "0 received" in lab.types("red-a ping -c 1 -W 1 10.0.0.99"), "it is blue's"
        assert lab.leaves() == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["nonsense"], "no network 'nonsense': there are single, two-tenants"),
        (["single", "-f", str(SHOP)], "not both"),
        ([str(SHOP)], f"a file is given as -f {SHOP}"),
        (["-f", "/nowhere"], "no file '/nowhere'"),
        (["single", "--run", "/nowhere"], "no file '/nowhere'"),
    ],
)
def test_nonsense_is_refused_in_words(given: list[str], said: str) -> None:
    done = subprocess.run(
        [*LAB, *given], env=programs_of(ROOT), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2 and said in done.stderr + done.stdout


def test_a_wrong_file_is_told_as_apply_tells_it(nothing_left: Path) -> None:
    wrong = nothing_left / "wrong.yaml"
    wrong.write_text("vpcs:\n  shop:\n    cidr: 10.0.0.0/16\n    subnets:\n      front: {cidr: 10.1.0.0/24}\n")
    environment = programs_of(ROOT) | {"TMPDIR": str(nothing_left)}
    argv = [*LAB, "-f", str(wrong)]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert f"error: {wrong}:5: subnet shop/front: " in done.stderr and "{" not in done.stderr
