"""Scenarios and trials of worldbooks for authors: `lunalux worldbook test`."""

from __future__ import annotations

import math
import random as dice
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any

from lunalux_core.cards.coerce import as_object, as_text
from lunalux_core.cards.macros import ChatMessage, MacroContext, expander
from lunalux_core.cards.worldbook import Book, read_book
from lunalux_core.dialogue.ecma import EcmaEngine
from lunalux_core.dialogue.worldbook import (
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
_NEW_ENTRY: Mapping[str, Any] = {"selective": True, "order": 100, "probability": 100, "useProbability": True}


def replay(scenarios: Any, engine: EcmaEngine | None = None) -> list[dict[str, Any]]:
    """The outcome of every scenario, in the shape of `expected` (vectors/README.md).

    Args:
        scenarios: items with `scenario`, or bare scenarios; one object counts as a list of one.
    """
    items = scenarios if isinstance(scenarios, list) else [scenarios]
    with engine or EcmaEngine() as regexes:
        return [_replay(as_object(item.get("scenario", item)), regexes) for item in items]


def _replay(scenario: Mapping[str, Any], engine: EcmaEngine) -> dict[str, Any]:
    rolls: Iterator[float] = _rolls(scenario.get("random", 0.5))
    if not isinstance(scenario.get("steps"), list):
        return _step(scenario, engine, rolls, TimedState())[0]
    timed, results = TimedState(), []
    for step in scenario["steps"]:
        result, timed = _step({**scenario, **as_object(step)}, engine, rolls, timed)
        results.append(result)
    return {"steps": results}


def _step(
    scenario: Mapping[str, Any], engine: EcmaEngine, rolls: Iterator[float], timed: TimedState
) -> tuple[dict[str, Any], TimedState]:
    user, character = as_text(scenario.get("user")) or "User", as_text(scenario.get("char")) or "Char"
    chat = [_message(one, user, character) for one in scenario.get("chat") or ()]
    fields = as_object(scenario.get("charFields"))
    drawn: list[float] = []

    def draw() -> float:
        drawn.append(next(rolls))
        return drawn[-1]

    settings = WorldbookSettings.read(
        {"whole_words": True, "max_recursion_steps": 0, **as_object(scenario.get("settings"))}
    )
    context = MacroContext(
        user=user,
        char=character,
        description=as_text(fields.get("description")),
        personality=as_text(fields.get("personality")),
        scenario=as_text(fields.get("scenario")),
        chat=[ChatMessage(m.name, m.text, is_user=m.is_user) for m in chat],
    )
    count = _COUNTERS.get(as_text(scenario.get("tokens")) or "guess", _COUNTERS["guess"])
    done = activate(
        _books(scenario),
        chat,
        settings,
        ScanContext(
            character=character,
            character_tags=tuple(as_text(tag) for tag in scenario.get("tags") or ()),
            persona=as_text(fields.get("persona")),
            description=context.description,
            personality=context.personality,
            depth_prompt=as_text(fields.get("depthPrompt")),
            scenario=context.scenario,
            creator_notes=as_text(fields.get("creatorNotes")),
            injections=tuple(
                as_text(one.get("value")) for one in scenario.get("inject") or () if one.get("scan")
            ),
            trigger=as_text(scenario.get("trigger")) or "normal",
            max_context=int(scenario.get("maxContext") or 4096),
        ),
        Tools(expander(context), count, draw, regex_matcher(engine)),
        timed,
    )
    return _expected(done, scenario, drawn), done.timed


def _expected(done: Activation, scenario: Mapping[str, Any], drawn: Sequence[float]) -> dict[str, Any]:
    result: dict[str, Any] = {"order": [one.uid for one in done.fired]}
    result |= {"worldInfoBefore": done.before, "worldInfoAfter": done.after}
    result["atDepth"] = [
        {
            "depth": one.depth,
            "entries": list(one.contents),
            "role": ("system", "user", "assistant").index(one.role),
        }
        for one in done.at_depth
    ]
    result["examples"] = [
        *({"position": 0, "content": text} for text in done.examples_top),
        *({"position": 1, "content": text} for text in done.examples_bottom),
    ]
    if "authorsNote" in scenario:
        parts = (done.note_top, as_text(scenario["authorsNote"]), done.note_bottom)
        result["authorsNote"] = "\n".join(part for part in parts if part)
    result["outlets"] = {name: text.split("\n") for name, text in done.outlets.items()}
    result["rolls"] = list(drawn)
    return {name: value for name, value in result.items() if value}


def _books(scenario: Mapping[str, Any]) -> list[ActiveBook]:
    raw = bool(scenario.get("rawEntries"))
    books = {name: _book(document, name, raw) for name, document in as_object(scenario.get("books")).items()}
    active: list[ActiveBook] = []
    for field, source in (("global", "global"), ("chatBook", "chat"), ("persona", "persona")):
        value = scenario.get(field)
        names = value if isinstance(value, list) else [value]
        active += [ActiveBook(books[name], source) for name in names if name in books]  # type: ignore[arg-type]
    own = [scenario.get("character"), *(scenario.get("extraCharBooks") or ())]
    active += [ActiveBook(books[name], "character") for name in own if name in books]
    return active or [ActiveBook(book) for book in books.values()]


def _book(document: Any, name: str, raw: bool) -> Book:
    from dataclasses import replace

    if isinstance(document, dict) and isinstance(document.get("entries"), dict):
        # SillyTavern puts the text of an entry without any position nowhere.
        known = {"position": -1} if raw else _NEW_ENTRY
        entries = {key: {**known, **as_object(entry)} for key, entry in document["entries"].items()}
        document = {**document, "entries": entries}
    return replace(read_book(document, name).book, name=name)


def _message(value: Any, user: str, character: str) -> ScanMessage:
    if isinstance(value, str):
        return ScanMessage("", value, is_user=True)
    document = as_object(value)
    is_user = bool(document.get("is_user", True))
    name = as_text(document.get("name")) or (user if is_user else character)
    return ScanMessage(name, as_text(document.get("mes", document.get("content"))), is_user)


def _rolls(value: Any) -> Iterator[float]:
    if isinstance(value, list) and value:
        yield from (float(one) for one in value)
        yield from repeat(float(value[-1]))
    yield from repeat(float(value) if isinstance(value, (int, float)) else 0.5)


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
    """What `lunalux worldbook test --json` prints for one book and some messages (SPEC 2)."""
    book = read_book(document, name).book
    context = MacroContext(user=user, char=character, chat=[ChatMessage(m.name, m.text) for m in messages])
    with EcmaEngine() as engine:
        done = activate(
            [ActiveBook(book)],
            messages,
            WorldbookSettings.read(settings),
            ScanContext(character=character, max_context=int(settings.get("max_context", 8192))),
            Tools(expander(context), estimator("").text, dice.Random(seed).random, regex_matcher(engine)),
        )
    fields = (
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
    return {
        "activated": [{name: one.as_json()[name] for name in fields} for one in done.activated],
        "skipped": [{"uid": one.uid, "reason": one.reason} for one in done.skipped],
        "before": done.before,
        "after": done.after,
        "at_depth": [
            {"depth": 4 if one.depth is None else one.depth, "role": one.role, "content": one.content}
            for one in done.at_depth
        ],
        "tokens": done.tokens,
    }
