"""Scenarios and trials of worldbooks for authors: `lunalux worldbook test`."""

from __future__ import annotations

import math
import random as dice
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, repeat
from typing import Any

from lunalux_core.cards.coerce import as_number, as_object, as_text
from lunalux_core.cards.macros import ChatMessage, MacroContext, expander
from lunalux_core.cards.worldbook import (
    AT_DEPTH,
    DEFAULT_DEPTH,
    EXAMPLES_BOTTOM,
    EXAMPLES_TOP,
    NOWHERE,
    Book,
    read_book,
)
from lunalux_core.dialogue.ecma import EcmaEngine
from lunalux_core.dialogue.worldbook import (
    Activated,
    Activation,
    ActiveBook,
    ScanContext,
    ScanMessage,
    TimedState,
    Tools,
    WorldbookSettings,
    activate,
    regex_matcher,
)
from lunalux_core.llm.tokens import estimator

_COUNTERS: Mapping[str, Callable[[str], int]] = {
    "chars": len,
    "words": lambda text: len(text.split()),
    "guess": lambda text: math.ceil(len(text) / 3.35),
}
_FACTORY = {"whole_words": True, "max_recursion_steps": 0, "v3_decorators": False}
"""Where SillyTavern's factory settings differ from ours."""
_AS_NEW: Mapping[str, Any] = {"selective": True}
_AS_UNDEFINED: Mapping[str, Any] = {"position": NOWHERE, "useProbability": False}
"""What SillyTavern makes of fields that are missing: with the defaults of a new entry, and without."""
_FIELDS = {
    "persona": ("persona", "personaDescription", "persona_description"),
    "description": ("description", "characterDescription"),
    "personality": ("personality", "characterPersonality"),
    "depth_prompt": ("depthPrompt", "characterDepthPrompt", "depth_prompt"),
    "scenario": ("scenario",),
    "creator_notes": ("creatorNotes", "creator_notes", "creatorcomment"),
}
"""Members of `charFields` by the fields of `ScanContext`."""


def replay(scenarios: Any, engine: EcmaEngine | None = None) -> list[dict[str, Any]]:
    """The outcome of every scenario, in the shape of `expected` (vectors/README.md).

    Args:
        scenarios: items with `scenario`, or bare scenarios; one object counts as a list of one.
        engine: stays open if it is given.
    """
    if engine is None:
        with EcmaEngine() as own:
            return replay(scenarios, own)
    items = scenarios if isinstance(scenarios, list) else [scenarios]
    return [_replay(as_object(as_object(item).get("scenario", item)), engine) for item in items]


def _replay(scenario: Mapping[str, Any], engine: EcmaEngine) -> dict[str, Any]:
    rolls = _rolls(scenario.get("random", 0.5))
    steps = scenario.get("steps")
    if not isinstance(steps, list):
        return _step(scenario, engine, rolls, TimedState())[0]
    timed, results = TimedState(), []
    for step in steps:
        result, timed = _step({**scenario, **as_object(step)}, engine, rolls, timed)
        results.append(result)
    return {"steps": results}


def _step(
    scenario: Mapping[str, Any], engine: EcmaEngine, rolls: Iterator[float], timed: TimedState
) -> tuple[dict[str, Any], TimedState]:
    user, character = as_text(scenario.get("user")) or "User", as_text(scenario.get("char")) or "Char"
    chat = [_message(one, user, character) for one in _listed(scenario.get("chat"))]
    given = as_object(scenario.get("charFields"))
    fields: dict[str, Any] = {
        name: next((as_text(given[key]) for key in keys if key in given), "")
        for name, keys in _FIELDS.items()
    }
    expand = expander(_world(user, character, chat, fields, dice.Random(0).random))
    tags = scenario.get("tags")
    drawn: list[float] = []

    def draw() -> float:
        drawn.append(next(rolls))
        return drawn[-1]

    done = activate(
        _active(scenario),
        chat,
        WorldbookSettings.read(_FACTORY | dict(as_object(scenario.get("settings")))),
        ScanContext(
            character=character,
            character_tags=tuple(map(as_text, tags)) if isinstance(tags, list) else None,
            injections=tuple(
                expand(as_text(one.get("value")))
                for one in _listed(scenario.get("inject"))
                if one.get("scan")
            ),
            trigger=as_text(scenario.get("trigger")) or "normal",
            max_context=int(as_number(scenario.get("maxContext"), 4096)),
            **fields,
        ),
        Tools(
            expand,
            _COUNTERS.get(scenario.get("tokens", "guess"), _COUNTERS["guess"]),
            draw,
            regex_matcher(engine),
        ),
        timed,
    )
    return _expected(done, scenario, drawn), done.timed


def _world(
    user: str,
    character: str,
    chat: Sequence[ScanMessage],
    fields: Mapping[str, Any],
    random: Callable[[], float],
) -> MacroContext:
    return MacroContext(
        user=user,
        char=character,
        chat=[ChatMessage(one.name, one.text, is_user=one.is_user) for one in chat],
        random=random,
        **fields,
    )


