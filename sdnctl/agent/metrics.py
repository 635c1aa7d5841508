"""The metrics of a host's controller, served for Prometheus on a loopback port (docs/operations.md).

The figures are the loop's; a scrape asks it for them between two events, so nothing is counted twice or torn.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from sdnctl.agent.agent import Agent
from sdnctl.agent.counters import Histogram
from sdnctl.agent.loop import Loop
from sdnctl.agent.owners import DROPS
from sdnctl.agent.totals import Amounts, Metered
from sdnctl.base.addresses import HostPort
from sdnctl.base.paths import write_private
from sdnctl.bridge.snapshot import Zone

log = structlog.get_logger("sdnctl.metrics")

COUNTERS = {
    "flow_mods": "Flows added and deleted in the switch.",
    "meter_mods": "Meters added, changed and deleted in the switch.",
    "group_mods": "Groups added, changed and deleted in the switch.",
    "plans": "Plans sent to the switch.",
    "audits": "Times the switch was read again to compare it.",
    "repaired": "Flows, meters and groups that somebody else had changed and that were set right.",
    "foreign": "Flows of somebody else that were deleted.",
    "failures": "Plans that the switch refused as a whole (bundle errors).",
    "refused": "Flows, meters and groups that the switch refused and that were left out.",
    "stray_errors": "Errors of the switch about nothing of ours.",
    "connections": "Connections to the switch.",
    "revalidations": "Times the data path was waited for, to obey changes where packets stop.",
    "packet_outs": "Packets sent out.",
    "packet_outs_dropped": "Packets not sent because the switch was not taking them.",
    "handler_faults": "Packets that a feature failed to answer.",
}
RENAMED = {"failures": "bundle_errors"}
METERED = ("packets", "bits", "dropped_packets", "dropped_bits")


@dataclass(frozen=True, slots=True)
class Reading:
    """The agent's figures at one moment."""

    status: dict[str, Any]
    packet_ins: dict[str, int]
    drops: dict[str, int]
    meters: dict[Any, Amounts]
    latency: Histogram
    connections: dict[str, Zone]


def reading(agent: Agent) -> Reading:
    """Copy what there is; runs on the loop."""
    counters = agent.counters
    return Reading(
        agent.status(),
        dict(counters.packet_ins),
        counters.drops,
        {name: amounts for name, amounts in counters.totals.shown.items() if name.family != DROPS},
        counters.latency.copy(),
        dict(agent.zones.connections),
    )


class HostCollector(Collector):
    """The figures of one controller; ``loop`` is None until it has begun."""

    def __init__(self, loop: Callable[[], Loop | None]) -> None:
        self._loop = loop

    def collect(self) -> Iterator[Metric]:
        """Yield every metric, at this moment."""
        loop = self._loop()
        found = loop.ask(reading) if loop is not None and loop.agent is not None else None
        yield GaugeMetricFamily("sdnctl_controller_up", "Whether the controller answers.", int(bool(found)))
        if loop is None:
            return
        yield from _waiting(loop)
        if found is None:
            return
        yield from _status(found.status)
        asked = CounterMetricFamily("sdnctl_packet_ins", "Packets that asked something.", labels=["table"])
        for question, packets in sorted(found.packet_ins.items()):
            asked.add_metric([question], packets)
        yield asked
        dropped = CounterMetricFamily("sdnctl_drops", "Packets dropped by the switch, by reason.", labels=["reason"])
        for name, packets in sorted(found.drops.items()):
            dropped.add_metric([name], packets)
        yield dropped
        text = "Time from a commit's arrival to its confirmation by the switch."
        yield _histogram("sdnctl_commit_to_switch_seconds", text, found.latency)
        yield from _metered(found.meters)
        yield from _tracked(found.connections)


