"""Try a model: one tiny completion, timed. For the settings screen, `model test` and `doctor`."""

from __future__ import annotations

import time
from contextlib import aclosing
from dataclasses import dataclass

from lunalux_core.errors import ProviderError
from lunalux_core.llm.model import ChatModel, Message, ModelRequest, Sampling

SAMPLE_CHARS = 120
PATIENCE = 1.0
"""Seconds after its first sign of life for which a model that has spoken is heard out."""


@dataclass(frozen=True, slots=True)
class ModelTest:
    """A model that answered. `first_seconds` until its first token, `seconds` until the end."""

    model: str
    sample: str
    first_seconds: float
    seconds: float


async def probe(model: ChatModel) -> ModelTest:
    """Ask for one short word. A model that only thinks within its few tokens works too; one that goes on
    talking is not waited for.

    Raises:
        NetworkError, ProviderError: as `ChatModel.stream`.
    """
    request = ModelRequest((Message("user", "Reply with the single word: ready"),), Sampling(max_tokens=64))
    begun = time.monotonic()
    first: float | None = None
    text, thinking = "", ""
    try:
        async with aclosing(model.stream(request)) as deltas:
            async for delta in deltas:
                first = first if first is not None else time.monotonic() - begun
                text, thinking = text + delta.text, thinking + delta.thinking
                if text.strip() and time.monotonic() - begun - first >= PATIENCE:
                    break
    except ProviderError as error:
        # A model that has spent its few tokens on thinking works.
        if error.code != "MODEL_EMPTY_REPLY" or not thinking:
            raise
    sample = " ".join((text or thinking).split())[:SAMPLE_CHARS]
    return ModelTest(model.spec.model, sample, first or 0.0, time.monotonic() - begun)
