"""A prompt for a window that its fixed parts do not fit into: a plainer preset, then shorter texts of the
card.

Only for windows so small that nobody could choose a card for them; for all others the refusal, which names
the parts by size, helps more than a prompt without its end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from lunalux_core.errors import InvalidInput

if TYPE_CHECKING:
    from lunalux_core.dialogue.assembly import Prompt, PromptMaterial
    from lunalux_core.presets.document import Preset

TIGHT_WINDOW = 2048
"""Tokens of a window up to which texts are cut for it."""
TRIES = 12
SPARE = 1.1
"""So much more is cut than is missing, for texts that are denser than the rest."""

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
    make: Make, preset: Preset, material: PromptMaterial, language: Literal["en", "zh"], window: int
) -> tuple[Prompt, tuple[str, ...]]:
    """The prompt, and the names of the texts that were cut for it.

    Raises:
        InvalidInput: PROMPT_TOO_LARGE, it cannot be made to fit.
    """
    try:
        return make(preset, material), ()
    except InvalidInput as error:
        if error.code != "PROMPT_TOO_LARGE" or window > TIGHT_WINDOW:
            raise
        refused = error
    if preset.source == "builtin":
        from lunalux_core.presets.builtin import load_builtin

        preset = load_builtin("default", language)
    cut: dict[str, None] = {}
    for _ in range(TRIES):
        try:
            return make(preset, material), tuple(cut)
        except InvalidInput as error:
            if error.code != "PROMPT_TOO_LARGE":
                raise
            name, material = _shorter(material, error)
            if not name:
                raise refused from None
            cut[name] = None
    raise refused


def _shorter(material: PromptMaterial, error: InvalidInput) -> tuple[str, PromptMaterial]:
    """The material with its longest text shortened by what is missing, and the text's name; "" for none."""
    texts = {name: getattr(material.card, name) for name in _CARD}
    texts |= {name: getattr(material, name) for name in _BESIDE}
    name = max(texts, key=lambda one: len(texts[one]))
    text = texts[name]
    if not text:
        return "", material
    needed, budget = int(str(error.params["needed"])), int(str(error.params["budget"]))
    slots = error.params.get("slots")
    fixed = sum(slots.values()) if isinstance(slots, dict) else needed
    share = SPARE * (needed - budget + 2) / max(fixed, 1)
    whole = sum(map(len, texts.values()))
    kept = max(0, len(text) - max(24, int(share * max(whole, len(text)))))
    shorter = text[:kept].rsplit(" ", 1)[0] if kept and " " in text[:kept] else text[:kept]
    if name in _CARD:
        return name, replace(material, card=replace(material.card, **{name: shorter}))
    return name, replace(material, **{name: shorter})
