"""The tree without one leaf feature, and a part of the suite that does not need it.

`python -m tests.leaves [NAME...]` tries the leaves that are named, or all of them. A leaf is a folder of apps/ that no
other module of the product imports.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
PRODUCT = ("sdnctl", "apps", "topologies")
PARTS = (*PRODUCT, "tests", "setup.cfg", "pyproject.toml")
# Discovery, all networks to flows (written anew: what the leaf yields is gone), and any order.
CHECKED = ("tests/test_golden.py", "tests/test_any_order.py", "tests/engine", "tests/program")


def users(feature: str, *folders: str) -> list[Path]:
    """The files, other than its own, that name a feature's modules."""
    named = re.compile(rf"\bapps\.{feature}\b|from apps import .*\b{feature}\b")
    own = ROOT / "apps" / feature
    files = (path for folder in folders for path in sorted((ROOT / folder).rglob("*.py")))
    return [path for path in files if own not in path.parents and named.search(path.read_text())]


def leaves() -> list[str]:
    """The features that nothing of the product imports."""
    folders = sorted(path.name for path in (ROOT / "apps").iterdir() if (path / "__init__.py").exists())
    return [name for name in folders if not users(name, *PRODUCT)]


def without(leaf: str, folder: Path) -> Path:
    """A copy of the tree without a feature, what it means, its networks, the tests that name it, and golden tables."""
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        else:
            shutil.copy(ROOT / part, folder / part)
    shutil.rmtree(folder / "apps" / leaf)
    for own in ("reference", "networks"):
        (folder / "tests" / own / f"{leaf}.py").unlink(missing_ok=True)
    for path in users(leaf, "tests"):
        (folder / path.relative_to(ROOT)).unlink(missing_ok=True)
    for golden in (folder / "tests" / "golden").iterdir():
        golden.unlink()  # each is written anew, but those of networks that went with the leaf
    return folder


def check(leaf: str) -> str:
    """Run what does not need a leaf without it: "" when all holds, else what was printed."""
    with tempfile.TemporaryDirectory(prefix="sdnctl-leaf-") as scratch:
        tree = without(leaf, Path(scratch))
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
        environment["PYTHONPATH"] = str(tree)
        tests = [name for name in CHECKED if (tree / name).exists()]
        pytest = ["pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--update-golden", *tests]
        for command in (["sdnctl", "--help"], ["sdnctl.docs"], ["sdnctl.api.docs"], pytest):
            argv = [sys.executable, "-m", *command]
            done = subprocess.run(argv, cwd=tree, env=environment, capture_output=True, text=True, timeout=600)
            if done.returncode:
                return done.stdout[-4000:] + done.stderr[-2000:]
        left = [path.name for path in (tree / "tests" / "golden").iterdir() if f"# {leaf}." in path.read_text()]
        return f"flows of {leaf} are left in {left}" if left else ""


def main() -> int:
    """Check the leaves that are named, or all; 1 when one is no leaf in truth."""
    bad = 0
    for leaf in sys.argv[1:] or leaves():
        said = check(leaf)
        bad |= bool(said)
        sys.stdout.write(f"{leaf}: {'FAILED' if said else 'ok'}\n{said}")
        sys.stdout.flush()
    return bad


if __name__ == "__main__":
    sys.exit(main())
