"""Keeps a host's fragmenter running; the agent may be started again meanwhile."""

import sys

from sdnctl.base.paths import management_of
from sdnctl.program.service import Context, service

AGAIN_S = 0.2


@service(per="host")
async def fragmenter(context: Context) -> None:
    """Cuts packets that are too large for a tunnel or the uplink and may be cut."""
    command = [sys.executable, "-m", "apps.oversize.host.fragmenter", management_of(context.switch)]
    while True:
        child = await context.child("fragmenter", command)
        try:
            context.say(f"cuts large packets that may be cut (process {child.pid})")
            await child.ended()
        finally:
            await child.stop()
        context.say("the fragmenter has ended and is started again")
        await context.sleep(AGAIN_S)
