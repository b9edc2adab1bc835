"""What is shortened where a prompt is too long: a turn's window, or the preset and the texts of the card.

A turn whose prompt its server found too long is built once more, for the window that the refusal named. A
prompt whose fixed parts do not fit into its window has a plainer preset, then shorter texts of the card.
Texts are cut only for windows so small that nobody could choose a card for them, and where a server has just
refused what a person had every reason to think would fit; for all others the refusal, which names the parts
by size, helps more than a prompt without its end.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lunalux_core.dialogue.context_window import counter, window_of
from lunalux_core.errors import InvalidInput
from lunalux_core.llm.tokens import MOST_FACTOR

if TYPE_CHECKING:
    from lunalux_core.dialogue.assembly import Prompt, PromptMaterial
    from lunalux_core.dialogue.turn import Ready, TurnInput
    from lunalux_core.errors import ProviderError
    from lunalux_core.language import Language
    from lunalux_core.llm.model_registry import Registry
    from lunalux_core.presets.document import Preset

DENSER = 1.15
"""How much more than the refusal's own count is reckoned with: what stays of the prompt may be denser than
what goes, and there is no third try."""

TIGHT_WINDOW = 2048
"""Tokens of a window up to which texts are cut for it."""
TRIES = 30
SPARE = 1.1
"""So much more is cut than is missing, for texts that are denser than the rest."""
LEAST_SHARE, MOST_SHARE = 0.05, 0.9
"""Of each text, in one try."""
SHORT_TEXT = 24
"""Characters of a text of which no beginning says anything."""

_SENTENCE = {"en": "Write {{char}}'s next reply.", "zh": "写出{{char}}的下一句回复。"}
_CARD = (
    "description",
    "personality",
    "scenario",
    "system_prompt",
    "post_history_instructions",
    "depth_prompt",
)
_BESIDE = ("persona", "before", "after")

Make = Callable[["Preset", "PromptMaterial"], "Prompt"]


async def shorter_turn(models: Registry, ready: Ready, error: ProviderError) -> tuple[TurnInput, int] | None:
    """The turn for the true window after a CONTEXT_TOO_LONG, and this window as the server counts it; None
    where nobody names one that would help.

    What the refusal names is learnt. One that names no window is followed by a question to the server.
    """
    turn = ready.request.turn
    window, counted = _number(error, "window"), _number(error, "prompt")
    if window:
        models.learn_limit(turn.model, window)
    else:
        facts = await models.look(turn.model)
        window = facts.window or 0 if facts is not None else 0
    thought = window_of(turn)
    estimated = _estimated(ready)
    # A window as large as the one that was reckoned with explains nothing, unless our count was too low.
    if not window or (window >= thought and not counted > estimated):
        return None
    factor, tokens = turn.token_factor, min(window, thought)
    denser = max(counted / estimated * DENSER, 1) if counted and estimated else 1
    if turn.counts is not None and turn.counts.ratio() is not None:
        # Its own counts are taken as they are: what its template adds to them has to come off the window.
        tokens = math.floor(tokens / denser)
    else:
        factor *= denser
    if factor > MOST_FACTOR:  # estimates go no higher, so the window has to be less
        tokens, factor = math.floor(tokens * MOST_FACTOR / factor), MOST_FACTOR
    model = replace(turn.model, context_tokens=max(tokens, 1), window_source="server")
    return replace(turn, model=model, token_factor=factor, refused=True), window


def _estimated(ready: Ready) -> int:
    """Tokens of the prompt as they were counted when it was built."""
    count = counter(ready.request.turn)
    if ready.prompt.form is not None:
        return count.text(ready.prompt.text)
    return sum(
        count.message(message.content) + sum(picture.tokens for picture in message.pictures)
        for message in ready.prompt.messages
    )


def _number(error: ProviderError, name: str) -> int:
    value = error.params.get(name)
    return value if isinstance(value, int) else 0


def fitted(
    make: Make, turn: TurnInput, material: PromptMaterial, refused: InvalidInput
) -> tuple[Prompt, tuple[str, ...]]:
    """The prompt that was `refused` as PROMPT_TOO_LARGE, and the names of the texts that were cut for it.

    Raises:
        InvalidInput: PROMPT_TOO_LARGE, it cannot be made to fit.
    """
    preset = turn.preset
    if preset.source == "builtin":
        from lunalux_core.presets.builtin import load_builtin

        plain = load_builtin("default", turn.language)
        # The plain preset alone may fit, and then nothing of the card is cut.
        with suppress(InvalidInput):
            return make(plain, material), ()
        preset = _bare(plain, turn.language)
    if not turn.refused and window_of(turn) > TIGHT_WINDOW:
        raise refused
    cut: dict[str, None] = {}
    # The share that is missing is only known from the refusal, and shrinks with each try.
    for _ in range(TRIES):
        try:
            return make(preset, material), tuple(cut)
        except InvalidInput as error:
            if error.code != "PROMPT_TOO_LARGE":
                raise
            names, material = _shorter(material, error)
            if not names:
                raise refused from None
            cut.update(dict.fromkeys(names))
    raise refused


def _bare(preset: Preset, language: Language) -> Preset:
    """A preset of one sentence, for windows too small for instructions."""
    prompts = (
        replace(prompt, content=_SENTENCE[language] if prompt.identifier == "main" else "")
        for prompt in preset.prompts
    )
    return replace(preset, prompts=tuple(prompts))


def _shorter(material: PromptMaterial, error: InvalidInput) -> tuple[tuple[str, ...], PromptMaterial]:
    """The material with all long texts shortened by the share that is missing, and their names; no name where
    there is nothing left to take away."""
    needed, budget = int(str(error.params["needed"])), int(str(error.params["budget"]))
    kept = 1 - min(max(SPARE * (needed - budget) / max(needed, 1), LEAST_SHARE), MOST_SHARE)
    card: dict[str, Any] = {name: _begin(getattr(material.card, name), kept) for name in _CARD}
    beside: dict[str, Any] = {name: _begin(getattr(material, name), kept) for name in _BESIDE}
    names = [name for name in _CARD if card[name] != getattr(material.card, name)]
    names += [name for name in _BESIDE if beside[name] != getattr(material, name)]
    return tuple(names), replace(material, card=replace(material.card, **card), **beside)


def _begin(text: str, kept: float) -> str:
    """The beginning of a text, cut at a whole word; "" where hardly anything would be left."""
    if len(text) <= SHORT_TEXT:
        return ""
    begin = text[: int(len(text) * kept)]
    # Chinese has no blanks, and is cut at the sign.
    return begin.rsplit(" ", 1)[0] if " " in begin else begin
