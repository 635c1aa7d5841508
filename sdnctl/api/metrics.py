"""The API's own metrics, for Prometheus: durations of calls, their outcomes, their commits.

`GET /metrics` on the API's own listener, with the operator's bearer token: the figures name operations, not
tenants, but they are nobody else's business.
"""

from collections import Counter as Counted
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from sdnctl.api.wire import Answer
from sdnctl.model.unreadable import Unreadable

PATH = "/metrics"
BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
NO_OPERATION = "none"
"""The operation of a call that was refused before it was known what it asked for."""
__all__ = ["CONTENT_TYPE_LATEST", "Metrics"]


class Metrics:
    """The figures of one API process; any thread may count."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._seconds = Histogram(
            "sdnctl_api_request_seconds",
            "Time from a request's first byte to its answer, by operation and HTTP status.",
            ("operation", "status"),
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._commits = Counter(
            "sdnctl_api_commits",
            "Transactions that changed something and were acknowledged.",
            ("operation",),
            registry=self._registry,
        )
        self._errors = Counter(
            "sdnctl_api_errors",
            "Calls that failed through our fault (status 5xx).",
            ("status",),
            registry=self._registry,
        )

        self._unreadable = Gauge(
            "sdnctl_unreadable_reports",
            "Rows that hosts reported and nobody can read (sdnctl status says why), by table and host.",
            ("table", "host"),
            registry=self._registry,
        )

    def count(self, answer: Answer, seconds: float) -> None:
        """Take one answered call in."""
        operation, status = answer.operation or NO_OPERATION, str(answer.code)
        self._seconds.labels(operation, status).observe(seconds)
        if answer.sequence and answer.code < 300:
            self._commits.labels(operation).inc()
        if answer.code >= 500:
            self._errors.labels(status).inc()

    def crashed(self) -> None:
        """Take a call in that ended in an unforeseen error."""
        self._errors.labels("500").inc()

    def unreadable(self, reports: Iterable[Unreadable]) -> None:
        """Take in which reports of hosts cannot be read now."""
        self._unreadable.clear()
        for (table, host), count in Counted((one.table, one.host) for one in reports).items():
            self._unreadable.labels(table, host).set(count)

    def text(self) -> bytes:
        """Everything, as Prometheus reads it."""
        return generate_latest(self._registry)
