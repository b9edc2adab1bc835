"""The routes: `/v1/models`, `/v1/chat/completions`, `/v1/completions`."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from lunalux_core.character_api.calls import CompletionCall, chat_call, text_call
from lunalux_core.character_api.completion_answers import (
    CompletionAnswer,
    CompletionReply,
    error_body,
    event,
    model_row,
)
from lunalux_core.character_api.completion_turns import CompletionTurn, Ended, Turns
from lunalux_core.dialogue.turn import TextDelta, ThinkingDelta
from lunalux_core.errors import InvalidInput, LimitExceeded, LunaluxError

if TYPE_CHECKING:
    from starlette.requests import Request

    from lunalux_core.runtime import Runtime

LARGEST_BODY = 64 * 1024 * 1024
"""Bytes: a long history with a few pictures in it."""
PATIENCE = 10.0
"""Seconds after which a stream begins though nothing has come yet; a failure before has its HTTP status."""
QUIET = 15.0
"""Seconds without a word after which a stream sends a comment, so that nobody on the way thinks it dead."""
CONVERSATION = "X-Lunalux-Conversation"
REPEAT_KEY = "Idempotency-Key"
Handler = Callable[["Request"], Awaitable[Response]]


def create_app(runtime: Runtime, key: str) -> Starlette:
    """The app, for whoever has the key.

    Each call is one turn of the chat, with everything that belongs to one; memories and trackers that it
    makes due are written after it, in the background, where `runtime.writes_memories` says so.
    """
    server = _Server(runtime, key)
    return Starlette(
        routes=[
            Route("/v1/models", server.guarded(server.models), methods=["GET"]),
            Route("/v1/models/{name:path}", server.guarded(server.model), methods=["GET"]),
            Route("/v1/chat/completions", server.guarded(server.chat), methods=["POST"]),
            Route("/v1/completions", server.guarded(server.completions), methods=["POST"]),
        ],
        exception_handlers={404: _unknown_route, 405: _unknown_route},
    )


class _Server:
    def __init__(self, runtime: Runtime, key: str) -> None:
        self._runtime = runtime
        self._key = key.encode()
        self._turns = Turns(runtime, key)

    def guarded(self, handler: Handler) -> Handler:
        """A route that wants the key, and tells failures in OpenAI's shape."""

        async def handle(request: Request) -> Response:
            given = request.headers.get("authorization", "")
            scheme, _, key = given.partition(" ")
            # How long the comparison takes says nothing about the key.
            if scheme.lower() != "bearer" or not hmac.compare_digest(key.strip().encode(), self._key):
                return _refused(401, "API_KEY_WRONG", "Send the key of `lunalux api` as a Bearer token.")
            try:
                return await handler(request)
            except Exception as error:
                status, body = error_body(self._told(error))
                return _json(body, status)

        return handle

    def _told(self, error: Exception) -> LunaluxError:
        """An error in words; one of the program's own leaves a crash report."""
        if isinstance(error, LunaluxError):
            return error
        from lunalux_core.diagnostics.crash import crashed

        return crashed(error, self._runtime.paths)

    async def models(self, request: Request) -> Response:
        """Every character; those whose name others have, too, by their ids."""
        characters = await self._runtime.library.characters.list()
        shared = Counter(character.name.casefold() for character in characters)
        rows = [
            model_row(who, who.name if shared[who.name.casefold()] == 1 else who.id) for who in characters
        ]
        return _json({"object": "list", "data": rows})

    async def model(self, request: Request) -> Response:
        name = request.path_params["name"]
        character, _ = await self._turns.named(name)
        return _json(model_row(character.summary, name))

    async def chat(self, request: Request) -> Response:
        call = chat_call(await _body(request), request.headers.get(CONVERSATION, ""))
        return await self._answer(_repeatable(call, request), is_text=False)

    async def completions(self, request: Request) -> Response:
        call = text_call(await _body(request), request.headers.get(CONVERSATION, ""))
        return await self._answer(_repeatable(call, request), is_text=True)

    async def _answer(self, call: CompletionCall, *, is_text: bool) -> Response:
        turn = await self._turns.begin(call)
        place = turn.place.id if turn.place is not None else ""
        answer = CompletionAnswer(call.model, place, is_text=is_text)
        headers = {CONVERSATION: place} if place else {}
        if not call.stream:
            async with aclosing(turn.parts) as parts:
                ended = [part async for part in parts if isinstance(part, Ended)]
            # Further replies may end before the first.
            replies = [part.reply for part in sorted(ended, key=lambda part: part.index)]
            return _json(answer.whole(replies), headers=headers)
        events = AnswerEvents(turn, answer, self._told, tells_usage=call.tells_usage)
        # Before the headers go out, so that a turn which fails at once still has a status of its own.
        await events.first()
        return StreamingResponse(
            events.stream(), media_type="text/event-stream", headers={**headers, "Cache-Control": "no-cache"}
        )


