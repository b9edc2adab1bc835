"""Values that presets, worldbooks and models share: who says a message, and how a model samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Sampling:
    """Sampling parameters; None leaves the choice to the server. `max_tokens` counts reply tokens, `stop` are
    the texts before which the reply ends. `reasoning_effort` (a word) or `reasoning_budget` (tokens) ask for
    thinking before the reply, and `show_thoughts` for the words of it."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    max_tokens: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    repeat_penalty: float | None = None
    stop: tuple[str, ...] | None = None
    reasoning_effort: str | None = None
    reasoning_budget: int | None = None
    show_thoughts: bool | None = None
