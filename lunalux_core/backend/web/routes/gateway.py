"""`POST /api/official-model/submit`: one official reply, as JSON or as server-sent events.

See docs/spec/backend.md: HTTP API.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect
from starlette.routing import request_response

from lunalux_core.backend.money.gateway import Event, Gateway, GatewayRequest
from lunalux_core.backend.money.gateway_model import Piece
from lunalux_core.backend.running.logs import logger
from lunalux_core.backend.web.http import (
    CurrentServices,
    CurrentSession,
    client_address,
    json_body,
    require_session,
    services_of,
)
from lunalux_core.backend.web.openapi_examples import SESSION, answers
from lunalux_core.backend.web.refusals import failure_body, refuse
from lunalux_core.backend.web.streaming import ClientGone, EventStream, ServerEvent, while_connected
from lunalux_core.errors import LunaluxError
from lunalux_core.ids import uuid4
from lunalux_core.wire.official import SubmitRequest, SubmitResponse

KEY_PATTERN = r"^[A-Za-z0-9._:-]{1,128}$"
EVENT_STREAM = "text/event-stream"
# Nobody is left to read it. Proxies write this number into their logs for a client that went away.
CLIENT_CLOSED = 499
_KEY = re.compile(KEY_PATTERN)
_NO_WEIGHT = re.compile(r"q\s*=\s*0(?:\.0*)?")
REFUSALS = (
    *("USER_ID_REQUIRED", "MODEL_ID_REQUIRED", "USER_MISMATCH", "MODEL_NOT_FOUND", "WALLET_NOT_FOUND"),
    *("PAYMENT_NOT_SUPPORTED", "INSUFFICIENT_FUNDS", "BILLING_FAILED", "PRICE_CHANGED", "TOO_LARGE"),
    *("OPERATION_IN_PROGRESS", "IDEMPOTENCY_MISMATCH", "RATE_LIMITED"),
    *("LLM_CONFIG_INVALID", "LLM_FAILED", "LLM_TIMEOUT"),
)
_STREAMED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "JSON, or with `Accept: text/event-stream` the events `delta`, `thinking` "
        'and one `done` (this JSON) or `error` ({"success":false,"code","message"})',
        "content": {EVENT_STREAM: {"schema": {"type": "string"}}},
    }
}


class _LightRoute(APIRoute):
    """Described by FastAPI, run by Starlette: resolving the parameters of `submit` from its signature for
    each request costs as much as one of its transactions."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.app = request_response(self._run)

    async def _run(self, request: Request) -> Response:
        session = await require_session(request)
        key = request.headers.get("idempotency-key")
        if key is not None and not _KEY.fullmatch(key):
            raise refuse("INVALID_REQUEST", "The request's `idempotency-key` is not acceptable.")
        try:
            body = await json_body(request, SubmitRequest)
        except ClientDisconnect:
            return Response(status_code=CLIENT_CLOSED)
        answer: Response = await self.endpoint(body, request, session, services_of(request), key)
        return answer


router = APIRouter(prefix="/api/official-model", tags=["gateway"], route_class=_LightRoute)


@router.post(
    "/submit",
    response_model=SubmitResponse,
    response_model_exclude_none=True,
    responses=_STREAMED | answers(*SESSION, *REFUSALS),
)
async def submit(
    body: SubmitRequest,
    request: Request,
    session: CurrentSession,
    services: CurrentServices,
    key: Annotated[str | None, Header(alias="idempotency-key", pattern=KEY_PATTERN)] = None,
) -> Response:
    """Approve, reserve, call the model, settle. The same key never pays twice, and replays the answer."""
    aloud = _takes_events(request.headers.getlist("accept"))
    asked = GatewayRequest(session, body, key or uuid4(), client_address(request), aloud, key is None)
    events = Gateway(services).reply(asked)
    if aloud:
        await anext(events)  # Begun: what refuses the reply refuses it with its own HTTP status
        return EventStream(_named(events), events, services.unwatched)
    try:
        answer = await while_connected(request.receive, _last(events))
    except ClientGone:
        return Response(status_code=CLIENT_CLOSED)
    return Response(answer.model_dump_json(by_alias=True, exclude_none=True), media_type="application/json")


def _takes_events(accepted: Sequence[str]) -> bool:
    """Whether the lines of an Accept header name event streams, with any weight but 0 (RFC 9110, 12.5.1)."""
    for media_range in ",".join(accepted).lower().split(","):
        kind, *parameters = (part.strip() for part in media_range.split(";"))
        if kind == EVENT_STREAM and not any(map(_NO_WEIGHT.fullmatch, parameters)):
            return True
    return False


async def _last(events: AsyncGenerator[Event, None]) -> SubmitResponse:
    async with aclosing(events):
        async for event in events:
            if isinstance(event, SubmitResponse):
                return event
    raise AssertionError("a reply ends with its answer")


async def _named(events: AsyncGenerator[Event, None]) -> AsyncGenerator[ServerEvent, None]:
    """The reply as events; a failure after the beginning is the last one."""
    try:
        async with aclosing(events):
            async for event in events:
                if isinstance(event, Piece):
                    name, text = ("thinking", event.thinking) if event.thinking else ("delta", event.text)
                    yield ServerEvent(name, {"text": text})
                elif isinstance(event, SubmitResponse):
                    yield ServerEvent("done", event.model_dump(by_alias=True, exclude_none=True))
    except LunaluxError as error:
        yield ServerEvent("error", failure_body(error))
    except Exception as error:
        logger.error("unexpected error in a stream", exc_info=error)
        yield ServerEvent("error", failure_body(LunaluxError("INTERNAL_ERROR", "The server failed.")))
