"""Scenarios and trials of worldbooks for authors: `lunalux worldbook test`.

See docs/spec/design.md: The command line.
See docs/spec/formats.md: Worldbook settings.
"""

from __future__ import annotations

import random as dice
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from lunalux_core.documents.coerce import as_number, as_object, as_text
from lunalux_core.llm.tokens import estimator
from lunalux_core.macros.expansion import ChatMessage, MacroContext, expander
from lunalux_core.regex.engine import EcmaEngine
from lunalux_core.scenarios.case import cases, counter, listed
from lunalux_core.scenarios.worldbook_case import (
    FACTORY,
    active_books,
    in_turn,
    read_message,
    texts,
)
from lunalux_core.worldbook.book_reader import (
    AT_DEPTH,
    DEFAULT_DEPTH,
    EXAMPLES_BOTTOM,
    EXAMPLES_TOP,
    read_book,
)
from lunalux_core.worldbook.engine import (
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


def replay(scenarios: Any, engine: EcmaEngine | None = None) -> list[dict[str, Any]]:
    """The outcome of every scenario, in the shape of `expected` (vectors/README.md).

    Args:
        scenarios: items with `scenario`, or bare scenarios; one object counts as a list of one.
        engine: stays open if it is given.
    """
    if engine is None:
        with EcmaEngine() as own:
            return replay(scenarios, own)
    return [_replay(scenario, engine) for scenario in cases(scenarios)]


def _replay(scenario: Mapping[str, Any], engine: EcmaEngine) -> dict[str, Any]:
    rolls = in_turn(scenario.get("random", 0.5))
    steps = scenario.get("steps")
    if not isinstance(steps, list):
        return _step(scenario, engine, rolls, TimedState())[0]
    timed, results = TimedState(), []
    for step in steps:
        # Sticky entries and cooldowns go on from one step to the next, as from turn to turn.
        result, timed = _step({**scenario, **as_object(step)}, engine, rolls, timed)
        results.append(result)
    return {"steps": results}


def _step(
    scenario: Mapping[str, Any], engine: EcmaEngine, rolls: Iterator[float], timed: TimedState
) -> tuple[dict[str, Any], TimedState]:
    user, character = as_text(scenario.get("user")) or "User", as_text(scenario.get("char")) or "Char"
    chat = [read_message(message, user, character) for message in listed(scenario.get("chat"))]
    fields = texts(scenario)
    # Macros draw their own numbers: those of the scenario are for the probabilities of entries alone.
    expand = expander(_world(user, character, chat, fields, dice.Random(0).random))
    tags = scenario.get("tags")
    drawn: list[float] = []

    def draw() -> float:
        drawn.append(next(rolls))
        return drawn[-1]

    activation = activate(
        active_books(scenario),
        chat,
        WorldbookSettings.read(FACTORY | dict(as_object(scenario.get("settings")))),
        ScanContext(
            character=character,
            character_tags=tuple(map(as_text, tags)) if isinstance(tags, list) else None,
            injections=tuple(
                expand(as_text(text.get("value")))
                for text in listed(scenario.get("inject"))
                if text.get("scan")
            ),
            trigger=as_text(scenario.get("trigger")) or "normal",
            max_context=int(as_number(scenario.get("maxContext"), 4096)),
            **fields,
        ),
        Tools(
            expand,
            counter(scenario.get("tokens")),
            draw,
            regex_matcher(engine),
        ),
        timed,
    )
    return _expected(activation, scenario, drawn), activation.timed


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
        chat=[ChatMessage(message.name, message.text, is_user=message.is_user) for message in chat],
        random=random,
        **fields,
    )


def _expected(activation: Activation, scenario: Mapping[str, Any], drawn: Sequence[float]) -> dict[str, Any]:
    """The result as SillyTavern reports it; what is empty is left out."""
    result: dict[str, Any] = {
        "order": [entry.uid for entry in activation.fired],
        "worldInfoBefore": activation.before,
        "worldInfoAfter": activation.after,
        "atDepth": _at_depth(activation.activated),
        "examples": [
            {"position": int(entry.position == EXAMPLES_BOTTOM), "content": entry.content}
            for entry in activation.activated
            if entry.position in (EXAMPLES_TOP, EXAMPLES_BOTTOM) and entry.content
        ],
        "outlets": {name: list(texts) for name, texts in activation.outlet_texts.items()},
        "rolls": list(drawn),
    }
    if isinstance(note := scenario.get("authorsNote"), str):
        around = f"{activation.note_top}\n{note}\n{activation.note_bottom}"
        result["authorsNote"] = re.sub(r"\A\n|\n\Z", "", around)
    return {name: value for name, value in result.items() if value}


def _at_depth(activated: Sequence[Activated]) -> list[dict[str, Any]]:
    """Blocks as SillyTavern forms them: an entry whose depth is null begins a block that none joins."""
    blocks: list[dict[str, Any]] = []
    for entry in reversed(activated):
        if entry.position != AT_DEPTH or not entry.content or entry.entry is None:
            continue
        depth, role = entry.entry.depth, entry.entry.role
        place = (DEFAULT_DEPTH if depth is None else depth, role)
        block = next((each for each in blocks if (each["depth"], each["role"]) == place), None)
        if block is None:
            block = {"depth": depth, "entries": [], "role": role}
            blocks.append(block)
        block["entries"].insert(0, entry.content)
    return blocks


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
    """What `lunalux worldbook test --json` prints for one book and some messages.

    Every entry that does not fire is in `skipped` with its reason.

    Args:
        settings: names of "Worldbook settings" in snake_case, and `max_context` in tokens (8192).

    Raises:
        InvalidInput: the document is no worldbook.
        ValueError, TypeError: a setting has a value of the wrong kind.
    """
    # One for macros and rolls, so that a seed gives the whole outcome again.
    rng = dice.Random(seed)
    with EcmaEngine() as engine:
        activation = activate(
            [ActiveBook(read_book(document, name).book)],
            messages,
            WorldbookSettings.read(settings),
            ScanContext(character=character, max_context=int(as_number(settings.get("max_context"), 8192))),
            Tools(
                expander(_world(user, character, messages, {}, rng.random)),
                # No model is named: its tokens are counted like those of any current one.
                estimator("").text,
                rng.random,
                regex_matcher(engine),
            ),
            explain=True,
        )
    return {
        "activated": [{key: entry.as_json()[key] for key in _TRIAL} for entry in activation.activated],
        "skipped": [{"uid": entry.uid, "reason": entry.reason} for entry in activation.skipped],
        "before": activation.before,
        "after": activation.after,
        "at_depth": [
            {"depth": entry.depth, "role": entry.role, "content": entry.content}
            for entry in activation.at_depth
        ],
        "tokens": activation.tokens,
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
