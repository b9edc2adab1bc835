"""One request to a model with these messages alone, and what it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lunalux_core.errors import NetworkError
from lunalux_core.ids import uuid4
from lunalux_core.llm.model import CompletionText, Message, ModelRequest
from lunalux_core.llm.whole_answer import LONGEST_ANSWER, LONGEST_SECONDS, Charged, whole_answer
from lunalux_core.text import clean

if TYPE_CHECKING:
    from lunalux_core.llm.model import ModelSpec
    from lunalux_core.llm.model_registry import Registry


async def raw_reply(
    models: Registry,
    spec: ModelSpec,
    messages: Sequence[Message],
    billed: Charged,
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
        answer = await whole_answer(models, spec, request, billed)
        return clean(answer[:LONGEST_ANSWER]).strip()
    except TimeoutError:
        raise NetworkError(
            "MODEL_TIMEOUT",
            f"The model took longer than {LONGEST_SECONDS} s.",
            "Try again in a moment.",
            kind="slow",
            seconds=LONGEST_SECONDS,
        ) from None


def _as_text(messages: Sequence[Message], stop: Sequence[str]) -> CompletionText:
    """For a model of text completion: the texts one after another, without a frame."""
    return CompletionText("\n\n".join(message.content for message in messages), tuple(stop))
