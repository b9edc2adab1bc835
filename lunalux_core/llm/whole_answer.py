"""All that a model says to one request beside the replies."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lunalux_core.llm.model import ModelRequest, ModelSpec
    from lunalux_core.llm.model_registry import Registry

LONGEST_SECONDS = 600
LONGEST_ANSWER = 60_000
"""Characters after which no more of an answer is read."""

Charged = Callable[[Mapping[str, object]], Awaitable[None]]
"""Told what the gateway said about coins."""


async def whole_answer(models: Registry, spec: ModelSpec, request: ModelRequest, billed: Charged) -> str:
    """What the model says; of an endless answer little more than LONGEST_ANSWER.

    Raises:
        LunaluxError: as `ChatModel.stream`. TimeoutError: after LONGEST_SECONDS.
    """
    parts: list[str] = []
    size = 0
    async with asyncio.timeout(LONGEST_SECONDS):
        async with aclosing(models.open(spec).stream(request)) as deltas:
            async for delta in deltas:
                if delta.turned:
                    # The reply was taken for reasoning so far, and this delta says all of it again.
                    parts.clear()
                parts.append(delta.text)
                size += len(delta.text)
                if delta.billing is not None:
                    await billed(delta.billing)
                if size > LONGEST_ANSWER:
                    break
    return "".join(parts)
