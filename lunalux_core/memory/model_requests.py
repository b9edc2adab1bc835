"""One request to a model that writes memories or revises trackers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

from lunalux_core.language import Language
from lunalux_core.llm.model import CompletionText, Message, ModelRequest
from lunalux_core.llm.whole_answer import Charged, whole_answer
from lunalux_core.memory.memory_instructions import Wish

if TYPE_CHECKING:
    from lunalux_core.llm.model import ModelSpec
    from lunalux_core.llm.model_registry import Registry
    from lunalux_core.templates.template_values import Instruct

TurnFormat = Callable[["ModelSpec", Language], Awaitable["Instruct | None"]]
"""Gives the instruct template of a model of text completion; None where it is unknown."""


def request_id(task: str, key: str) -> str:
    """The id of a request; the same `key` gives the same id, so that a repeated request is paid once."""
    return f"{task}:{sha256(key.encode('utf-8', 'replace')).hexdigest()[:40]}"


async def _no_template(spec: ModelSpec, language: Language) -> Instruct | None:
    return None


async def asked(
    models: Registry,
    spec: ModelSpec,
    wish: Wish,
    request_id: str,
    billed: Charged,
    *,
    words: int,
    language: Language,
    turn_format: TurnFormat = _no_template,
) -> str:
    """The model's answer, bounded in length.

    Args:
        words: about how long the answer may be.
        billed: called with what the gateway charged.
        turn_format: the instruct template, for a model of text completion.

    Raises:
        LunaluxError, TimeoutError.
    """
    request = ModelRequest(
        (Message("system", wish.system), Message("user", wish.user)),
        # A low temperature, since nothing is to be invented; `max_tokens` also for a model that thinks first.
        sampling=replace(spec.sampling, temperature=0.3, max_tokens=max(1024, words * 12)),
        request_id=request_id,
        language=language,
        extra={"type": "quiet"},
        completion=await _as_text(wish, spec, language, turn_format),
    )
    answer = await whole_answer(models, spec, request, billed)
    # The prompt of a text completion ends with the opening brace, which the answer does not repeat.
    return ("{" if spec.mode == "text" else "") + answer


async def _as_text(
    wish: Wish, spec: ModelSpec, language: Language, turn_format: TurnFormat
) -> CompletionText | None:
    """For a model of text completion: the request as one text, which ends where the answer begins."""
    if spec.mode != "text":
        return None
    from lunalux_core.templates.request import request_text

    prompt, stops = request_text(await turn_format(spec, language), wish.system, wish.user, "{")
    return CompletionText(prompt, stops)
