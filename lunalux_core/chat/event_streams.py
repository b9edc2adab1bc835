"""Streams of a turn's events that go on with other streams."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import wraps
from typing import ParamSpec

from lunalux_core.dialogue.turn import TurnEvent

P = ParamSpec("P")
Events = AsyncGenerator[TurnEvent, None]


def joined(parts: Callable[P, AsyncGenerator[TurnEvent | Events, None]]) -> Callable[P, Events]:
    """Let a generator of events yield a whole stream of them in its own place.

    Python has no `yield from` for asynchronous generators. One that is left open while its reader goes away
    is closed by the garbage collector at some later time, and a reply that was stopped would stay pending
    until then: so each stream is closed here before whoever reads goes on.
    """

    @wraps(parts)
    async def events(*args: P.args, **kwargs: P.kwargs) -> Events:
        async with aclosing(parts(*args, **kwargs)) as opened:
            async for part in opened:
                if not isinstance(part, AsyncGenerator):
                    yield part
                    continue
                async with aclosing(part) as stream:
                    async for event in stream:
                        yield event

    return events
