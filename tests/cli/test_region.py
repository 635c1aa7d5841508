"""The programs of a region take what their units and the documentation give them, and say what is wrong."""

import errno
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from sdnctl.region.up import Unusable, _full_disk_told

REPO = Path(__file__).parent.parent.parent
UNITS = sorted((REPO / "systemd").glob("*.service"))


def sdnctl(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sdnctl", *arguments]
    return subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_calls_a_program_that_there_is(unit: Path) -> None:
    text = unit.read_text()
    program, command, *arguments = shlex.split(re.search(r"^ExecStart=(.*)$", text, re.M)[1])  # type: ignore[index]
    assert program == "/usr/bin/sdnctl"
    words = [command, *([arguments[0]] if command == "nic" else [])]
    said = sdnctl(*words, "--help").stdout
    missing = [option for option in arguments if option.startswith("--") and option not in said]
    assert not missing
    assert "Restart=always" in text and "openvswitch" not in (re.search(r"^Requires=.*$", text, re.M) or [""])[0]


def test_a_full_disk_is_told_in_words_and_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match=f"{tmp_path} is full: make room"), _full_disk_told(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(PermissionError), _full_disk_told(tmp_path):
        raise PermissionError


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("store", "--listen", "nowhere", "--raft", "127.0.0.1:1"), "--listen must be HOST:PORT"),
        (("store", "--listen", "127.0.0.1:1", "--raft", ":9"), "--raft must be HOST:PORT"),
        (("store", "--listen", "127.0.0.1:1", "--raft", "127.0.0.1:2", "--join", "x"), "--join must be HOST:PORT"),
        (("pki", "issue", "hv1", "--role", "king", "--dir", "/none", "--out", "/none"), "--role must be"),
    ],
)
def test_a_mistake_is_named_before_anything_starts(arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    where = ("--data", str(tmp_path / "data")) if arguments[0] == "store" else ()
    done = sdnctl(*arguments, *where)
    assert done.returncode == 2 and said in done.stderr
    assert not (tmp_path / "data").exists()