class AnswerEvents:
    """The events of a streamed answer. The turn runs beside them, so that waiting for it never cuts it."""

    def __init__(
        self,
        turn: CompletionTurn,
        answer: CompletionAnswer,
        told: Callable[[Exception], LunaluxError],
        *,
        tells_usage: bool,
    ) -> None:
        self._answer = answer
        self._told = told
        self._tells_usage = tells_usage
        self._queue: asyncio.Queue[bytes | LunaluxError | None] = asyncio.Queue()
        self._begun: list[bytes] = []
        self._turn = asyncio.create_task(self._run(turn))

    async def first(self) -> None:
        """Wait for the first event, but not for ever. Raises LunaluxError where the turn failed before it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                came = await self._queue.get()
                if isinstance(came, LunaluxError):
                    raise came
                if came is None:  # the end is told by the stream
                    self._queue.put_nowait(None)
                else:
                    self._begun.append(came)

    async def stream(self) -> AsyncIterator[bytes]:
        """Whoever reads and leaves stops the turn; what came of it is stored."""
        try:
            for waiting in self._begun:
                yield waiting
            while True:
                try:
                    async with asyncio.timeout(QUIET):
                        came = await self._queue.get()
                except TimeoutError:
                    yield b": waiting\n\n"
                    continue
                if came is None:
                    yield b"data: [DONE]\n\n"
                    return
                if isinstance(came, LunaluxError):
                    yield event(error_body(came)[1])
                    return
                yield came
        finally:
            self._turn.cancel()
            with suppress(asyncio.CancelledError):
                await self._turn

    async def _run(self, turn: CompletionTurn) -> None:
        try:
            async with aclosing(self._events(turn)) as events:
                async for came in events:
                    self._queue.put_nowait(came)
        except Exception as error:
            self._queue.put_nowait(self._told(error))
        else:
            self._queue.put_nowait(None)

    async def _events(self, turn: CompletionTurn) -> AsyncGenerator[bytes, None]:
        answer, replies = self._answer, list[CompletionReply]()
        begun = False
        async with aclosing(turn.parts) as parts:
            async for part in parts:
                if not begun:
                    begun = True
                    yield event(answer.begin(0))
                match part:
                    case TextDelta():
                        yield event(answer.more(0, part.text))
                    case ThinkingDelta():
                        yield event(answer.thought(0, part.text))
                    case Ended():
                        if part.index:  # another reply to the same words comes whole
                            yield event(answer.begin(part.index))
                            yield event(answer.more(part.index, part.reply.text))
                        replies.append(part.reply)
                        yield event(answer.end(part.index, part.reply))
        if self._tells_usage:
            yield event(answer.usage(replies))


def _repeatable(call: CompletionCall, request: Request) -> CompletionCall:
    return replace(call, repeat_key=request.headers.get(REPEAT_KEY, ""))


async def _body(request: Request) -> Any:
    """The JSON of a body. Raises LimitExceeded (API_BODY_TOO_LARGE), InvalidInput (API_BODY_INVALID)."""
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        # Counted as it comes, for the header may announce any length, or none.
        if len(data) > LARGEST_BODY:
            raise LimitExceeded(
                "API_BODY_TOO_LARGE",
                f"The request is larger than {LARGEST_BODY // 1024 // 1024} MB.",
                "Send fewer or smaller pictures, or a shorter history.",
                limit=LARGEST_BODY // 1024 // 1024,
            )
    try:
        return json.loads(bytes(data))
    except (ValueError, RecursionError) as error:
        raise InvalidInput(
            "API_BODY_INVALID", "The body of the request is no JSON.", "Send one JSON object."
        ) from error


def _json(value: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse(value, status, headers)


def _refused(status: int, code: str, message: str) -> Response:
    kind = "authentication_error" if status == 401 else "invalid_request_error"
    return _json({"error": {"message": message, "type": kind, "param": None, "code": code}}, status)


async def _unknown_route(request: Request, error: Exception) -> Response:
    """Whatever else OpenAI's API has."""
    return _refused(
        404, "API_ROUTE_UNKNOWN", "Here are /v1/models, /v1/chat/completions and /v1/completions only."
    )
