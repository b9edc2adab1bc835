"""The outermost middleware: request id, body size, time limit, access log, final error handler.

Plain ASGI instead of Starlette's `BaseHTTPMiddleware`, because a streamed reply must see its client leave.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lunalux_core.backend.running.backend_settings import BackendSettings
from lunalux_core.backend.running.logs import logger, request_id
from lunalux_core.backend.running.metrics import Metrics
from lunalux_core.backend.running.traces import Traces
from lunalux_core.backend.web.http import error_response
from lunalux_core.backend.web.refusals import refuse
from lunalux_core.ids import uuid4

GATEWAY = "/api/official-model/"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
MULTIPART_OVERHEAD = 64 * 1024


class ServiceMiddleware:
    """Wraps the routes. Every answer that passes carries `X-Request-Id`."""

    def __init__(self, app: ASGIApp, settings: BackendSettings, metrics: Metrics, traces: Traces) -> None:
        self._app = app
        self._settings = settings
        self._metrics, self._traces = metrics, traces
        self._warned = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # The gateway's requests have no time limit as a whole, so there the body has one of its own.
        body_s = self._settings.request_timeout_s if scope["path"].startswith(GATEWAY) else None
        crossing = _CountedRequest(scope, receive, send, self._body_limit(scope["path"]), body_s)
        self._note_proxy(scope, crossing)
        mark = request_id.set(crossing.id)
        try:
            if self._traces.enabled:
                await self._run_traced(scope, crossing)
            else:
                await self._run_counted(scope, crossing)
        finally:
            request_id.reset(mark)

    async def _run_traced(self, scope: Scope, crossing: _CountedRequest) -> None:
        with self._traces.request(scope["method"], crossing.headers) as span:
            try:
                await self._run_counted(scope, crossing)
            except BaseException as error:
                span.fail(error)
                raise
            finally:
                route = getattr(scope.get("route"), "path", "unknown")
                span.call(f"{scope['method']} {route}")
                span.note(
                    http__request__method=scope["method"],
                    http__route=route,
                    http__response__status_code=crossing.status or None,
                    lunalux__request_id=crossing.id,
                )

    async def _run_counted(self, scope: Scope, crossing: _CountedRequest) -> None:
        try:
            await self._run(scope, crossing)
        finally:
            self._account(scope, crossing)

    def _note_proxy(self, scope: Scope, crossing: _CountedRequest) -> None:
        """Tell, once, of a proxy that is not trusted: everybody behind it has one address, and one limit."""
        forwarded = crossing.headers.get("x-forwarded-for")
        if forwarded is None or self._warned:
            return
        peer = scope["client"][0] if scope.get("client") else ""
        if peer not in forwarded:
            self._warned = True
            logger.warning(
                "requests come through a proxy that FORWARDED_ALLOW_IPS does not name: all who use it are "
                "limited together",
                extra={"peer": peer},
            )

    async def _run(self, scope: Scope, crossing: _CountedRequest) -> None:
        patient = scope["path"].startswith(GATEWAY)  # it has the model's time limit instead
        seconds = None if patient else self._settings.request_timeout_s
        try:
            async with asyncio.timeout(seconds) as limit:
                crossing.limit = limit
                await self._app(scope, crossing.receive, crossing.send)
        except TimeoutError:
            late = refuse("STORE_UNAVAILABLE", "The server took too long; please try again.")
            await self._last_word(scope, crossing, late)
        except Exception as error:
            await self._last_word(scope, crossing, error)

    @staticmethod
    async def _last_word(scope: Scope, crossing: _CountedRequest, error: Exception) -> None:
        """Answer `error`; one that has begun already is broken off, so that the client sees it fail."""
        crossing.limit = None
        response = error_response(error)
        if crossing.status:
            raise error
        await response(scope, crossing.receive, crossing.send)

    def _body_limit(self, path: str) -> int:
        if path.startswith(GATEWAY):
            return self._settings.max_prompt_bytes
        if path.startswith("/blobs/"):
            return self._settings.max_upload_bytes
        if path == "/api/character/upload-direct":
            return self._settings.max_upload_bytes + MULTIPART_OVERHEAD
        return self._settings.max_body_bytes

    def _account(self, scope: Scope, crossing: _CountedRequest) -> None:
        seconds = time.perf_counter() - crossing.began
        route = getattr(scope.get("route"), "path", "unknown")
        self._metrics.request(scope["method"], route, crossing.status, seconds)
        logger.info(
            "request",
            extra={
                "method": scope["method"],
                "route": route,
                "status": crossing.status,
                "ms": round(seconds * 1000, 1),
            },
        )


class _CountedRequest:
    """One request: counts the bytes of its body, and adds the headers of its answer."""

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, body_limit: int, body_s: float | None
    ) -> None:
        self.headers: Mapping[str, str] = Headers(scope=scope)
        headers = self.headers
        wished = headers.get("x-request-id", "")
        self.id = wished if _REQUEST_ID.fullmatch(wished) else uuid4()
        self.began = time.perf_counter()
        self.status = 0
        self.limit: asyncio.Timeout | None = None
        self._receive, self._send = receive, send
        self._body_limit = body_limit
        self._deadline = None if body_s is None else asyncio.get_running_loop().time() + body_s
        """For the whole body, where nothing else limits it."""
        self._closing = False
        self._taken = 0
        announced = headers.get("content-length", "")
        self._too_large = announced.isdigit() and int(announced[:20]) > body_limit

    async def receive(self) -> Message:
        if self._too_large:
            raise HTTPException(413)
        message = await self._next()
        if message["type"] == "http.request":
            self._taken += len(message.get("body", b""))
            if self._taken > self._body_limit:
                self._too_large = True
                raise HTTPException(413)
            if not message.get("more_body", False):
                self._deadline = None
        return message

    async def _next(self) -> Message:
        if self._deadline is None:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._deadline):
                return await self._receive()
        except TimeoutError:
            self._closing = True
            raise refuse("INVALID_REQUEST", "The request's body did not come in time.") from None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            answer = MutableHeaders(scope=message)
            answer["X-Request-Id"] = self.id
            if self._closing or self._too_large:
                answer["Connection"] = "close"  # the rest of the body is nobody's
            if self.limit is not None:
                self.limit.reschedule(None)  # the limit is on the first byte; a slow reader is no failure
        await self._send(message)
