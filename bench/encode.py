"""Benchmark of encoding: flows built, hashed and framed a second, beside os-ken's own encoder in the same run.

    python -m bench.encode [flows]

A second here is a second of CPU time, so that other programs on the machine count less; best of five rounds. The flow
sends one address of one VPC on to a port: three fields (one masked), three actions, one goto; the address varies, the
actions repeat.
"""

import gc
import sys
import time
from collections.abc import Callable
from typing import Any

from os_ken.ofproto import ofproto_v1_4_parser as parser
from os_ken.ofproto.ofproto_protocol import ProtocolDesc

from sdnctl.of import message
from sdnctl.of.actions import dec_ttl, goto, load, set_field
from sdnctl.of.fields import ETH_DST, IP_DST, REG
from sdnctl.of.flow import Flow, flow, flow_add

ROUNDS = 5
OSKEN_SHARE = 20
"""os-ken encodes so many times fewer flows, to end in time."""
MACS = [f"fa:16:3e:00:00:{number:02x}" for number in range(256)]
MAC_NUMBERS = [int(mac.replace(":", ""), 16) for mac in MACS]


def ours(number: int) -> Flow:
    """The flow of one address."""
    address = 0x0A000000 + number
    return flow(
        10,
        100,
        {REG[0]: (7, 0xFFFFFF), IP_DST: address, REG[1]: 1},
        [load(REG[2], number & 255), set_field(ETH_DST, MAC_NUMBERS[number & 255]), dec_ttl(), goto(12)],
    )


def build(count: int) -> list[Flow]:
    """That many flows, as the engine keeps them."""
    return [ours(number) for number in range(count)]


def build_and_frame(count: int) -> list[bytes]:
    """That many finished messages."""
    return [flow_add(ours(number), number) for number in range(count)]


def osken(count: int) -> list[bytes]:
    """The same messages by os-ken."""
    datapath: Any = ProtocolDesc(version=5)
    messages = []
    for number in range(count):
        match = parser.OFPMatch(
            reg0=(7, 0xFFFFFF),
            eth_type=0x0800,
            ipv4_dst=f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}",
            reg1=1,
        )
        actions = [
            parser.NXActionRegLoad(31, "reg2", number & 255),
            parser.OFPActionSetField(eth_dst=MACS[number & 255]),
            parser.OFPActionDecNwTtl(),
        ]
        instructions = [parser.OFPInstructionActions(4, actions), parser.OFPInstructionGotoTable(12)]
        mod = parser.OFPFlowMod(datapath, table_id=10, priority=100, match=match, instructions=instructions)
        mod.set_xid(number)
        mod.serialize()
        messages.append(bytes(mod.buf))
    return messages


def per_second(work: Callable[[int], object], count: int, rounds: int = ROUNDS) -> float:
    """Flows a second in the best round."""
    best = float("inf")
    for _ in range(rounds):
        gc.collect()
        begin = time.process_time()
        work(count)
        best = min(best, time.process_time() - begin)
    return count / best


def main() -> None:
    """Measure and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    gc.disable()
    messages = build_and_frame(count)
    framed = per_second(build_and_frame, count)
    theirs = per_second(osken, count // OSKEN_SHARE, rounds=2)
    print(f"built and hashed            {per_second(build, count):12,.0f} flows/s")
    print(f"built, hashed and framed    {framed:12,.0f} flows/s")
    print(f"framed as one bundle        {per_second(lambda _: message.bundle(messages, 1, 1), count):12,.0f} flows/s")
    print(f"os-ken OFPFlowMod.serialize {theirs:12,.0f} flows/s")
    print(f"ratio                       {framed / theirs:12.1f}")


if __name__ == "__main__":
    main()
