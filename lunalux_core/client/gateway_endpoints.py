"""The endpoints of official models: their list with its prices, and replies that are paid for."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

import httpx

from lunalux_core.client.backend_exchange import DOWNLOAD_LIMIT, BackendExchange
from lunalux_core.client.backend_failures import cut
from lunalux_core.wire.official import ModelConfigsResponse, SubmitRequest, SubmitResponse

_PIECES = frozenset({"delta", "thinking"})


class GatewayEndpoints:
    """Official models and their replies."""

    def __init__(self, exchange: BackendExchange) -> None:
        self._exchange = exchange

    async def models(self) -> ModelConfigsResponse:
        return await self._exchange.get(ModelConfigsResponse, "/api/model-config/list")

    async def submit(self, request: SubmitRequest, key: str) -> SubmitResponse:
        """One official reply in one answer; `key` is the idempotency key."""
        return await self._exchange.post(
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
        async with self._exchange.stream(
            "POST", "/api/official-model/submit", headers, _body(request)
        ) as response:
            if "text/event-stream" not in response.headers.get("content-type", ""):
                yield "done", await self._read_streamed(response)
                return
            parser = NamedEventParser(DOWNLOAD_LIMIT)  # the last event repeats the whole reply
            try:
                async for chunk in response.aiter_bytes():
                    for name, data in parser.feed(chunk):
                        document = _event(name, data)
                        if name == "error":
                            raise self._exchange.refused(document, None)
                        yield name or "message", document
                        if name == "done":
                            return
            except (ValueError, RecursionError) as error:
                raise cut(self._exchange.place) from error
            raise cut(self._exchange.place)

    async def _read_streamed(self, response: httpx.Response) -> dict[str, Any]:
        await response.aread()
        document = await self._exchange.read(response)
        self._exchange.parsed(SubmitResponse, document)
        return document


def _event(name: str, data: str) -> dict[str, Any]:
    """The document of an event. Raises ValueError for one that the gateway does not send."""
    document = json.loads(data)
    if not isinstance(document, dict) or (name in _PIECES and not isinstance(document.get("text"), str)):
        raise ValueError(f"no event of the gateway: {name}")
    if name == "done":
        SubmitResponse.model_validate(document)
    return document


def _body(request: SubmitRequest) -> dict[str, Any]:
    return request.model_dump(by_alias=True, exclude_none=True)
