"""The suite on all cores: each test process in a network namespace of its own, the longest work first.

`make pytest` starts pytest-xdist with two workers a core, because half of what a test takes is waiting; every worker by
`tests/isolated`. The tests of a file stay together, and so do those of a folder that shares one expensive fixture. What
judges times by real packets goes before what only computes. Plain `python -m pytest` runs in one process. When the
workers have ended, no process and no file of theirs may be left.
"""

import contextlib
import os
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from topologies.process import alive, wait_until

DURATIONS = Path(__file__).parent / "durations.txt"
# Each of these folders has one region for all of its tests.
TOGETHER = ("tests/cli/", "tests/region/")
TIMED = ("tests/packet/", "tests/region/")
"""Tests whose packets have to come in time: they and all that they start are nicer to nobody (nice(2))."""
FLOOD = "tests/packet/test_question_flood.py"
"""One of them that must not go before the others: it takes all that it gets."""
TIMED_NICE = -5
# Where the workers of a run keep temporary files: in the environment of all that they start.
RUN = "SDNCTL_TEST_RUN"
LONG = 2.0


def group_of(nodeid: str) -> str:
    """The group that a test is run together with: a folder, or its file."""
    return next((folder for folder in TOGETHER if nodeid.startswith(folder)), nodeid.partition("::")[0])


def recorded(path: Path = DURATIONS) -> dict[str, float]:
    """Group -> seconds that it took when `--update-durations` was given last; those below LONG are left out."""
    lines = path.read_text().splitlines() if path.exists() else []
    return {name: float(seconds) for seconds, name in (line.split() for line in lines)}


def remains(directory: str) -> list[str]:
    """The files in a directory, and the processes (but this one) that have it as their RUN."""
    found = [str(path) for path in Path(directory).iterdir()]
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid() or not alive(int(entry.name)):
            continue
        try:
            environment = (entry / "environ").read_bytes().split(b"\0")
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it has ended, or is not ours to read
            continue
        if f"{RUN}={directory}".encode() in environment:
            found.append(f"process {entry.name}: {line.strip()}")
    return found


class Groups(LoadScopeScheduling):
    """Gives the workers one group of tests after another, in the order in which they were collected."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


class Run:
    """A run with workers, seen from beside them: what each group took, and what is left at the end."""

    def __init__(self) -> None:
        self.directory = tempfile.mkdtemp(prefix="sdnctl-test.")
        self.seconds: dict[str, float] = defaultdict(float)
        self.left: list[str] = []
        self.started = time.monotonic()
        os.environ[RUN] = self.directory

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add up what a group takes."""
        self.seconds[group_of(report.nodeid)] += report.duration

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None]:
        """Look, once the workers have ended, for what they left; the run fails if there is anything."""
        yield
        wait_until(lambda: not remains(self.directory), 10, 0.2)
        self.left = remains(self.directory)
        if self.left and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        shutil.rmtree(self.directory, ignore_errors=True)
        if session.config.getoption("--update-durations"):
            longest = sorted(self.seconds.items(), key=lambda item: -item[1])
            DURATIONS.write_text("".join(f"{took:.0f} {name}\n" for name, took in longest if took >= LONG))

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say how well the workers were used, and what is left."""
        spent, wall = sum(self.seconds.values()), time.monotonic() - self.started
        terminalreporter.write_line(f"{spent:.0f} s of tests in {wall:.0f} s")
        for one in self.left:
            terminalreporter.write_line(f"LEFT BEHIND {one}", red=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option that orders the next run."""
    parser.addoption("--update-durations", action="store_true", help=f"write {DURATIONS.name} anew, from a whole run")


def pytest_configure(config: pytest.Config) -> None:
    """Give the workers a directory for temporary files, and what they start the compiled modules of what ran before."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if _is_worker(config):
        os.environ["TMPDIR"] = os.environ[RUN]
        tempfile.tempdir = None
    elif config.getoption("dist", default="no") != "no":
        config.pluginmanager.register(Run())


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Groups:
    """Groups in the order of collection, which is the same in every worker."""
    config.option.loadscopereorder = False
    return Groups(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In a worker, what takes longest comes first."""
    if _is_worker(config):
        seconds = recorded()
        items.sort(key=lambda item: (-seconds.get(group_of(item.nodeid), 0.0), group_of(item.nodeid)))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> None:
    """In a worker, have what is timed go before the rest of the machine."""
    if _is_worker(item.config):
        timed = item.nodeid.startswith(TIMED) and not item.nodeid.startswith(FLOOD)
        with contextlib.suppress(PermissionError):  # only root may
            os.setpriority(os.PRIO_PROCESS, 0, TIMED_NICE if timed else 0)


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")
