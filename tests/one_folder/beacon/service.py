"""The keepers of beacons: one on each host, one in the region."""

from sdnctl.program.service import Context, Figure, Sample, service
from sdnctl.store import Txn
from tests.one_folder.beacon.model import Beacon, BeaconCensus, BeaconWatch

SEEN = Figure("beacons_seen", "Beacons of the VPCs that this host has.", ("host",))


@service(per="host", writes=(BeaconWatch,))
async def watch(context: Context) -> None:
    """Counts the beacons that this host follows, and tells the region."""
    async for region in context.changes():
        seen = len(region.all(Beacon))
        context.show([Sample(SEEN, (context.host,), seen)])
        context.say(f"sees {seen} beacons")
        await context.report(BeaconWatch(id=context.host, host=context.host, seen=seen))


@service(per="region", writes=(BeaconCensus,))
async def census(context: Context) -> None:
    """Counts the beacons of the region and writes the number down."""
    async for region in context.changes():
        number = len(region.all(Beacon))

        def work(txn: Txn, number: int = number) -> None:
            txn.put(BeaconCensus(id="census", number=number))

        await context.transact(work)
        context.say(f"counts {number} beacons")
