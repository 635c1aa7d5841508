"""OVN's own bench, which lies beside the checkout: its programs are run, its laboratory is used for our side too.

So both sides have the same ovs-vswitchd with the same ports and are measured by the same monitor, ping and counters.
"""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

DEFAULT = Path(__file__).resolve().parents[1].parent / "shared/peers/ovn/ovnbench.py"
HANDOVER_S = 1e-4
"""The time after which a thread that measures gets the interpreter from another one; Python's own 5 ms would count."""
_HASTY = (
    f"import runpy, sys; sys.setswitchinterval({HANDOVER_S}); del sys.argv[0]; "
    "runpy.run_path(sys.argv[0], run_name='__main__')"
)
REQUIRED = ("ovn-northd", "ovn-controller", "ovn-nbctl", "ovs-vswitchd", "ip", "ping", "ethtool")


def script() -> Path:
    """The path of ovnbench.py: $OVNBENCH, else beside the checkout."""
    return Path(os.environ.get("OVNBENCH") or DEFAULT)


def laboratory() -> Any:
    """ovnbench.py as a module: ``Lab``, ``FlowWatch``, ``RuleSampler``, ``Pinger`` and ``replay_floor`` are used."""
    sys.dont_write_bytecode, kept = True, sys.dont_write_bytecode
    found = importlib.util.spec_from_file_location("ovnbench", script())
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    sys.dont_write_bytecode = kept
    return module


def run(size: int, bound: int | None, rounds: int, restarts: int, out: Path) -> dict[str, Any]:
    """OVN's side of one size, as ovnbench.py reports it; restarts are by kill -9, with both kinds of SB monitor."""
    argv = [sys.executable, "-B", "-c", _HASTY, str(script()), "scale", "--sizes", str(size), "--reps", str(rounds)]
    argv += ["--restarts", str(restarts), "--variants", "k0a,k0c", "--replay", "--limit", "400"]
    argv += [*(["--bound", str(bound)] if bound else []), "--out", str(out), "--name", f"ovn-{size}"]
    with (out / f"ovn-{size}.log").open("wb") as log:
        subprocess.run(argv, check=True, stdout=log, stderr=log, timeout=1800)
    found: dict[str, Any] = json.loads((out / f"ovn-{size}.json").read_text())
    return {"versions": found["versions"], **found["scale"][0]}


def lost(restart: Sequence[dict[str, Any]]) -> str:
    """Pings lost of those sent, of each restart."""
    return " ".join(f"{one['lost']}/{one['sent']}" for one in restart)
