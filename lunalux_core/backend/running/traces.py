"""Spans for operators, by OpenTelemetry, where LUNALUX_TRACES is set; else nothing of it is even loaded.

A span says what was done, on which route, table or model, how long it took, and the code of what went wrong:
never who asked, never a key of a row, never a word of anybody's. Where spans go, how many and under which
name is said by the standard's own variables (`OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_TRACES_SAMPLER` …).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from lunalux_core.backend.running.logs import trace_id
from lunalux_core.errors import InvalidInput, LunaluxError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

VARIABLE = "LUNALUX_TRACES"
SERVICE = "lunalux"
FLUSH_MS = 5000
Value = str | int | float | bool


class Span(Protocol):
    """What is said of a piece of work while it goes on."""

    def note(self, **attributes: Value | None) -> None:
        """Add attributes; `__` in a name stands for a dot. What is None is left out."""
        ...

    def call(self, name: str) -> None:
        """Name it, once that is known."""
        ...

    def fail(self, error: BaseException) -> None:
        """Mark the work as failed, by the error's code or type alone."""
        ...


class _Nothing:
    def note(self, **attributes: Value | None) -> None:
        return

    def call(self, name: str) -> None:
        return

    def fail(self, error: BaseException) -> None:
        return


NOTHING = _Nothing()


class Traces:
    """Where spans are made.

    Args:
        exporter: takes the spans; by default OTLP over HTTP, at the address the standard's variables name.

    Raises:
        InvalidInput: CONFIG_INVALID, it is wanted and not installed.
    """

    def __init__(self, enabled: bool = False, exporter: SpanExporter | None = None) -> None:
        self._tracer: Any = None
        self._provider: Any = None
        if enabled:
            try:
                self._open(exporter)
            except ImportError:
                raise InvalidInput(
                    "CONFIG_INVALID",
                    f"{VARIABLE} is set but OpenTelemetry is not installed.",
                    f"Install lunalux[otel], or unset {VARIABLE}.",
                    variable=VARIABLE,
                ) from None

    def _open(self, exporter: SpanExporter | None) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        if exporter is None:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

            exporter = OTLPSpanExporter()
        named = Resource.create({"service.name": SERVICE})
        # A name that the operator gave by the standard's variables wins.
        self._provider = TracerProvider(resource=named.merge(Resource.create()) if _is_named() else named)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("lunalux")

    @property
    def enabled(self) -> bool:
        return self._tracer is not None

    @contextmanager
    def request(self, method: str, headers: Mapping[str, str]) -> Iterator[Span]:
        """A request as a span, which what is done for it belongs to; goes on a trace that its caller began.
        Its id is in every line of the log that belongs to it."""
        if self._tracer is None:
            yield NOTHING
            return
        from opentelemetry import trace
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        begun = TraceContextTextMapPropagator().extract(dict(headers))
        span = self._tracer.start_span(method, context=begun, kind=trace.SpanKind.SERVER)
        mark = trace_id.set(trace.format_trace_id(span.get_span_context().trace_id))
        try:
            # The text of an exception may hold people's words, so none is recorded.
            with trace.use_span(span, record_exception=False, set_status_on_exception=False):
                yield _OpenSpan(span)
        finally:
            span.end()
            trace_id.reset(mark)

    @contextmanager
    def work(self, name: str, **attributes: Value | None) -> Iterator[Span]:
        """A piece of a request's work as a span. It may be left in another task than it was entered in, so
        nothing can belong to it."""
        if self._tracer is None:
            yield NOTHING
            return
        from opentelemetry import trace

        told = _OpenSpan(self._tracer.start_span(name, kind=trace.SpanKind.CLIENT))
        told.note(**attributes)
        try:
            yield told
        except BaseException as error:
            told.fail(error)
            raise
        finally:
            told.span.end()

    async def aclose(self) -> None:
        """Send what is still kept; waits a few seconds at most. Safe to call twice."""
        if self._provider is not None:
            provider, self._provider = self._provider, None
            await asyncio.to_thread(provider.force_flush, FLUSH_MS)
            await asyncio.to_thread(provider.shutdown)


class _OpenSpan:
    def __init__(self, span: Any) -> None:
        self.span = span

    def note(self, **attributes: Value | None) -> None:
        for name, value in attributes.items():
            if value is not None:
                self.span.set_attribute(name.replace("__", "."), value)

    def call(self, name: str) -> None:
        self.span.update_name(name)

    def fail(self, error: BaseException) -> None:
        from opentelemetry.trace import Status, StatusCode

        code = error.code if isinstance(error, LunaluxError) else type(error).__name__
        self.span.set_attribute("error.type", code)
        self.span.set_status(Status(StatusCode.ERROR))


def _is_named() -> bool:
    named = os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    return "OTEL_SERVICE_NAME" in os.environ or "service.name=" in named
