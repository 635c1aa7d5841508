"""Answers to ARP for an address on the public network: asked all the time while something happens."""

import threading
import time
from collections.abc import Sequence
from itertools import groupby
from typing import Self

from scapy.layers.l2 import ARP, Ether

from topologies import frames
from topologies.region import PUBLIC, Region
from topologies.wires import raw_socket

EVERY_S = 0.01


class Asked:
    """Asks for an address from the provider's router, a hundred times a second, during a `with` block.

    `answers` are the hosts that answered, in their order; a host is known by the cable its answer came through.
    """

    def __init__(self, region: Region, address: str) -> None:
        self._address = address
        self._gateway = region.internet.gateway
        self._cables = {name: region.fabric.sniff_at(host, PUBLIC) for name, host in region.uplinks().items()}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self.answers: list[tuple[float, str]] = []

    def __enter__(self) -> Self:
        for cable in self._cables.values():
            cable.__enter__()
        self._thread.start()
        return self

    def _ask(self) -> None:
        me = (self._gateway.mac("public"), "203.0.113.1")
        question = frames.arp(1, me, (frames.ZERO, self._address))
        with raw_socket(self._gateway.pid, "public") as wire:
            while not self._over.wait(EVERY_S):
                wire.send(question)

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        time.sleep(0.1)
        for name, cable in self._cables.items():
            cable.__exit__()
            said = [one for one in cable.seen(self._is_claim) if not one.sent]
            self.answers += [(one.at, name) for one in said]
        self.answers.sort()

    def _is_claim(self, frame: bytes) -> bool:
        """Does a frame say who has the address: an answer, or an announcement (RFC 5227, 3)?"""
        if not frames.is_arp(frame, sender=self._address):
            return False
        found = Ether(frame)[ARP]
        return bool(found.op == 2 or found.pdst == self._address)

    @property
    def holders(self) -> Sequence[str]:
        """The hosts in the order in which each took the address over; one that comes twice answered beside another."""
        return [name for name, _ in groupby(name for _, name in self.answers)]


def holder(region: Region, address: str) -> str:
    """The one host that answers for an address."""
    with Asked(region, address) as asked:
        time.sleep(0.3)
    (found,) = asked.holders
    return found
