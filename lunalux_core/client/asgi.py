"""The way to an ASGI app in this process: httpx in front, streaming as it would over a socket.

httpx's own transport collects the whole body before it answers; here the body is handed on chunk by
chunk, and closing the response tells the app `http.disconnect` and waits for it to finish. `InProcessClient`
also leaves out what a client does for the sake of networks and strangers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

import httpx

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[None]]

CLOSE_SECONDS = 10
ADDRESSES = 256  # of a few dozen routes; what has an id in its path may take the rest
_OF_A_REQUEST = frozenset({"content", "data", "files", "json", "params", "headers"})


class InProcessClient(httpx.AsyncClient):
    """A client of `app`, at `base_url`, without redirects, authentication, proxies and timeouts.

    Cookies are kept as ever, but looked for only where some are; addresses are put together once.
    """

    def __init__(self, app: App, base_url: str) -> None:
        self._asgi = StreamingASGITransport(app)
        super().__init__(transport=self._asgi, base_url=base_url, trust_env=False)
        self._addresses: dict[str, httpx.URL] = {}

    def build_request(self, method: str, url: httpx.URL | str, **options: Any) -> httpx.Request:
        if not isinstance(url, str) or not url.startswith("/") or options.get("cookies") or self.cookies:
            return super().build_request(method, url, **options)
        address = self._addresses.get(url)
        if address is None:
            address = self._merge_url(url)
            # With a query nearly every address is another one: keeping them would keep no work.
            if len(self._addresses) < ADDRESSES and "?" not in url:
                self._addresses[url] = address
        plain = {
            name: value for name, value in options.items() if name in _OF_A_REQUEST and value is not None
        }
        if not plain.get("params"):
            plain.pop("params", None)
        return httpx.Request(method, address, **plain)

    async def send(self, request: httpx.Request, *, stream: bool = False, **_options: Any) -> httpx.Response:
        response = await self._asgi.handle_async_request(request)
        response.request = request
        if "set-cookie" in response.headers:
            self.cookies.extract_cookies(response)
        if not stream:
            try:
                await response.aread()
            except BaseException:
                await response.aclose()
                raise
        return response


class StreamingASGITransport(httpx.AsyncBaseTransport):
    """Sends requests to `app` in this event loop."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._running: set[asyncio.Task[None]] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        assert isinstance(request.stream, httpx.AsyncByteStream)
        exchange = _Exchange(self._app, _scope(request), request.stream)
        self._running.add(exchange.task)
        exchange.task.add_done_callback(self._ended)
        return await exchange.response()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # told to the reader of the answer; nobody else is to be warned of it

    async def aclose(self) -> None:
        """Let the app finish what it does after its answers, within reason."""
        if self._running:
            _, late = await asyncio.wait(set(self._running), timeout=CLOSE_SECONDS)
            for task in late:
                task.cancel()


class _Exchange(httpx.AsyncByteStream):
    """One request: the app's task, and the chunks it has sent."""

    def __init__(self, app: App, scope: Scope, body: httpx.AsyncByteStream) -> None:
        self._body = aiter(body)
        self._started: asyncio.Future[tuple[int, list[tuple[bytes, bytes]]]] = (
            asyncio.get_running_loop().create_future()
        )
        # Bounded: the app waits for a slow reader, as it would for a full socket.
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=64)
        self._gone = asyncio.Event()
        self._sent = False
        self._complete = False
        self.task = asyncio.ensure_future(self._run(app, scope))
        self.task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        if not self._started.done():
            # Ended before it answered: whoever waits for the head of the answer would wait for ever.
            self._started.set_exception(_broken(task))

    async def response(self) -> httpx.Response:
        try:
            status, headers = await self._started
        except BaseException:
            await self.aclose()
            raise
        return httpx.Response(status, headers=headers, stream=self)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (chunk := await self._chunks.get()) is not None:
            yield chunk
        if not self._complete:
            await asyncio.wait({self.task})
            raise _broken(self.task)

    async def aclose(self) -> None:
        self._gone.set()
        if not self._complete and not self.task.done():
            await asyncio.wait({self.task}, timeout=CLOSE_SECONDS)
            self.task.cancel()

    async def _run(self, app: App, scope: Scope) -> None:
        try:
            await app(scope, self._receive, self._send)
        finally:
            if not self._complete:
                await self._put(None)

    async def _receive(self) -> dict[str, Any]:
        if not self._sent:
            try:
                return {"type": "http.request", "body": await anext(self._body), "more_body": True}
            except StopAsyncIteration:
                self._sent = True
                return {"type": "http.request", "body": b"", "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if self._gone.is_set():
            raise OSError("the client went away")
        if message["type"] == "http.response.start":
            if not self._started.done():
                self._started.set_result((message["status"], list(message.get("headers", ()))))
            return
        if body := message.get("body", b""):
            await self._put(body)
        if message.get("more_body", False):
            await asyncio.sleep(0)  # the reader shows this chunk before the app makes the next one
        else:
            self._complete = True
            await self._put(None)

    async def _put(self, chunk: bytes | None) -> None:
        """Hand a chunk on, waiting for a slow reader. Raises OSError when the reader went away."""
        if not self._chunks.full():
            self._chunks.put_nowait(chunk)
            return
        putting = asyncio.ensure_future(self._chunks.put(chunk))
        leaving = asyncio.ensure_future(self._gone.wait())
        both: set[asyncio.Future[Any]] = {putting, leaving}
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            # The end (None) is put even for a reader that left: it is what lets an iterator stop.
            if not putting.done() and chunk is not None:
                raise OSError("the client went away")
        finally:
            leaving.cancel()
            putting.cancel()


def _broken(task: asyncio.Task[None]) -> httpx.RemoteProtocolError:
    """The app ended without a whole answer: what a socket would show as a connection closed early."""
    error = None if task.cancelled() else task.exception()
    failure = httpx.RemoteProtocolError("the app broke its answer off")
    failure.__cause__ = error
    return failure


def _scope(request: httpx.Request) -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "scheme": request.url.scheme,
        "path": request.url.path,
        "raw_path": request.url.raw_path.split(b"?")[0],
        "query_string": request.url.query,
        "server": (request.url.host, request.url.port),
        "client": ("127.0.0.1", 0),
        "root_path": "",
    }