def _expected(done: Activation, scenario: Mapping[str, Any], drawn: Sequence[float]) -> dict[str, Any]:
    """The result as SillyTavern reports it; what is empty is left out."""
    result: dict[str, Any] = {
        "order": [one.uid for one in done.fired],
        "worldInfoBefore": done.before,
        "worldInfoAfter": done.after,
        "atDepth": _at_depth(done.activated),
        "examples": [
            {"position": int(one.position == EXAMPLES_BOTTOM), "content": one.content}
            for one in done.activated
            if one.position in (EXAMPLES_TOP, EXAMPLES_BOTTOM) and one.content
        ],
        "outlets": {name: list(texts) for name, texts in done.outlet_texts.items()},
        "rolls": list(drawn),
    }
    if isinstance(note := scenario.get("authorsNote"), str):
        around = f"{done.note_top}\n{note}\n{done.note_bottom}"
        result["authorsNote"] = re.sub(r"\A\n|\n\Z", "", around)
    return {name: value for name, value in result.items() if value}


def _at_depth(activated: Sequence[Activated]) -> list[dict[str, Any]]:
    """Blocks as SillyTavern forms them: an entry whose depth is null begins a block that none joins."""
    blocks: list[dict[str, Any]] = []
    for one in reversed(activated):
        if one.position != AT_DEPTH or not one.content or one.entry is None:
            continue
        depth, role = one.entry.depth, one.entry.role
        wanted = (DEFAULT_DEPTH if depth is None else depth, role)
        block = next((each for each in blocks if (each["depth"], each["role"]) == wanted), None)
        if block is None:
            block = {"depth": depth, "entries": [], "role": role}
            blocks.append(block)
        block["entries"].insert(0, one.content)
    return blocks


def _active(scenario: Mapping[str, Any]) -> list[ActiveBook]:
    """The books that are switched on; all of them globally where none is named."""
    raw = bool(scenario.get("rawEntries"))
    books = {name: _book(document, name, raw) for name, document in as_object(scenario.get("books")).items()}
    own = [scenario.get("character"), *_listed(scenario.get("extraCharBooks"))]
    chosen = [
        *(ActiveBook(books[name], "global") for name in _names(scenario.get("global")) if name in books),
        *(ActiveBook(books[name], "chat") for name in _names(scenario.get("chatBook")) if name in books),
        *(ActiveBook(books[name], "persona") for name in _names(scenario.get("persona")) if name in books),
        *(ActiveBook(books[name], "character") for name in own if name in books),
    ]
    return chosen or [ActiveBook(book) for book in books.values()]


def _book(document: Any, name: str, raw: bool) -> Book:
    """A book by its name in the scenario, World Info entries completed as the scenario says."""
    if isinstance(document, dict) and isinstance(document.get("entries"), dict):
        known = _AS_UNDEFINED if raw else _AS_NEW
        entries = {key: {**known, **as_object(entry)} for key, entry in document["entries"].items()}
        document = {**document, "entries": entries}
    return replace(read_book(document, name).book, name=name)


def _message(value: Any, user: str, character: str) -> ScanMessage:
    """A message; a bare text is one without a name."""
    if not isinstance(value, dict):
        return ScanMessage("", as_text(value), is_user=True)
    is_user = bool(value.get("is_user"))
    name = as_text(value.get("name")) or (user if is_user else character)
    return ScanMessage(name, as_text(value.get("mes", value.get("content"))), is_user)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _names(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _rolls(value: Any) -> Iterator[float]:
    """One number for every roll, or a list of them and then 0.5."""
    if isinstance(value, list):
        return chain(map(float, value), repeat(0.5))
    return repeat(float(as_number(value, 0.5)))


def trial(
    document: Any,
    messages: Sequence[ScanMessage],
    settings: Mapping[str, Any],
    *,
    name: str = "",
    seed: int = 0,
    user: str = "User",
    character: str = "Char",
) -> dict[str, Any]:
    """What `lunalux worldbook test --json` prints for one book and some messages (SPEC 2).

    Every entry that does not fire is in `skipped` with its reason.

    Args:
        settings: names of FORMATS 2.4 in snake_case, and `max_context` in tokens (8192).

    Raises:
        InvalidInput: the document is no worldbook.
        ValueError, TypeError: a setting has a value of the wrong kind.
    """
    rng = dice.Random(seed)
    with EcmaEngine() as engine:
        done = activate(
            [ActiveBook(read_book(document, name).book)],
            messages,
            WorldbookSettings.read(settings),
            ScanContext(character=character, max_context=int(settings.get("max_context", 8192))),
            Tools(
                expander(_world(user, character, messages, {}, rng.random)),
                estimator("").text,
                rng.random,
                regex_matcher(engine),
            ),
            explain=True,
        )
    return {
        "activated": [{key: one.as_json()[key] for key in _TRIAL} for one in done.activated],
        "skipped": [{"uid": one.uid, "reason": one.reason} for one in done.skipped],
        "before": done.before,
        "after": done.after,
        "at_depth": [{"depth": one.depth, "role": one.role, "content": one.content} for one in done.at_depth],
        "tokens": done.tokens,
    }


_TRIAL = (
    "uid",
    "comment",
    "order",
    "position",
    "depth",
    "role",
    "pass",
    "key",
    "reason",
    "tokens",
    "content",
)
