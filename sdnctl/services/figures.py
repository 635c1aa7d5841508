"""The figures of services for Prometheus: those that they show themselves, and how often each was started again."""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sdnctl.base.addresses import HostPort
from sdnctl.base.paths import write_private
from sdnctl.program.service import Figure, Sample

UP = Figure("service_up", "Whether a service runs on this machine.", ("service", "state"))
RESTARTS = Figure("service_restarts", "Times that a service was started again.", ("service",), counter=True)


class Figures(Collector):
    """A collector of the services' samples, as they are at each scrape."""

    def __init__(self, look: Callable[[], Iterable[Sample]]) -> None:
        self._look = look

    def collect(self) -> Iterator[Metric]:
        """Each figure once, with all its samples."""
        found: dict[Figure, list[Sample]] = {}
        for sample in self._look():
            found.setdefault(sample.figure, []).append(sample)
        for figure, samples in sorted(found.items(), key=lambda item: item[0].name):
            kind = CounterMetricFamily if figure.counter else GaugeMetricFamily
            made = kind(f"sdnctl_{figure.name}", figure.text, labels=figure.labels)
            for sample in samples:
                made.add_metric(sample.labels, sample.value)
            yield made


def serve(look: Callable[[], Iterable[Sample]], listen: str, file: Path | None = None) -> str:
    """Answer scrapes on ``HOST:PORT`` (port 0 takes a free one), and note in ``file`` where; the address."""
    host, port = HostPort.parse(listen)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Figures(look))
    server, _ = start_http_server(port, host, registry)
    address = str(HostPort(host, server.server_port))
    if file is not None:
        write_private(file, json.dumps({"services": address}) + "\n")
    return address
