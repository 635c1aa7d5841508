"""Everything of an interface that is ever changed here, as texts by name, so that it can be compared and restored.

``channels`` is "COMBINED RX TX"; ``rx-0/rps_cpus``, ``tx-0/xps_cpus`` and ``irq NAME`` are lists of CPUs ("0-3,8", ""
for none); ``rx-0/rps_flow_cnt``, ``threaded`` and ``rps_sock_flow_entries`` (the machine's) are numbers.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from apps.multi_queue.host import ethtool
from apps.multi_queue.host.machine import FLOW_ENTRIES, NO_CHANNELS_TO_SET, Machine
from apps.multi_queue.model import Channels, Nic, Plan, cpu_list, cpu_ranges, cpus_of, mask_of
from sdnctl.base.problem import Problem

State = dict[str, str]
CHANNELS, THREADED, FLOWS = "channels", "threaded", "rps_sock_flow_entries"
_MASKS = ("rps_cpus", "xps_cpus")


def read(machine: Machine, name: str) -> State:
    """The present settings; what cannot be read cannot be set either and stays out."""
    found: State = {}
    told = ethtool.channels(name)
    if told is not None and machine.driver(name) not in NO_CHANNELS_TO_SET:
        found[CHANNELS] = _channels_text(told[0])
    for knob, path in _files(machine, name):
        try:
            text = path.read_text().strip()
        except OSError:
            continue  # XPS of a single queue: ENOENT
        found[knob] = _normal(knob, text)
    return found


def _files(machine: Machine, name: str) -> Iterator[tuple[str, Path]]:
    """Every file with a setting, by the setting's name."""
    for kind, files in (("rx", ("rps_cpus", "rps_flow_cnt")), ("tx", ("xps_cpus",))):
        for queue in machine.queues(name, kind):
            for file in files:
                yield f"{queue.name}/{file}", queue / file
    for irq in machine.irqs(name):
        if irq.queue is not None:
            yield f"irq {irq.name}", machine.proc / f"irq/{irq.number}/smp_affinity_list"
    yield THREADED, machine.at(name) / "threaded"
    yield FLOWS, machine.proc / FLOW_ENTRIES


def wanted(made: Plan, nic: Nic) -> State:
    """The settings that a plan makes; it says nothing of what it leaves alone."""
    found: State = {CHANNELS: _channels_text(made.channels)} if nic.most is not None else {}
    for queue, cpus in enumerate(made.rps):
        found[f"rx-{queue}/rps_cpus"] = cpu_ranges(cpus)
        if made.flow_count:
            found[f"rx-{queue}/rps_flow_cnt"] = str(made.flow_count)
    if len(made.xps) > 1:
        for queue, cpus in enumerate(made.xps):
            found[f"tx-{queue}/xps_cpus"] = cpu_ranges(cpus)
    names = {irq.number: irq.name for irq in nic.irqs}
    for number, cpu in made.irqs.items():
        found[f"irq {names[number]}"] = str(cpu)
    if made.flow_table:
        found[FLOWS] = str(made.flow_table)
    if made.threaded is not None:
        found[THREADED] = str(int(made.threaded))
    return found


def changes(now: Mapping[str, str], then: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Setting -> (before, after) of what is different; ``then`` may leave settings out."""
    return {knob: (now[knob], value) for knob, value in then.items() if knob in now and now[knob] != value}


def write(machine: Machine, name: str, knob: str, value: str) -> None:
    """Set one thing; Problem says why the kernel or the driver refused."""
    if knob == CHANNELS:
        ethtool.set_channels(name, Channels(*map(int, value.split())))
        return
    path = dict(_files(machine, name)).get(knob)
    if path is None:
        raise Problem(f"{name}: {knob} is not there any more")
    text = mask_of(cpu_list(value)) if knob.endswith(_MASKS) else value
    try:
        path.write_text(text + "\n")
    except OSError as error:
        driver = machine.driver(name) or "here"
        said = f"the kernel or the driver {driver} refused it ({error.strerror})"
        raise Problem(f"{name}: {knob} cannot be set to {value or 'none'!r}: {said}") from None


def restore(machine: Machine, name: str, state: State) -> list[str]:
    """Set everything as it was, channels first since queues come and go with them; what could not be is returned."""
    failed = []
    first = {knob: state[knob] for knob in (CHANNELS,) if knob in state}
    for part in (first, state):
        for knob, (_, value) in changes(read(machine, name), part).items():
            try:
                write(machine, name, knob, value)
            except Problem as problem:
                failed.append(str(problem))
    left = changes(read(machine, name), state)
    return failed or [f"{name}: {knob} is {now or 'none'}, not {was or 'none'}" for knob, (now, was) in left.items()]


def _channels_text(found: Channels) -> str:
    return f"{found.combined} {found.rx} {found.tx}"


def _normal(knob: str, text: str) -> str:
    """A list of CPUs in one form, however it was written."""
    if knob.endswith(_MASKS):
        return cpu_ranges(cpus_of(text or "0"))
    return cpu_ranges(cpu_list(text)) if knob.startswith("irq ") else text
