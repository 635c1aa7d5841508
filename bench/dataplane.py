"""Benchmark of the pipeline's cost for a packet: the same machines through br-int and a plain switch, in turns.

    python -m bench.dataplane [seconds] [rounds]

Needs root. Both bridges are in one ovs-vswitchd with the userspace datapath; a second wire of each machine leads to the
plain bridge (one NORMAL flow), so nothing but the pipeline differs. TCP by iperf3, and the round trip by ping.
"""

import re
import sys
import time
from statistics import median

from bench.table import show
from topologies import scenarios
from topologies.cloud import Cloud
from topologies.guest import Guest
from topologies.traffic import Stream

PLAIN = "br-plain"
SETTLE_S = 1.0
PINGS = 200
PATHS = (("same subnet", "vm-a", "vm-b", "10.0.0.11"), ("routed", "vm-a", "vm-c", "10.0.1.10"))
_MEAN = re.compile(r"= [\d.]+/([\d.]+)/")


def plain_wires(cloud: Cloud) -> dict[str, str]:
    """Join the machines by a plain bridge too; their addresses there."""
    cloud.host.vsctl("add-br", PLAIN, "--", "set", "bridge", PLAIN, "datapath_type=netdev", "fail_mode=standalone")
    addresses = {}
    for number, (name, guest) in enumerate(cloud.guests.items(), 1):
        port = f"{name}.plain"
        cloud.net.addLink(guest, cloud.host, intfName1="plain0", intfName2=port, up=None)
        addresses[name] = f"192.168.255.{number}"
        guest.interface("plain0", f"{addresses[name]}/24")
        cloud.host.run("ip", "link", "set", port, "up")
        cloud.host.vsctl("add-port", PLAIN, port)
    return addresses


def gigabits(sender: Guest, receiver: Guest, target: str, seconds: float) -> float:
    """TCP goodput at the receiver in Gbit/s, the first second left out."""
    with Stream(sender, receiver, target) as stream:
        start = time.monotonic() + SETTLE_S
        return stream.goodput(start, start + seconds) / 1000


def round_trip(sender: Guest, target: str) -> float:
    """Mean round trip in ms."""
    found = _MEAN.search(sender.run("ping", "-n", "-q", "-i", "0.005", "-c", str(PINGS), target))
    assert found is not None
    return float(found[1])


def main() -> None:
    """Measure and print."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 4.0
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    rows = []
    with Cloud() as cloud:
        cloud.build(scenarios.routing())
        plain = plain_wires(cloud)
        for path, a, b, target in PATHS:
            sender, receiver = cloud.guests[a], cloud.guests[b]
            ends = {"sdnctl": target, "plain": plain[b]}
            assert all(sender.reaches(end) for end in ends.values())
            speed: dict[str, list[float]] = {name: [] for name in ends}
            delay: dict[str, list[float]] = {name: [] for name in ends}
            for _ in range(rounds):
                for name, end in ends.items():
                    speed[name].append(gigabits(sender, receiver, end, seconds))
                    delay[name].append(round_trip(sender, end))
            rows.append([path, *_row(speed), *_row(delay)])
    head = ("path", "Gbit/s sdnctl / plain", "ratio", "RTT ms sdnctl / plain", "ratio")
    show(f"Data plane, medians of {rounds} rounds of {seconds:.0f} s", head, rows)


def _row(samples: dict[str, list[float]]) -> tuple[str, str]:
    ratios = [ours / theirs for ours, theirs in zip(samples["sdnctl"], samples["plain"], strict=True)]
    return f"{median(samples['sdnctl']):.3f} / {median(samples['plain']):.3f}", f"{median(ratios):.2f}"


if __name__ == "__main__":
    main()
