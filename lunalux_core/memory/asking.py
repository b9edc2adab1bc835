"""One request to a model that writes behind the replies."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

from lunalux_core.llm.model import CompletionText, Message, ModelRequest
from lunalux_core.llm.whole_answer import Charged, whole_answer
from lunalux_core.memory.instructions import Language, Wish

if TYPE_CHECKING:
    from lunalux_core.llm.model import ModelSpec
    from lunalux_core.llm.registry import Registry
    from lunalux_core.templates.values import Instruct

Form = Callable[["ModelSpec", Language], Awaitable["Instruct | None"]]
"""How a model of text completion was taught to tell turns apart; None where nobody knows."""


def request_id(task: str, key: str) -> str:
    """The id of a request of a task: the same for the same material, whose answer is paid once."""
    return f"{task}:{sha256(key.encode('utf-8', 'replace')).hexdigest()[:40]}"


async def _plainly(spec: ModelSpec, language: Language) -> Instruct | None:
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
    form: Form = _plainly,
) -> str:
    """What the model says, no more than could ever be used.

    Args:
        words: about how long the answer may be.
        billed: told what the gateway said about coins.
        form: how a model of text completion tells turns apart.

    Raises:
        LunaluxError, TimeoutError.
    """
    request = ModelRequest(
        (Message("system", wish.system), Message("user", wish.user)),
        # Cool, since nothing is to be invented; with room for a model that thinks before it answers.
        sampling=replace(spec.sampling, temperature=0.3, max_tokens=max(1024, words * 12)),
        request_id=request_id,
        language=language,
        extra={"type": "quiet"},
        completion=await _as_text(wish, spec, language, form),
    )
    answer = await whole_answer(models, spec, request, billed)
    # The prompt of a text completion ends with the opening brace, so the answer begins after it.
    return ("{" if spec.mode == "text" else "") + answer


async def _as_text(wish: Wish, spec: ModelSpec, language: Language, form: Form) -> CompletionText | None:
    """For a model of text completion: one text that ends where its answer begins."""
    if spec.mode != "text":
        return None
    from lunalux_core.templates.request import request_text

    prompt, stops = request_text(await form(spec, language), wish.system, wish.user, "{")
    return CompletionText(prompt, stops)
