"""Services that do as the records of ``ToyWish`` tell them: also what a service should not."""

import asyncio
import sys
import time

from sdnctl.program.service import Context, Figure, Sample, service
from tests.services.cloud.toy.model import ToyAnswer, ToyPage, ToyWish

SEEN = Figure("toy_seen", "Wishes that the toy has seen.", ("host",))


@service(per="host", writes=(ToyAnswer,), patience=1.5)
async def echo(context: Context) -> None:
    """Answers the wish ``echo``, and misbehaves where it says so."""
    seen = 0
    async for region in context.changes():
        wish = region.get(ToyWish, "echo")
        text = wish.text if wish is not None else ""
        seen += 1
        context.say(f"seen {text}")
        context.show([Sample(SEEN, (context.host,), seen)])
        if text == "fail":
            raise ValueError("the wish is to fail")
        if text == "hang":
            await asyncio.sleep(600)
        if text == "deaf":
            await deaf(context)
        if text == "block":
            time.sleep(600)
        if text == "trespass":
            await context.report(ToyPage(id="page"))
        await context.report(ToyAnswer(id=f"{context.host}-echo", host=context.host, text=text))


async def deaf(context: Context) -> None:
    """Does not end when it is told to."""
    try:
        await context.sleep(600)
    except asyncio.CancelledError:
        await asyncio.sleep(600)


@service(per="host", writes=(ToyAnswer,), namespace=True)
async def keeper(context: Context) -> None:
    """Looks after a process that outlives it, and tells which it is."""
    child = await context.child("sleeper", [sys.executable, "-c", "import time; time.sleep(600)"])
    text = f"{child.pid} {'new' if child.fresh else 'found'}"
    await context.report(ToyAnswer(id=f"{context.host}-keeper", host=context.host, text=text))
    await child.ended()
    raise RuntimeError("the child has ended")


@service(per="gateway", writes=(ToyAnswer,))
async def door(context: Context) -> None:
    """Runs on gateways."""
    await context.report(ToyAnswer(id=f"{context.host}-door", host=context.host, text="open"))
    while True:
        await context.sleep(60)
