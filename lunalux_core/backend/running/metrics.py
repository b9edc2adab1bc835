"""Counters for operators, in Prometheus' format where `prometheus-client` is installed and wanted.

The library costs a tenth of a second to import, so it is loaded only when LUNALUX_METRICS is set; without
it every call below does nothing.
"""

from __future__ import annotations

import os
from typing import Any

from lunalux_core.errors import InvalidInput

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""What is counted by its name; a method is whatever a stranger writes."""
SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable by which the library lets several processes add up their counts, in files."""


class Metrics:
    """What the server counts. Labels are routes, codes and methods: never users, never texts."""

    def __init__(self, enabled: bool = False) -> None:
        self._registry: Any = None
        if not enabled:
            return
        try:
            import prometheus_client as prometheus
        except ImportError:
            raise InvalidInput(
                "CONFIG_INVALID",
                "LUNALUX_METRICS is set but prometheus-client is not installed.",
                "Run `pip install '.[server]'` in the folder of Lunalux, or unset LUNALUX_METRICS.",
                kind="metrics",
                variable="LUNALUX_METRICS",
            ) from None
        self._registry = prometheus.CollectorRegistry()
        self._requests = prometheus.Counter(
            "lunalux_requests", "Answers sent", ["method", "route", "status"], registry=self._registry
        )
        self._seconds = prometheus.Histogram(
            "lunalux_request_seconds", "Time to the last byte", ["route"], registry=self._registry
        )
        self._events = prometheus.Counter(
            "lunalux_events", "Things worth watching", ["event"], registry=self._registry
        )
        self._went_well = prometheus.Gauge(
            "lunalux_upkeep_last_success_timestamp_seconds",
            "When work beside the requests last went well",
            ["work"],
            registry=self._registry,
            # Of several processes only one does the work at a time, so the latest time is the service's.
            multiprocess_mode="max",
        )

    @property
    def enabled(self) -> bool:
        return self._registry is not None

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        if self._registry is not None:
            self._requests.labels(method if method in METHODS else "OTHER", route, str(status)).inc()
            self._seconds.labels(route).observe(seconds)

    def event(self, name: str) -> None:
        """Count one `name`: `late_settle`, `refund`, `rank_batch` …"""
        if self._registry is not None:
            self._events.labels(name).inc()

    def went_well(self, work: str, epoch_s: float) -> None:
        if self._registry is not None:
            self._went_well.labels(work).set(epoch_s)

    def exposition(self) -> tuple[bytes, str]:
        """The text for a scraper, and its media type; of all processes where several share the port."""
        import prometheus_client as prometheus

        registry = self._registry
        if SHARED_FOLDER in os.environ:
            from prometheus_client import multiprocess

            registry = prometheus.CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return prometheus.generate_latest(registry), prometheus.CONTENT_TYPE_LATEST
