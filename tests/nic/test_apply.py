"""Queues of a veth pair: planned, applied, read back, refused and rolled back, all of it or nothing."""

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest

from apps.multi_queue.host.machine import Machine
from apps.multi_queue.host.tuner import Tuner
from apps.multi_queue.model import Channels, Cpus, Nic, irqs_of, plan
from tests.nic.namespace import Namespace

CPUS = os.cpu_count() or 1
EVERY = ("rps_cpus", "xps_cpus")


def masks(space: Namespace, name: str, file: str) -> list[int]:
    """One bitmap of every queue, in order."""
    found = {path: text for path, text in space.raw(name).items() if path.endswith(file)}
    return [int(found[path].replace(",", ""), 16) for path in sorted(found)]


def test_a_plan_is_told_and_changes_nothing(space: Namespace) -> None:
    space.veth("v0", "v1")
    before = space.raw("v0")
    planned = space.done("plan", "v0", "--queues", "2")["nics"]["v0"]
    assert planned["changes"]["channels"] == {"before": "0 4 4", "after": "0 2 2"}
    assert space.raw("v0") == before and not (space.data / "nic" / "v0.json").exists()
    done = space.done("apply", "v0", "--queues", "2")["nics"]["v0"]
    assert done["changes"] == planned["changes"] and done["plan"]["cpus"] == planned["plan"]["cpus"]


@pytest.mark.parametrize("queues", [1, 2, 3, 4])
def test_channels_rps_and_xps_are_read_back_and_rolled_back_exactly(space: Namespace, queues: int) -> None:
    space.veth("v0", "v1")
    before, other = space.raw("v0"), space.raw("v1")
    space.done("apply", "v0", "--queues", str(queues))
    assert f"RX: {queues} TX: {queues}" in space.raw("v0")["channels"]
    rps, xps = (masks(space, "v0", file) for file in EVERY)
    assert len(rps) == queues and all(rps)
    union = 0
    for mask in rps:
        union |= mask
    assert union == (1 << CPUS) - 1, "every CPU has a share"
    assert queues == 1 or (len(xps) == queues and all(xps))
    assert space.raw("v1") == other, "nobody named the peer"
    shown = space.done("show", "v0")["nics"][0]
    assert (shown["driver"], shown["channels"]["rx"], shown["applied"]) == ("veth", queues, True)
    assert space.done("apply", "v0", "--queues", str(queues))["nics"]["v0"]["changes"] == {}
    space.done("rollback", "v0")
    assert space.raw("v0") == before
    assert "nothing to roll back" in space.refused("rollback", "v0")


def test_settings_of_somebody_else_come_back_also_after_several_changes(space: Namespace) -> None:
    space.veth("v0", "v1")
    space.run(
        "sh",
        "-c",
        "cd /sys/class/net/v0/queues; echo 1 > rx-3/rps_cpus; echo 1 > tx-2/xps_cpus; echo 64 > rx-1/rps_flow_cnt",
    )
    before = space.raw("v0")
    for queues in ("2", "4", "1", "3"):
        space.done("apply", "v0", "--queues", queues)
    recorded = json.loads((space.data / "nic" / "v0.json").read_text())
    assert recorded["wish"]["queues"] == 3 and recorded["pending"] is None
    assert [change[1:] for change in recorded["changes"] if change[1] == "channels"] == [
        ["channels", "0 4 4", "0 2 2"],
        ["channels", "0 2 2", "0 4 4"],
        ["channels", "0 4 4", "0 1 1"],
        ["channels", "0 1 1", "0 3 3"],
    ]
    space.done("rollback", "v0")
    assert space.raw("v0") == before


def test_people_read_tables(space: Namespace) -> None:
    space.veth("v0", "v1")
    planned = space.nic("plan", "v0", "--queues", "2").out
    assert planned.splitlines()[0].split() == ["v0", "before", "after"]
    assert planned.splitlines()[1].split() == ["channels", "0", "4", "4", "0", "2", "2"]
    assert space.nic("apply", "v0", "--queues", "2").out == planned
    assert "nothing to change" in space.nic("plan", "v0", "--queues", "2").out
    shown = space.nic("show").out
    assert "veth" in shown and "combined 0, rx 2, tx 2" in shown and "v1" in shown
    assert "settings are as they were" in space.nic("rollback", "v0").out


def test_more_queues_than_the_driver_has(space: Namespace) -> None:
    space.veth("v0", "v1")
    before = space.raw("v0")
    assert space.refused("apply", "v0", "--queues", "5") == "v0: 5 queues were asked for, the driver veth has at most 4"
    assert space.raw("v0") == before and not (space.data / "nic" / "v0.json").exists()


def test_a_step_that_fails_undoes_the_ones_before(space: Namespace) -> None:
    space.veth("v0", "v1")
    before = space.raw("v0")
    # A veth has NAPI only with GRO or XDP: the channels are changed by then, and must come back.
    said = space.refused("apply", "v0", "--queues", "2", "--threaded")
    assert "v0: threaded cannot be set to '1'" in said and "everything is as it was before" in said
    assert space.raw("v0") == before and not (space.data / "nic" / "v0.json").exists()
    space.done("apply", "v0", "--queues", "3")
    between = space.raw("v0")
    space.refused("apply", "v0", "--queues", "2", "--threaded")
    assert space.raw("v0") == between
    space.done("rollback", "v0")
    assert space.raw("v0") == before


