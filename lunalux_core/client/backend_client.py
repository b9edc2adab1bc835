"""BackendClient: one typed method per endpoint, and the one place where refusals become errors.

Nothing is sent before the first call. Idempotent requests, and those with an idempotency key, are tried
again when the connection fails; nothing else ever is. A refused session (401, 460) is told in one place.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import httpx

from lunalux_core.client.backend_failures import cut, nonsense, refusal, trouble, unreachable
from lunalux_core.client.session_key import SessionKey
from lunalux_core.errors import LunaluxError
from lunalux_core.ids import now_ms
from lunalux_core.language import Language
from lunalux_core.wire.auth import RefreshResponse, SignInResponse, SignUpResponse
from lunalux_core.wire.characters import (
    CharacterPageResponse,
    LikedResponse,
    OwnCharactersResponse,
    PresignOriginalResponse,
    PresignUploadResponse,
    PublishResponse,
    UploadDirectResponse,
)
from lunalux_core.wire.official import ModelConfigsResponse, SubmitRequest, SubmitResponse
from lunalux_core.wire.users import (
    HistoryResponse,
    InitResponse,
    InviteResponse,
    LedgerResponse,
    MeResponse,
    RedeemResponse,
    SessionValidResponse,
    SettleResponse,
    WalletResponse,
)
from lunalux_core.wire.wire_body import Success, Wire

if TYPE_CHECKING:
    from lunalux_core.library.market_cache import Sort

AnswerType = TypeVar("AnswerType", bound=Wire)
TRIES = 3
BACKOFF_SECONDS = 0.3
TIMEOUT = httpx.Timeout(30, connect=5)
STREAM_TIMEOUT = httpx.Timeout(30, connect=5, read=180)
"""A model may think for long before its first word; the server gives up before this."""

_BROKEN = (httpx.TransportError, httpx.InvalidURL)
DOWNLOAD_LIMIT = 64 * 1024 * 1024
IDENTITY_COOKIE = "lunalux_identity"
_PAGES: Mapping[Sort, str] = {"hot": "hot", "new": "time"}


class BackendClient:
    """The Lunalux backend, remote or in the process.

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

    # -- accounts ----------------------------------------------------------------------------------

    async def sign_up(self, email: str, password: str, referral_code: str | None = None) -> SignUpResponse:
        body = {"email": email, "password": password, "referralCode": referral_code}
        return await self._post(SignUpResponse, "/api/auth/signup", body)

    async def confirm(self, email: str, code: str, password: str = "") -> None:
        """Confirm a new account. With the password it is the one that was begun with it, nobody else's.

        Raises:
            BackendError: CODE_INVALID, also where somebody else began an account for this address first.
        """
        body = {"email": email, "code": code, "password": password or None}
        await self._post(Success, "/api/auth/confirm", body)

    async def resend(self, email: str) -> None:
        await self._post(Success, "/api/auth/resend", {"email": email})

    async def sign_in(self, email: str, password: str) -> SignInResponse:
        return await self._post(SignInResponse, "/api/auth/signin", {"email": email, "password": password})

    async def sign_out(self) -> None:
        await self._post(Success, "/api/auth/signout", {})

    async def forgot(self, email: str) -> None:
        await self._post(Success, "/api/auth/forgot", {"email": email})

    async def reset(self, email: str, code: str, password: str) -> None:
        await self._post(Success, "/api/auth/reset", {"email": email, "code": code, "password": password})

    async def refresh(self) -> RefreshResponse:
        return await self._post(RefreshResponse, "/api/auth/refresh", {})

    async def validate(self) -> SessionValidResponse:
        return await self._get(SessionValidResponse, "/api/session/validate")

    async def health(self) -> None:
        """Whether the backend and its storage answer; needs no session."""
        await self._get(Success, "/ready")

    def identity(self) -> str:
        """The cookie with which the backend lets the account be proved again, "" where it gave none."""
        jar = self._http.cookies.jar if self._http is not None else ()
        return next((str(cookie.value or "") for cookie in jar if cookie.name == IDENTITY_COOKIE), "")

    async def repair(self, used: SessionKey) -> SessionKey | None:
        """A new session for one that the backend does not know any more; None where it gives none.

        Raises:
            NetworkError: it does not answer.
        """
        http = await self._client()
        headers = {**used.headers(), "cookie": f"{IDENTITY_COOKIE}={used.proof}"}
        try:
            # Not by `_send`, which asks for this very repair when a session is refused.
            response = await http.send(http.build_request("GET", "/api/user/me", headers=headers))
        except _BROKEN as error:
            raise unreachable(self._place, type(error).__name__) from error
        token = response.headers.get("x-session-token")
        if response.status_code != 200 or not token:
            return None
        return SessionKey(used.user_id, token, now_ms(), used.proof)

    async def init(self, email: str | None, referral_code: str | None = None) -> InitResponse:
        body = {"email": email, "referralCode": referral_code}
        return await self._post(InitResponse, "/api/user/init", body, again=True)

    async def set_username(self, username: str) -> MeResponse:
        return await self._post(MeResponse, "/api/user/username", {"username": username})

    async def erase(self, password: str) -> Success:
        """Erase the account with all that belongs to it, for good."""
        return await self._post(Success, "/api/user/erase", {"password": password})

    async def wallet(self) -> WalletResponse:
        return await self._get(WalletResponse, "/api/wallet/me")

    async def ledger(self) -> LedgerResponse:
        return await self._get(LedgerResponse, "/api/ledger/summary/me")

    async def history(self, cursor: str | None = None, limit: int = 50) -> HistoryResponse:
        return await self._get(HistoryResponse, "/api/ledger/history/me", cursor=cursor, limit=limit)

    async def invite(self) -> InviteResponse:
        return await self._get(InviteResponse, "/api/invite/me")

    async def settle_invites(self) -> SettleResponse:
        return await self._post(SettleResponse, "/api/invite/settle/me", {})

    async def redeem(self, coupon: str, key: str) -> RedeemResponse:
        """Claim a coupon; `key` is the idempotency key, the same for every try of one wish."""
        return await self._post(RedeemResponse, "/api/coupon/redeem", {"coupon": coupon}, key=key, again=True)

    async def models(self) -> ModelConfigsResponse:
        return await self._get(ModelConfigsResponse, "/api/model-config/list")

    # -- the gateway -------------------------------------------------------------------------------

    async def submit(self, request: SubmitRequest, key: str) -> SubmitResponse:
        """One official reply in one answer; `key` is the idempotency key."""
        return await self._post(
            SubmitResponse, "/api/official-model/submit", _body(request), key=key, again=True
        )

    async def submit_stream(
        self, request: SubmitRequest, key: str
    ) -> AsyncGenerator[tuple[str, dict[str, Any]], None]:
        """One official reply as events: (`delta` | `thinking`, {"text"}) and at last (`done`, the answer).

        Raises:
            PaymentError, BackendError: the gateway refused, or its model failed; nothing was charged.
            NetworkError: BACKEND_CUT when the stream broke; the same key replays a finished answer.
        """
        from lunalux_core.llm.servers.sse import NamedEventParser

        headers = {"accept": "text/event-stream", "idempotency-key": key}
        async with self._stream("POST", "/api/official-model/submit", headers, _body(request)) as response:
            if "text/event-stream" not in response.headers.get("content-type", ""):
                yield "done", await self._read_streamed(response)
                return
            parser = NamedEventParser(DOWNLOAD_LIMIT)  # the last event repeats the whole reply
            try:
                async for chunk in response.aiter_bytes():
                    for name, data in parser.feed(chunk):
                        document = json.loads(data)
                        if name == "error":
                            raise self._refused(document, None)
                        yield name or "message", document
                        if name == "done":
                            return
            except ValueError as error:
                raise cut(self._place) from error
            raise cut(self._place)

    async def _read_streamed(self, response: httpx.Response) -> dict[str, Any]:
        await response.aread()
        return await self._read(response)

    # -- the community -----------------------------------------------------------------------------

    async def first_page(self, sort: Sort, lang: Language, limit: int | None = None) -> CharacterPageResponse:
        path = f"/api/character/{_PAGES[sort]}-first-page"
        return await self._get(CharacterPageResponse, path, lang=lang, limit=limit)

    async def more(self, sort: Sort, lang: Language, key: str) -> CharacterPageResponse:
        body = {"lang": lang, "exclusiveStartKey": key}
        return await self._post(
            CharacterPageResponse, f"/api/character/{_PAGES[sort]}-more", body, again=True
        )

    async def presign_original(self, character_id: str, *, skip_count: bool) -> str:
        query = {"id": character_id, "skipCount": "1" if skip_count else None}
        return (await self._get(PresignOriginalResponse, "/api/character/presign-original", **query)).url

    async def download_original(self, character_id: str, *, skip_count: bool) -> bytes:
        """The card's PNG through the backend (for clients that cannot reach the bucket)."""
        query = {"id": character_id, **({"skipCount": "1"} if skip_count else {})}
        path = f"/api/character/download-original?{httpx.QueryParams(query)}"
        async with self._stream("GET", path, {}, None) as response:
            return await _bounded(response, self._place)

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
                return await _bounded(response, place, limit)
        except _BROKEN as error:
            raise unreachable(place, type(error).__name__) from error

    async def presign_upload(self, filename: str, data: bytes) -> PresignUploadResponse:
        body = {"filename": filename, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        return await self._post(PresignUploadResponse, "/api/character/presign-upload", body)

    async def put(self, url: str, data: bytes, headers: Mapping[str, str]) -> None:
        """Upload to a presigned URL. Raises BackendError (UPLOAD_REFUSED) or NetworkError."""
        http = await self._for(url)
        try:
            response = await http.put(url, content=data, headers=dict(headers))
        except _BROKEN as error:
            raise unreachable(_host(http, url), type(error).__name__) from error
        if response.status_code >= 300:
            raise refusal("UPLOAD_REFUSED", f"The upload was refused with status {response.status_code}.")

    async def upload_direct(self, filename: str, data: bytes) -> UploadDirectResponse:
        http = await self._client()
        files = {"file": (filename, data, "image/png")}
        request = http.build_request("POST", "/api/character/upload-direct", files=files)
        return self._parsed(UploadDirectResponse, await self._exchange(request, again=False))

    async def publish(
        self, key: str, language: Language, intro: str, *, name: str | None = None, tags: tuple[str, ...] = ()
    ) -> PublishResponse:
        body = {"s3Key": key, "language": language, "intro": intro, "name": name, "tags": list(tags)}
        return await self._post(PublishResponse, "/api/character/finalize-publish", body)

    async def like(self, character_id: str) -> None:
        await self._post(Success, "/api/liked/add", {"characterId": character_id}, again=True)

    async def own_characters(self) -> OwnCharactersResponse:
        return await self._get(OwnCharactersResponse, "/api/character/mine")

    async def edit(
        self, character_id: str, *, name: str | None = None, intro: str | None = None, tags: Any = None
    ) -> None:
        """Change a published card of one's own; what is None stays."""
        body = {"name": name, "intro": intro, "tags": None if tags is None else list(tags)}
        await self._send_body("PATCH", f"/api/character/{_segment(character_id)}", body)

    async def withdraw(self, character_id: str) -> None:
        """Take a published card of one's own out of the community, for good."""
        await self._send_body("DELETE", f"/api/character/{_segment(character_id)}", None)

    async def report(self, character_id: str, reason: str) -> None:
        """Tell the operators what is wrong with a card."""
        await self._post(Success, "/api/character/report", {"characterId": character_id, "reason": reason})

    async def liked(self) -> LikedResponse:
        return await self._get(LikedResponse, "/api/liked/me")

    # -- requests ----------------------------------------------------------------------------------

    async def _get(self, answer: type[AnswerType], path: str, **query: Any) -> AnswerType:
        http = await self._client()
        params = {name: value for name, value in query.items() if value is not None}
        request = http.build_request("GET", path, params=params)
        return self._parsed(answer, await self._exchange(request, again=True))

    async def _post(
        self,
        answer: type[AnswerType],
        path: str,
        body: Mapping[str, Any],
        *,
        key: str = "",
        again: bool = False,
    ) -> AnswerType:
        http = await self._client()
        content = {name: value for name, value in body.items() if value is not None}
        headers = {"idempotency-key": key} if key else {}
        request = http.build_request("POST", path, json=content, headers=headers)
        return self._parsed(answer, await self._exchange(request, again=again))

    async def _send_body(self, method: str, path: str, body: Mapping[str, Any] | None) -> None:
        http = await self._client()
        content = None if body is None else {name: value for name, value in body.items() if value is not None}
        request = http.build_request(method, path, json=content)
        await self._exchange(request, again=method == "DELETE")

    async def _exchange(self, request: httpx.Request, *, again: bool) -> dict[str, Any]:
        """Send a request, more than once only where that does no harm (`again`)."""
        failure: LunaluxError | None = None
        for attempt in range(TRIES if again else 1):
            if attempt:
                await asyncio.sleep(BACKOFF_SECONDS * 2 ** (attempt - 1))
            try:
                response = await self._send(request, stream=False)
            # Not again: three times this long is more than anybody waits.
            except httpx.TimeoutException as error:
                raise unreachable(self._place, type(error).__name__) from error
            except _BROKEN as error:
                failure = unreachable(self._place, type(error).__name__)
                continue
            # The storage behind the service does not answer for the moment.
            if response.status_code == 503 and attempt + 1 < TRIES and again:
                continue
            return await self._read(response)
        assert failure is not None
        raise failure

    async def _send(self, request: httpx.Request, *, stream: bool) -> httpx.Response:
        """Send with the session in force; once more where a refused session was replaced by another."""
        http = await self._client()
        used = self._session()
        request.headers.update(used.headers() if used else {})
        response = await http.send(request, stream=stream)
        # A wrong password is a 401, too, and says nothing of the session.
        signing_in = request.url.path.startswith("/api/auth/")
        if used is None or signing_in or response.status_code not in {401, 460}:
            return response
        refused = _json(await response.aread(), self._place, response.status_code)
        if not await self._on_refused(used, str(refused.get("code"))):
            return response
        await response.aclose()
        now = self._session()
        request.headers.update(now.headers() if now else {})
        return await http.send(request, stream=stream)

    async def _read(self, response: httpx.Response) -> dict[str, Any]:
        document = _json(response.content, self._place, response.status_code)
        if response.status_code >= 400 or document.get("success") is not True:
            raise self._refused(document, response)
        renewed, session = response.headers.get("x-session-token"), self._session()
        if renewed and session is not None and renewed != session.token:
            await self._on_session(SessionKey(session.user_id, renewed, now_ms()))
        return document

    def _parsed(self, answer: type[AnswerType], document: Mapping[str, Any]) -> AnswerType:
        try:
            return answer.model_validate(document)
        except ValueError as error:
            raise nonsense(self._place, 200) from error

    def _refused(self, document: Mapping[str, Any], response: httpx.Response | None) -> LunaluxError:
        code, message = (str(document.get(name) or "") for name in ("code", "message"))
        if not code:
            return nonsense(self._place, response.status_code if response is not None else 200)
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
    async def _stream(
        self, method: str, path: str, headers: Mapping[str, str], body: Mapping[str, Any] | None
    ) -> AsyncIterator[httpx.Response]:
        http = await self._client()
        request = http.build_request(method, path, json=body, headers=headers, timeout=STREAM_TIMEOUT)
        try:
            response = await self._send(request, stream=True)
        except _BROKEN as error:
            raise unreachable(self._place, type(error).__name__) from error
        try:
            if response.status_code >= 400:
                content = await response.aread()
                raise self._refused(_json(content, self._place, response.status_code), response)
            yield response
        except httpx.TransportError as error:
            raise cut(self._place) from error
        finally:
            await response.aclose()

    async def _client(self) -> httpx.AsyncClient:
        async with self._lock:
            if self._http is None:
                self._http = await self._connect()
        return self._http

    async def _for(self, url: str) -> httpx.AsyncClient:
        """The client for an address the backend gave: its own, or one for the storage's host.

        Raises:
            NetworkError: BACKEND_BAD_ANSWER, when it is no address.
        """
        http = await self._client()
        try:
            host = httpx.URL(url).host
        except httpx.InvalidURL as error:
            raise nonsense(self._place, 200) from error
        if host in {"", http.base_url.host}:
            return http
        if self._outside is None:
            # A client of its own, so that no cookie of the backend goes to the storage.
            self._outside = httpx.AsyncClient(timeout=TIMEOUT)
        return self._outside

    @property
    def _place(self) -> str:
        """Host and port as the person wrote them; a port is told where the address names one."""
        return self._http.base_url.netloc.decode() if self._http is not None else "the backend"


def _segment(identity: str) -> str:
    """An id as a part of an address, whatever was typed for one."""
    return quote(identity, safe="") or "-"


def _body(request: SubmitRequest) -> dict[str, Any]:
    return request.model_dump(by_alias=True, exclude_none=True)


def _host(http: httpx.AsyncClient, url: str) -> str:
    return (httpx.URL(url).netloc or http.base_url.netloc).decode()


def _json(content: bytes, place: str, status: int = 200) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except ValueError as error:
        raise (trouble if status >= 500 else nonsense)(place, status) from error
    if not isinstance(document, dict):
        raise nonsense(place, status)
    return document


async def _bounded(response: httpx.Response, place: str, limit: int = DOWNLOAD_LIMIT) -> bytes:
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