def _counter(name: str, text: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(f"sdnctl_{name}", text, value)


def _status(status: dict[str, Any]) -> Iterator[Metric]:
    """Yield the metrics of the switch's connection and flows, and of those that it should have."""
    info = GaugeMetricFamily("sdnctl_host", "The host that this controller serves.", labels=["host", "state"])
    info.add_metric([status["host"], status["state"]], 1)
    yield info
    yield GaugeMetricFamily("sdnctl_flows", "Flows of ours in the switch.", status["flows"])
    yield GaugeMetricFamily("sdnctl_flows_desired", "Flows that the switch should have.", status["desired"])
    yield GaugeMetricFamily("sdnctl_sequence_applied", "The last transaction in force.", status["applied"])
    yield GaugeMetricFamily("sdnctl_sequence_known", "The last transaction heard of.", status["sequence"])
    yield GaugeMetricFamily("sdnctl_unit_errors", "Units that keep their last good flows.", status["unit_errors"])
    yield _counter("units_run", "Units (feature, resource) that were run.", status["units_run"])
    for name, text in COUNTERS.items():
        yield _counter(RENAMED.get(name, name), text, status["counters"].get(name, 0))


def _waiting(loop: Loop) -> Iterator[Metric]:
    """Yield the metrics of what waits for the agent; they need no answer of it."""
    backlog, mailbox = loop.mailbox.backlog, loop.mailbox
    text = "Changed records that wait for the engine; of each only the last change waits."
    yield GaugeMetricFamily("sdnctl_backlog_records", text, backlog.records)
    yield GaugeMetricFamily("sdnctl_backlog_seconds", "Time that the oldest of them has waited.", backlog.seconds)
    yield _counter("batches_merged", "Transactions that were taken in together with others before.", mailbox.merged)
    yield _counter("packet_ins_dropped", "Packets of the switch that were too many.", mailbox.packets_dropped)
    text = "Time from a question's arrival to its answer by the agent."
    yield _histogram("sdnctl_packet_in_wait_seconds", text, loop.packets_waited.copy())


def _histogram(name: str, text: str, of: Histogram) -> Metric:
    """The metric of a histogram."""
    made = HistogramMetricFamily(name, text)
    total, buckets = 0, []
    for bound, count in zip([*map(str, of.bounds), "+Inf"], of.counts, strict=True):
        total += count
        buckets.append((bound, total))
    made.add_metric([], buckets, of.total)
    return made


def _metered(meters: dict[Any, Amounts]) -> Iterator[Metric]:
    """Yield the traffic that passed and that was dropped, by the resource that each meter belongs to."""
    families: dict[str, list[tuple[Metered, Amounts]]] = {}
    for name, amounts in meters.items():
        families.setdefault(name.family, []).append((name, amounts))
    for family, members in sorted(families.items()):
        labels = [family, "direction"] if any(name.direction for name, _ in members) else ["table"]
        for place, what in enumerate(METERED):
            unit = 8 if "bits" in what else 1
            made = CounterMetricFamily(f"sdnctl_{family}_{what}", f"{what} by meter.".replace("_", " "), labels=labels)
            for name, amounts in sorted(members, key=lambda member: (member[0].id, member[0].direction)):
                values = [name.id, name.direction] if len(labels) == 2 else [name.id]
                made.add_metric(values, _passed(amounts, place) * unit)
            yield made


def _tracked(connections: dict[str, Zone]) -> Iterator[Metric]:
    """Yield the connections of each port, and those that it may have."""
    text = "Connections of a port, as the switch tracks them; the other family has the most that it may have."
    used = GaugeMetricFamily("sdnctl_port_connections", text, labels=["port"])
    most = GaugeMetricFamily("sdnctl_port_connections_limit", "Connections that a port may have.", labels=["port"])
    for id, zone in sorted(connections.items()):
        used.add_metric([id], zone.used)
        most.add_metric([id], zone.limit)
    yield used
    yield most


def _passed(amounts: Amounts, place: int) -> int:
    """The amount that passed, or that was dropped: a meter counts all that came."""
    return amounts[place] - amounts[place + 2] if place < 2 else amounts[place]


def serve(loop: Callable[[], Loop | None], listen: str, file: Path | None) -> None:
    """Answer scrapes on ``HOST:PORT`` and note the address in ``file``; port 0 takes the one noted there, if free."""
    host, port = HostPort.parse(listen)
    registry = CollectorRegistry()
    registry.register(HostCollector(loop))
    try:
        server, _ = start_http_server(port or _noted(file), host, registry)
    except OSError:
        if port:
            raise
        server, _ = start_http_server(0, host, registry)
    address = str(HostPort(host, server.server_port))
    if file is not None:
        write_private(file, json.dumps({"controller": address}) + "\n")
    log.info("figures for Prometheus", address=address)


def _noted(file: Path | None) -> int:
    """The port that was used last time; 0 when there was none."""
    try:
        return HostPort.parse(json.loads(file.read_text())["controller"]).port if file is not None else 0
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return 0
