"""BackendExchange: one request to the backend and its answer, and the one place where refusals become errors.

Nothing is sent before the first call. Idempotent requests, and those with an idempotency key, are tried
again when the connection fails; nothing else ever is. A refused session (401, 460) is told in one place.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import httpx

from lunalux_core.client.backend_failures import cut, nonsense, refusal, trouble, unreachable
from lunalux_core.client.session_key import SessionKey
from lunalux_core.errors import LunaluxError
from lunalux_core.ids import now_ms
from lunalux_core.wire.wire_body import Wire

AnswerType = TypeVar("AnswerType", bound=Wire)
TRIES = 3
BACKOFF_SECONDS = 0.3
TIMEOUT = httpx.Timeout(30, connect=5)
STREAM_TIMEOUT = httpx.Timeout(30, connect=5, read=180)
"""A model may think for long before its first word; the server gives up before this."""

BROKEN = (httpx.TransportError, httpx.InvalidURL)
DOWNLOAD_LIMIT = 64 * 1024 * 1024


class BackendExchange:
    """Requests to the Lunalux backend, remote or in the process, and what is behind addresses it gave.

    Args:
        connect: gives the HTTP client, asked for once.
        session: the session in force, or None.
        on_refused: told when the backend refuses a session (401, 460); answers whether another one is in
            force now, with which the request is sent once more.
        on_session: called with a session the backend renewed.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[httpx.AsyncClient]],
        session: Callable[[], SessionKey | None],
        on_refused: Callable[[SessionKey, str], Awaitable[bool]],
        on_session: Callable[[SessionKey], Awaitable[None]],
    ) -> None:
        self._connect = connect
        self._session = session
        self._on_refused = on_refused
        self._on_session = on_session
        self._http: httpx.AsyncClient | None = None
        self._outside: httpx.AsyncClient | None = None
        self._lock = asyncio.Lock()

    async def aclose(self) -> None:
        for client in (self._http, self._outside):
            if client is not None:
                await client.aclose()
        self._http = self._outside = None

    async def fetch(self, url: str, *, limit: int = DOWNLOAD_LIMIT) -> bytes:
        """The bytes behind a presigned URL; no session headers go along.

        Raises:
            NotFound: CHARACTER_NOT_FOUND. BackendError: URL_EXPIRED, TOO_LARGE over `limit` bytes.
            NetworkError: unreachable, or cut in the middle.
        """
        http = await self._for(url)
        place = _host(http, url)
        try:
            async with http.stream("GET", url) as response:
                if response.status_code == 404:
                    raise refusal("CHARACTER_NOT_FOUND", "")
                if response.status_code >= 500:
                    raise trouble(place, response.status_code)
                if response.status_code >= 300:
                    raise refusal("URL_EXPIRED", "")
                return await bounded(response, place, limit)
        except BROKEN as error:
            raise unreachable(place, type(error).__name__) from error

    async def put(self, url: str, data: bytes, headers: Mapping[str, str]) -> None:
        """Upload to a presigned URL. Raises BackendError (UPLOAD_REFUSED) or NetworkError."""
        http = await self._for(url)
        try:
            response = await http.put(url, content=data, headers=dict(headers))
        except BROKEN as error:
            raise unreachable(_host(http, url), type(error).__name__) from error
        if response.status_code >= 300:
            raise refusal("UPLOAD_REFUSED", f"The upload was refused with status {response.status_code}.")

    async def get(self, answer: type[AnswerType], path: str, **query: Any) -> AnswerType:
        """The answer to a query, without what is None in it. It may be sent more than once."""
        http = await self.http()
        request = http.build_request("GET", path, params=_given(query))
        return self.parsed(answer, await self.ask(request, again=True))

    async def post(
        self,
        answer: type[AnswerType],
        path: str,
        body: Mapping[str, Any],
        *,
        key: str = "",
        again: bool = False,
    ) -> AnswerType:
        """The answer to a body, without what is None in it; `key` is the idempotency key."""
        http = await self.http()
        headers = {"idempotency-key": key} if key else {}
        request = http.build_request("POST", path, json=_given(body), headers=headers)
        return self.parsed(answer, await self.ask(request, again=again))

    async def send_body(self, method: str, path: str, body: Mapping[str, Any] | None) -> None:
        http = await self.http()
        request = http.build_request(method, path, json=None if body is None else _given(body))
        await self.ask(request, again=method == "DELETE")

    async def ask(self, request: httpx.Request, *, again: bool) -> dict[str, Any]:
        """The document that a request is answered with; sent more than once only where that does no harm
        (`again`).

        Raises:
            LunaluxError: as `refused`.
            NetworkError: the backend was not reached, or its answer is none.
        """
        failure: LunaluxError | None = None
        for attempt in range(TRIES if again else 1):
            if attempt:
                await asyncio.sleep(BACKOFF_SECONDS * 2 ** (attempt - 1))
            try:
                response = await self._send(request, stream=False)
            # Not again: three times this long is more than anybody waits.
            except httpx.TimeoutException as error:
                raise unreachable(self.place, type(error).__name__) from error
            except BROKEN as error:
                failure = unreachable(self.place, type(error).__name__)
                continue
            # The storage behind the service does not answer for the moment.
            if response.status_code == 503 and attempt + 1 < TRIES and again:
                continue
            return await self.read(response)
        assert failure is not None
        raise failure

    async def _send(self, request: httpx.Request, *, stream: bool) -> httpx.Response:
        """Send with the session in force; once more where a refused session was replaced by another."""
        http = await self.http()
        used = self._session()
        request.headers.update(used.headers() if used else {})
        response = await http.send(request, stream=stream)
        # A wrong password is a 401, too, and says nothing of the session.
        signing_in = request.url.path.startswith("/api/auth/")
        if used is None or signing_in or response.status_code not in {401, 460}:
            return response
        refused = _json(await response.aread(), self.place, response.status_code)
        if not await self._on_refused(used, str(refused.get("code"))):
            return response
        await response.aclose()
        now = self._session()
        request.headers.update(now.headers() if now else {})
        return await http.send(request, stream=stream)

    async def read(self, response: httpx.Response) -> dict[str, Any]:
        """The document of a whole answer; a session that came with it is kept. Raises as `ask`."""
        document = _json(response.content, self.place, response.status_code)
        if response.status_code >= 400 or document.get("success") is not True:
            raise self.refused(document, response)
        renewed, session = response.headers.get("x-session-token"), self._session()
        if renewed and session is not None and renewed != session.token:
            await self._on_session(SessionKey(session.user_id, renewed, now_ms()))
        return document

    def parsed(self, answer: type[AnswerType], document: Mapping[str, Any]) -> AnswerType:
        """The document as an answer. Raises NetworkError (BACKEND_BAD_ANSWER)."""
        try:
            return answer.model_validate(document)
        except ValueError as error:
            raise nonsense(self.place, 200) from error

    def refused(self, document: Mapping[str, Any], response: httpx.Response | None) -> LunaluxError:
        """What the backend says instead of an answer, as an error without the session's token in it."""
        # Anything else than a text is nothing that could be told to a person.
        said = (document.get(name) for name in ("code", "message"))
        code, message = (text if isinstance(text, str) else "" for text in said)
        if not code:
            return nonsense(self.place, response.status_code if response is not None else 200)
        retry = response.headers.get("retry-after", "") if response is not None else ""
        session = self._session()
        return refusal(
            code,
            message,
            # The header may hold a date as well; the backend sends seconds.
            float(retry) if retry.isdecimal() else None,
            [session.token] if session is not None else [],
        )

    @asynccontextmanager
    async def stream(
        self, method: str, path: str, headers: Mapping[str, str], body: Mapping[str, Any] | None
    ) -> AsyncIterator[httpx.Response]:
        """An answer that is read while it comes. Raises as `ask`, and NetworkError (BACKEND_CUT) later on."""
        http = await self.http()
        request = http.build_request(method, path, json=body, headers=headers, timeout=STREAM_TIMEOUT)
        try:
            response = await self._send(request, stream=True)
        except BROKEN as error:
            raise unreachable(self.place, type(error).__name__) from error
        try:
            if response.status_code >= 400:
                content = await response.aread()
                raise self.refused(_json(content, self.place, response.status_code), response)
            yield response
        except httpx.TransportError as error:
            raise cut(self.place) from error
        finally:
            await response.aclose()

    def cookie(self, name: str) -> str:
        """A cookie that the backend has set, "" where it set none."""
        jar = self._http.cookies.jar if self._http is not None else ()
        return next((str(cookie.value or "") for cookie in jar if cookie.name == name), "")

    async def http(self) -> httpx.AsyncClient:
        """The HTTP client, connected when it is first asked for."""
        async with self._lock:
            if self._http is None:
                self._http = await self._connect()
        return self._http

    async def _for(self, url: str) -> httpx.AsyncClient:
        """The client for an address the backend gave: its own, or one for the storage's host.

        Raises:
            NetworkError: BACKEND_BAD_ANSWER, when it is no address.
        """
        http = await self.http()
        try:
            host = httpx.URL(url).host
        except httpx.InvalidURL as error:
            raise nonsense(self.place, 200) from error
        if host in {"", http.base_url.host}:
            return http
        if self._outside is None:
            # A client of its own, so that no cookie of the backend goes to the storage.
            self._outside = httpx.AsyncClient(timeout=TIMEOUT)
        return self._outside

    @property
    def place(self) -> str:
        """Host and port as the person wrote them; a port is told where the address names one."""
        return self._http.base_url.netloc.decode() if self._http is not None else "the backend"


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _host(http: httpx.AsyncClient, url: str) -> str:
    return (httpx.URL(url).netloc or http.base_url.netloc).decode()


def _json(content: bytes, place: str, status: int = 200) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise (trouble if status >= 500 else nonsense)(place, status) from error
    if not isinstance(document, dict):
        raise nonsense(place, status)
    return document


async def bounded(response: httpx.Response, place: str, limit: int = DOWNLOAD_LIMIT) -> bytes:
    """The whole body, never more than `limit` bytes, never less than was announced."""
    data = bytearray()
    try:
        async for chunk in response.aiter_bytes():
            data += chunk
            if len(data) > limit:
                raise refusal("TOO_LARGE", f"The file is larger than {limit // 2**20} MB.")
    except httpx.TransportError as error:
        raise cut(place) from error
    return bytes(data)