def test_threaded_napi_where_there_is_napi(space: Namespace) -> None:
    space.veth("v0", "v1")
    space.run("ethtool", "-K", "v0", "gro", "on")
    before = space.raw("v0")
    space.done("apply", "v0", "--queues", "2", "--threaded")
    assert space.raw("v0")["threaded"] == "1"
    space.done("rollback", "v0")
    assert space.raw("v0") == before


DYING = """
import os, signal, sys
from pathlib import Path
from apps.multi_queue.model import Wish
from apps.multi_queue.host import state
from apps.multi_queue.host.machine import Machine
from apps.multi_queue.host.tuner import Tuner
left, write = int(sys.argv[1]), state.write
def dying(*args):
    global left
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    write(*args)
state.write = dying
Tuner(Machine(), Path(sys.argv[2])).apply("v0", Wish(int(sys.argv[3])))
"""


def test_killed_before_any_of_its_steps(space: Namespace) -> None:
    space.veth("v0", "v1")
    before = space.raw("v0")

    def kill(step: int, queues: int) -> int:
        return space.run(sys.executable, "-c", DYING, str(step), str(space.data), str(queues), check=False).code

    for step in (0, 3):
        assert kill(step, 3) == -signal.SIGKILL
        assert "nothing to roll back" in space.refused("rollback", "v0")
        assert space.raw("v0") == before
    space.done("apply", "v0", "--queues", "2")
    between = space.raw("v0")
    for step in range(3):  # channels, RPS and XPS of the third queue
        assert kill(step, 3) == -signal.SIGKILL
        assert space.raw("v0") != between or step == 0
        # The next program that changes this interface undoes what was begun.
        assert space.done("apply", "v0", "--queues", "2")["nics"]["v0"]["changes"] == {}
        assert space.raw("v0") == between
    assert kill(1, 4) == -signal.SIGKILL
    space.done("rollback", "v0")
    assert space.raw("v0") == before


def test_a_program_that_died_in_the_middle_is_cleaned_up_after(space: Namespace) -> None:
    space.veth("v0", "v1")
    before = space.raw("v0")
    space.done("apply", "v0", "--queues", "2")
    # As if it had been killed before the end: the journal says what was before, and that it is not done.
    path = space.data / "nic" / "v0.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "pending": record["base"], "applied": False}))
    assert "nothing to roll back" in space.refused("rollback", "v0")
    assert space.raw("v0") == before and not path.exists()


def test_a_new_interface_with_an_old_name_is_left_alone(space: Namespace) -> None:
    space.veth("v0", "v1")
    space.done("apply", "v0", "--queues", "2")
    space.run("ip", "link", "del", "v0")
    space.veth("v0", "v1")
    before = space.raw("v0")
    assert "another interface" in space.refused("rollback", "v0")
    assert space.raw("v0") == before


def test_nothing_happens_to_what_is_not_named(space: Namespace) -> None:
    space.veth("v0", "v1")
    assert space.nic("apply").code == 2 and space.nic("watch").code == 2
    assert "there is no interface v9" in space.refused("apply", "v0", "v9")
    assert "there is no interface" in space.refused("apply", "../../net/v0")
    space.run("ip", "addr", "add", "192.0.2.2/24", "dev", "v0")
    space.run("ip", "route", "add", "default", "via", "192.0.2.1")
    before = space.raw("v0")
    assert "carries this machine's default route" in space.refused("apply", "v0", "--queues", "2")
    assert space.raw("v0") == before
    space.done("apply", "v0", "--queues", "2", "--force")


def test_a_multi_queue_tap_keeps_its_queues_and_gets_its_cpus(space: Namespace) -> None:
    space.tap("t0", 3)
    before = space.raw("t0")
    said = space.refused("apply", "t0", "--queues", "2")
    assert said == "t0: the driver tun cannot change its channels: there are 3, 2 were asked for"
    assert space.raw("t0") == before
    done = space.done("apply", "t0")["nics"]["t0"]
    assert "the driver tun cannot change its channels" in done["warnings"]
    rps = masks(space, "t0", "rps_cpus")
    assert len(rps) == 3 and all(rps)
    space.done("rollback", "t0")
    assert space.raw("t0") == before


def test_irqbalance_is_not_fought_but_told(space: Namespace) -> None:
    tuner = Tuner(Machine(), space.data)
    cpus = Cpus((0, 1))
    virtual = Nic("v0", Channels(rx=2, tx=2), Channels(rx=4, tx=4))
    real = Nic("e0", Channels(2), Channels(4), irqs=irqs_of({41: "e0-TxRx-0", 42: "e0-TxRx-1"}))
    program = space.data / "irqbalance"
    shutil.copy("/bin/sleep", program)
    running = subprocess.Popen([program, "60"])
    try:
        # It moves interrupts: what has none is not its business.
        assert tuner.warnings(virtual, plan(virtual, cpus)) == []
        (said,) = tuner.warnings(real, plan(real, cpus))
        assert f"process {running.pid}" in said and 'IRQBALANCE_ARGS="--banirq=41 --banirq=42"' in said
    finally:
        running.kill()
        running.wait()
    assert tuner.warnings(real, plan(real, cpus)) == []
