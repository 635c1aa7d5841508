"""A service that the region has once."""

import os
import time
from dataclasses import replace

from sdnctl.program.service import Context, service
from sdnctl.store import Txn
from tests.services.cloud.toy.model import ToyPage


@service(per="region", writes=(ToyPage,))
async def clerk(context: Context) -> None:
    """Counts, and writes down in a file that all machines of the test share when it acted."""
    while True:
        with open(os.environ["TOY_BOOK"], "a") as book:
            book.write(f"{time.monotonic():.3f} {context.host}\n")

        def work(txn: Txn) -> None:
            page = txn.get(ToyPage, "page") or ToyPage(id="page")
            txn.put(replace(page, count=page.count + 1, clerk=context.host))

        await context.transact(work)
        await context.sleep(0.1)
