"""Keeps the interrupts of a host's interfaces spread over its CPUs, where the operator asks for it."""

import asyncio
from pathlib import Path
from typing import Any

from apps.multi_queue.host.machine import Machine
from apps.multi_queue.host.measure import looked, samples
from apps.multi_queue.host.pmd import Switch
from apps.multi_queue.host.tuner import Tuner
from apps.multi_queue.host.watch import SETTING, Chosen, Watcher
from sdnctl.program.service import Context, service

PERIOD_S = 10.0
OFF = f"off: no interface is changed unless external_ids:{SETTING} names it (NIC,… or bound)"


@service(per="host")
async def nics(context: Context) -> None:
    """The queues and interrupts of the interfaces that ``external_ids:sdnctl-nics`` of this host's switch names.

    Nothing is undone at its end: ``sdnctl nic rollback`` does that, by the same journal in this machine's DATA/nic.
    """
    tuner, chosen = Tuner(Machine(), Path(context.data)), Chosen(Switch(context.switch))
    problems: dict[str, str] = {}

    def told(event: dict[str, Any]) -> None:
        if "nic" in event:
            problems.pop(event["nic"], None)
        if event["event"] == "failed":
            problems[event["nic"]] = event["because"]

    def names() -> list[str]:
        return sorted(chosen.now())

    watcher = Watcher(tuner, chosen, told, force=False)
    watching = asyncio.ensure_future(asyncio.to_thread(watcher.run, PERIOD_S))
    try:
        while not watching.done():
            after = await context.blocking(names)
            context.show(await context.blocking(lambda: list(samples(looked(tuner.machine, names(), tuner.planned)))))
            context.say("; ".join(problems.values()) or (f"looks after {' '.join(after)}" if after else OFF))
            await context.waiting(asyncio.wait([watching], timeout=PERIOD_S))
        watching.result()
    finally:
        watcher.stop()
