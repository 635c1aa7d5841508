"""The examples run as a user would run them: another directory, a process of their own, the plugin from the package."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from topologies.service import ROOT


def run(folder: Path, *options: str, code: int = 0) -> str:
    """Run pytest in a folder; what it printed. AssertionError when it ends with another exit code."""
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *options]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment["PYTHONPATH"] = str(ROOT)
    done = subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def test_a_users_tests_hold_and_golden_tables_are_the_same_in_every_lab(tmp_path: Path) -> None:
    """Written in one lab, compared in the next: what differs from run to run has names. A difference is a failure."""
    folder = shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    golden = folder / "golden" / "shop.txt"
    assert "3 passed" in run(folder, "--update-golden")
    written = golden.read_text()
    assert "table=output" in written and "interface db" in written and "MISSING" not in written
    assert "3 passed" in run(folder)
    golden.write_text(written.replace("10.0.1.10", "10.0.1.11"))
    assert "run pytest with --update-golden" in run(folder, "-k", "flow_tables", code=1)
