"""Requests to a model that writes memories or revises trackers, until it gives an answer that can be used."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, TypeVar

from lunalux_core.language import Language
from lunalux_core.llm.model import CompletionText, Message, ModelRequest
from lunalux_core.llm.whole_answer import Charged, whole_answer
from lunalux_core.memory.memory_answers import UnusableAnswer
from lunalux_core.memory.memory_instructions import Wish

if TYPE_CHECKING:
    from lunalux_core.llm.model import ModelSpec
    from lunalux_core.llm.model_registry import Registry
    from lunalux_core.templates.template_values import Instruct

ATTEMPTS = 2
"""Requests to the model before its answer counts as unusable."""

Answer = TypeVar("Answer")
TurnFormat = Callable[["ModelSpec", Language], Awaitable["Instruct | None"]]
"""Gives the instruct template of a model of text completion; None where it is unknown."""


class ModelRequests:
    """Asks models for what is written beside the replies.

    Args:
        models: opens models.
        billed: called with what the gateway charged.
        turn_format: gives the instruct template of a model of text completion.
    """

    def __init__(self, models: Callable[[], Registry], billed: Charged, turn_format: TurnFormat) -> None:
        self._models = models
        self._billed = billed
        self._turn_format = turn_format

    async def usable_answer(
        self,
        spec: ModelSpec,
        wish: Wish,
        key: tuple[str, str],
        read: Callable[[str], Answer | UnusableAnswer],
        again: Callable[[UnusableAnswer], Wish],
        *,
        words: int,
        language: Language,
    ) -> Answer | UnusableAnswer:
        """What can be read in the model's answer, or why even the last of `ATTEMPTS` answers cannot be used.

        Args:
            key: what the answer is for, and what it is made from; the same for the same request.
            read: reads and checks an answer.
            again: the wish once more, with what was wrong with the answer before.
            words: about how long the answer may be.

        Raises:
            LunaluxError, TimeoutError: the model cannot be asked, or does not answer.
        """
        refused = UnusableAnswer("empty")
        told = wish
        for attempt in range(ATTEMPTS):
            answer = read(await self._answer(spec, told, _request_id(*key, attempt), words, language))
            if not isinstance(answer, UnusableAnswer):
                return answer
            refused = answer
            told = again(refused)
        return refused

    async def _answer(
        self, spec: ModelSpec, wish: Wish, request_id: str, words: int, language: Language
    ) -> str:
        """The model's answer, bounded in length."""
        request = ModelRequest(
            (Message("system", wish.system), Message("user", wish.user)),
            # A low temperature, since nothing is to be invented; `max_tokens` also for a model that thinks
            # first.
            sampling=replace(spec.sampling, temperature=0.3, max_tokens=max(1024, words * 12)),
            request_id=request_id,
            language=language,
            extra={"type": "quiet"},
            completion=await self._as_text(wish, spec, language),
        )
        answer = await whole_answer(self._models(), spec, request, self._billed)
        # The prompt of a text completion ends with the opening brace, which the answer does not repeat.
        return ("{" if spec.mode == "text" else "") + answer

    async def _as_text(self, wish: Wish, spec: ModelSpec, language: Language) -> CompletionText | None:
        """For a model of text completion: the request as one text, which ends where the answer begins."""
        if spec.mode != "text":
            return None
        from lunalux_core.templates.request import request_text

        prompt, stops = request_text(await self._turn_format(spec, language), wish.system, wish.user, "{")
        return CompletionText(prompt, stops)


def _request_id(task: str, made_from: str, attempt: int) -> str:
    """The same for the same attempt at the same request, so that a repeated request is paid once."""
    key = f"{made_from}:{attempt}"
    return f"{task}:{sha256(key.encode('utf-8', 'replace')).hexdigest()[:40]}"
