"""The log: short lines, so many of a kind in a second, and no harm when it cannot be written."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sdnctl.base.limits import FEW, MOST, Limits
from sdnctl.base.log import LINE_MOST, Lines, cut
from sdnctl.base.rotating import Rotating, before

FLOOD = """
import logging, sys, time, structlog
from sdnctl.base.log import to_stderr
to_stderr()
log = structlog.get_logger("test")
for n in range(3000):
    log.info("refused", path="/" + "A" * 60000, code=401)
    log.error("a fault", feature="dhcp")
    logging.getLogger("library").warning("connection %d is odd", n)
log.info("refused", path="/", code=404)
try:
    raise ValueError("x" * 100_000)
except ValueError as error:
    log.error("internal error", exc_info=error)
log.info("strange", text="\\ud800", many=list(range(100_000)), deep={"k": ["v" * 9000] * 50})
time.sleep(1.3)
"""


def said(program: str, **where: int) -> "subprocess.CompletedProcess[bytes]":
    """What a program with our log says; it must end well whatever becomes of its log."""
    return subprocess.run(
        [sys.executable, "-c", program], **({"stderr": subprocess.PIPE} | where), timeout=60, check=True
    )


def test_a_flood_of_one_kind_is_cut_counted_and_hides_no_other_kind() -> None:
    lines = said(FLOOD).stderr.splitlines()
    assert all(len(line) < LINE_MOST for line in lines)
    events = [json.loads(line) for line in lines]
    left = {event["kind"]: 0 for event in events if event["event"] == "lines left out"}
    for event in events:
        if event["event"] == "lines left out":
            left[event["kind"]] += event["count"]
    lost = left.get("lines", 0)  # those that the pipe had no room for, while this process did not read
    for kind, name, most in (("refused code=401", "refused", MOST["info"]), ("a fault feature=dhcp", "a fault", FEW)):
        written = sum(event["event"] == name and event.get("code") != 404 for event in events)
        assert 3000 - lost <= written + left[kind] <= 3000 and (lost or written % most == 0)
    assert sum(count for kind, count in left.items() if kind.startswith("library: ")) > 2000
    by_name = {event["event"]: event for event in events}
    assert by_name["refused"]["code"] == 404
    assert by_name["internal error"]["exception"].endswith("x" * 100)
    assert by_name["strange"]["text"] == "\ud800"


def test_a_log_that_cannot_be_written_stops_nobody() -> None:
    with open("/dev/full", "wb") as full:
        said(FLOOD, stderr=full.fileno())
    ours, theirs = os.pipe()  # nobody reads: it takes 64 KiB and then nothing
    try:
        said(FLOOD, stderr=theirs)
    finally:
        os.close(ours)
        os.close(theirs)


def test_what_could_not_be_written_is_told_later() -> None:
    lost: list[int] = []
    ours, theirs = os.pipe()
    os.set_blocking(ours, False)
    lines = Lines(theirs, lambda: lost.append(1))
    for _ in range(40):
        lines.info(b"x" * 4000)
    assert lost and len(os.read(ours, 1 << 20)) == (40 - len(lost)) * 4001
    lines.info(b"again")
    assert os.read(ours, 100) == b"again\n"
    os.close(ours)
    os.close(theirs)


def test_kinds_are_bounded_and_told_once_a_second() -> None:
    now, told = [0.0], []
    limits = Limits(lambda kind, count: told.append((kind, count)), lambda: now[0], later=False)
    assert sum(limits.admits("same", "error") for _ in range(100)) == FEW
    admitted = sum(limits.admits(f"kind {n}", "error") for n in range(5000))
    assert admitted < 300
    limits.flush()
    assert dict(told)["same"] == 100 - FEW and len(told) <= 260
    assert sum(count for _, count in told) == 5100 - FEW - admitted
    now[0], told[:] = 1.0, []
    assert limits.admits("same", "error")
    limits.flush()
    assert told == []


@pytest.mark.parametrize(
    ("value", "shown"),
    [(7, 7), (None, None), ("short", "short"), ("x" * 40, "x" * 32 + "… (8 more)"), ([1, 2], [1, 2])],
)
def test_values_are_cut(value: object, shown: object) -> None:
    assert cut(value, 32) == shown


def test_a_file_is_begun_anew_while_it_is_written(tmp_path: Path) -> None:
    log = Rotating(tmp_path / "x.log", most=1000)
    for n in range(1000):
        log.write(b"%03d\n" % n)
        assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 2000
    last, older = (tmp_path / "x.log").read_text(), before(tmp_path / "x.log").read_text()
    assert (older + last).split() == [f"{n:03d}" for n in range(1000 - len(older + last) // 4, 1000)]


def test_a_file_that_cannot_be_written_says_so_afterwards(tmp_path: Path) -> None:
    log = Rotating(tmp_path / "gone" / "x.log")
    log.write(b"lost\n")
    (tmp_path / "gone").mkdir()
    log.write(b"kept\n")
    first, second = (tmp_path / "gone" / "x.log").read_text().splitlines()
    assert json.loads(first)["bytes"] == 5 and second == "kept"
