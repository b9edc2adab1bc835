"""The practice model's own words, in English and Chinese: `phrases.en.json` and `phrases.zh.json`.

`{name}` is the character, `{user}` the person, `{echo}` a short phrase of what was said; pieces of the
card stand alone, so no phrase needs to know who is a he, a she or an it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from lunalux_core.language import Language

Options = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Phrases:
    """One language. `opening` and `answer` are by kind of what was said, with `statement` as the rest."""

    opening: Mapping[str, Options]
    answer: Mapping[str, Options]
    going_on: Options
    traits: Options
    about: Options
    place: Options
    spoken: Options
    filler: Options
    closing: Options
    suggestions: Options
    topic_suggestions: Options
    impersonate: Options
    impersonate_echo: Options
    event_said: str
    event_quiet: str
    event_character: Options
    event_last: str
    thinking: str
    thinking_said: str
    thinking_quiet: str
    thinking_card: str
    thinking_bare: str
    thinking_plan: str
    quotes: tuple[str, str]
    comma: str
    nameless_user: str
    kinds: Mapping[str, str]


@cache
def phrases_in(language: Language) -> Phrases:
    """The phrases of a language, from its file beside this module."""
    file = Path(__file__).with_name(f"phrases.{language}.json")
    return Phrases(**{name: _frozen(value) for name, value in json.loads(file.read_text("utf-8")).items()})


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return {kind: _frozen(options) for kind, options in value.items()}
    return tuple(value) if isinstance(value, list) else value
