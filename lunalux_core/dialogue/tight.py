"""A prompt for a window that its fixed parts do not fit into: a plainer preset, then shorter texts of the
card.

Texts are cut only for windows so small that nobody could choose a card for them, and where a server has just
refused what a person had every reason to think would fit; for all others the refusal, which names the parts
by size, helps more than a prompt without its end.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lunalux_core.errors import InvalidInput

if TYPE_CHECKING:
    from lunalux_core.dialogue.assembly import Prompt, PromptMaterial
    from lunalux_core.language import Language
    from lunalux_core.presets.document import Preset

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


def fitted(
    make: Make, preset: Preset, material: PromptMaterial, language: Language, *, cuts: bool
) -> tuple[Prompt, tuple[str, ...]]:
    """The prompt, and the names of the texts that were cut for it, if it `cuts` any.

    Raises:
        InvalidInput: PROMPT_TOO_LARGE, it cannot be made to fit.
    """
    try:
        return make(preset, material), ()
    except InvalidInput as error:
        if error.code != "PROMPT_TOO_LARGE":
            raise
        refused = error
    if preset.source == "builtin":
        from lunalux_core.presets.builtin import load_builtin

        plain = load_builtin("default", language)
        # The plain preset alone may fit, and then nothing of the card is cut.
        with suppress(InvalidInput):
            return make(plain, material), ()
        preset = _bare(plain, language)
    if not cuts:
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
