"""Readback: the present state of a switch is read from it, never remembered; flows by cookie, the rest by value.

A ``Readback`` holds the four questions and collects the answers, which come in as many messages as the switch likes.
No action of a flow is ever parsed: a flow's cookie is its content's name.
"""

import struct
from collections.abc import Callable

from sdnctl.engine.desired import Desired
from sdnctl.of import message
from sdnctl.of.flow import OURS, OURS_MASK, VERSION
from sdnctl.of.group import groups_of
from sdnctl.of.meter import meters_of
from sdnctl.switch.plan import Installed

METER_FEATURES = 11  # OFPMP_METER_FEATURES (OpenFlow 1.4, 7.3.5.15)
_MAX_METER = struct.Struct("!I")


class Readback:
    """One reading of one switch; ``done`` when every answer is there.

    ``installed.flows`` has one key for each cookie of ours; flows of somebody else, which may share a cookie (many
    programs leave it 0) or even copy one of ours, are in ``installed.foreign``.  ``max_meter`` is the greatest meter
    id, 0 when the switch has no meters.
    """

    def __init__(self, xid: int) -> None:
        self.installed = Installed()
        self.max_meter = 0
        self._first = xid
        self._waiting: dict[int, Callable[[bytes], None]] = {
            xid: self._flows,
            xid + 1: self._features,
            xid + 2: self._meters,
            xid + 3: self._groups,
        }

    @property
    def questions(self) -> list[bytes]:
        """The requests to send, in one write."""
        xid = self._first
        return [
            message.flow_stats_request(xid),
            struct.pack("!BBHIHH4x", VERSION, message.MULTIPART_REQUEST, 16, xid + 1, METER_FEATURES, 0),
            message.meter_config_request(xid + 2),
            message.group_desc_request(xid + 3),
        ]

    @property
    def done(self) -> bool:
        """True when nothing is missing any more."""
        return not self._waiting

    def answer(self, xid: int, data: bytes) -> bool:
        """Take one multipart reply in; False when it answers none of these questions."""
        take = self._waiting.get(xid)
        if take is None:
            return False
        take(data)
        if not message.more_follow(data):
            del self._waiting[xid]
        return True

    def refuse(self, xid: int) -> bool:
        """The switch answers a question with an error: it has no such thing.  False when it must have: flows."""
        if xid == self._first:
            return False
        self._waiting.pop(xid, None)
        return True

    def asked(self, xid: int) -> bool:
        """True when ``xid`` is one of these questions and its answer is still missing."""
        return xid in self._waiting

    def settle(self, desired: Desired) -> None:
        """Of two flows under one cookie of ours, keep the one that is wanted under it; the other is foreign."""
        foreign, flows = self.installed.foreign, self.installed.flows
        for place, (cookie, key) in enumerate(foreign):
            wanted = desired.flows.get(cookie)
            if wanted is not None and wanted.key == key:
                foreign[place] = cookie, flows[cookie]
                flows[cookie] = key

    def differences(self, known: Installed) -> int:
        """The number of flows, meters and groups in which the switch is not as it was left."""
        read = self.installed
        flows = len(known.flows.keys() ^ read.flows.keys()) + len(read.foreign)
        meters = len(set((known.draining | known.meters).items()) ^ set(read.meters.items()))
        groups = len(set(known.groups.items()) ^ set(read.groups.items()))
        return flows + meters + groups

    def _flows(self, data: bytes) -> None:
        flows, foreign = self.installed.flows, self.installed.foreign
        for cookie, key in message.cookies_of(data):
            if cookie & OURS_MASK != OURS or cookie in flows:
                foreign.append((cookie, key))
            else:
                flows[cookie] = key

    def _features(self, data: bytes) -> None:
        self.max_meter = _MAX_METER.unpack_from(data, 16)[0]

    def _meters(self, data: bytes) -> None:
        self.installed.meters.update((meter.id, meter) for meter in meters_of(data))

    def _groups(self, data: bytes) -> None:
        self.installed.groups.update((group.id, group) for group in groups_of(data))
