"""One request to a model with these messages alone, and what it says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from lunalux_core.errors import NetworkError
from lunalux_core.ids import uuid4
from lunalux_core.llm.model import CompletionText, Message, ModelRequest
from lunalux_core.text import clean

if TYPE_CHECKING:
    from lunalux_core.llm.model import ModelSpec
    from lunalux_core.llm.registry import Registry

LONGEST_SECONDS = 600
LONGEST_ANSWER = 60_000
"""Characters after which no more of an answer is read."""


async def raw_reply(
    models: Registry,
    spec: ModelSpec,
    messages: Sequence[Message],
    billed: Callable[[Mapping[str, object]], Awaitable[None]],
    *,
    max_tokens: int,
    stop: Sequence[str] = (),
) -> str:
    """What the model says to these messages, bounded in time and length.

    Args:
        billed: told what the gateway said about coins.

    Raises:
        LunaluxError: as any reply.
    """
    sampling = replace(spec.sampling, max_tokens=max_tokens, stop=tuple(stop) or spec.sampling.stop)
    request = ModelRequest(
        tuple(messages),
        sampling=sampling,
        request_id=uuid4(),
        extra={"type": "quiet"},
        completion=_as_text(messages, stop) if spec.mode == "text" else None,
    )
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            return clean(await _said(models, spec, request, billed)).strip()
    except TimeoutError:
        raise NetworkError(
            "MODEL_TIMEOUT",
            f"The model took longer than {LONGEST_SECONDS} s.",
            "Try again in a moment.",
            kind="slow",
            seconds=LONGEST_SECONDS,
        ) from None


async def _said(
    models: Registry,
    spec: ModelSpec,
    request: ModelRequest,
    billed: Callable[[Mapping[str, object]], Awaitable[None]],
) -> str:
    parts: list[str] = []
    size = 0
    async with aclosing(models.open(spec).stream(request)) as deltas:
        async for delta in deltas:
            if delta.turned:
                parts.clear()
            parts.append(delta.text)
            size += len(delta.text)
            if delta.billing is not None:
                await billed(delta.billing)
            if size > LONGEST_ANSWER:
                break
    return "".join(parts)[:LONGEST_ANSWER]


def _as_text(messages: Sequence[Message], stop: Sequence[str]) -> CompletionText:
    """For a model of text completion: the texts one after another, without a frame."""
    return CompletionText("\n\n".join(message.content for message in messages), tuple(stop))
