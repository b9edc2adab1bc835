"""Counters for operators, in Prometheus' format where `prometheus-client` is installed and wanted.

The library costs a tenth of a second to import, so it is loaded only when LUNALUX_METRICS is set; without
it every call below does nothing.
"""

from __future__ import annotations

from typing import Any

from lunalux_core.errors import InvalidInput


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
                "Install lunalux[server], or unset LUNALUX_METRICS.",
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

    @property
    def enabled(self) -> bool:
        return self._registry is not None

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        if self._registry is not None:
            self._requests.labels(method, route, str(status)).inc()
            self._seconds.labels(route).observe(seconds)

    def event(self, name: str) -> None:
        """Count one `name`: `late_settle`, `refund`, `rank_batch` …"""
        if self._registry is not None:
            self._events.labels(name).inc()

    def exposition(self) -> tuple[bytes, str]:
        """The text for a scraper, and its media type."""
        import prometheus_client as prometheus

        return prometheus.generate_latest(self._registry), prometheus.CONTENT_TYPE_LATEST
