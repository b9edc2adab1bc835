"""Commands on text."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any

from lunalux_core.errors import LunaluxError
from lunalux_core.regex.script import Pattern
from lunalux_core.stscript.commands.declaration import Command, Invocation
from lunalux_core.stscript.faults import Fault
from lunalux_core.stscript.patterns import filled, read_pattern
from lunalux_core.stscript.script_values import dump_json, slice_units, to_number
from lunalux_core.templates.cleanup import to_sentence_end


def _only_text(work: Callable[[str], str]) -> Callable[[Invocation], str]:
    """A command for one text; anything else gives the empty text."""
    return lambda call: work(call.value) if isinstance(call.value, str) else ""


def _substr(call: Invocation) -> str:
    if not isinstance(call.value, str):
        return ""
    start = to_number(call.named["start"]) if call.named.get("start") is not None else math.nan
    end = call.named.get("end")
    return slice_units(call.value, start, None if end is None else to_number(end))


def _after_first_sentence(text: str) -> str:
    """The text without its first, unfinished sentence."""
    first, mark = text.find("."), "."
    for sign in "!?\n":
        place = text.find(sign)
        # SillyTavern looks for a full stop first; without one no other sign counts.
        if 0 < place < first:
            first, mark = place, sign
    if first <= 0:
        return text
    # The blank after the sign goes, too; after the end of a line there is none.
    return text[first + (1 if mark == "\n" else 2) :]


# Patterns


def _pattern(call: Invocation) -> Pattern:
    written = call.argument("pattern")
    if not written:
        raise Fault("SCRIPT_NO_PATTERN")
    pattern = read_pattern(written)
    if pattern is None:
        raise Fault("SCRIPT_BAD_ARGUMENT", argument="pattern=", value=written)
    return pattern


async def _find_matches(call: Invocation, pattern: Pattern, limit: int | None) -> list[Any]:
    """Matches; in a thread of its own, because another process looks for them."""
    call.make(len(call.text))
    try:
        with call.interpreter.budget.waiting():
            return await asyncio.to_thread(call.interpreter.patterns.find, pattern, call.text, limit)
    except LunaluxError as error:
        raise Fault("SCRIPT_BAD_ARGUMENT", argument="pattern=", value=f"{pattern.source}: {error}") from error


async def _test(call: Invocation) -> str:
    return "true" if await _find_matches(call, _pattern(call), 1) else "false"


async def _match(call: Invocation) -> str:
    pattern = _pattern(call)
    matches = await _find_matches(call, pattern, None if pattern.global_ else 1)
    rows = [[call.text[match.start : match.end], *_groups(call.text, match)] for match in matches]
    if pattern.global_:
        return dump_json(rows)
    return dump_json(rows[0]) if rows else ""


def _groups(text: str, match: Any) -> list[str | None]:
    return [None if span is None else text[span[0] : span[1]] for span in match.groups]


async def _replace(call: Invocation) -> str:
    written, replacer = call.argument("pattern"), call.argument("replacer") or ""
    mode = call.argument("mode")
    if not written:
        raise Fault("SCRIPT_NO_PATTERN")
    if mode in (None, "literal"):
        return _replaced(call, _literal_places(call.text, written), replacer)
    if mode != "regex":
        raise Fault("SCRIPT_BAD_ARGUMENT", argument="mode=", value=mode)
    pattern = read_pattern(written)
    if pattern is None:
        return call.text
    places = [
        (match.start, match.end, _groups(call.text, match), _names(call.text, match))
        for match in await _find_matches(call, pattern, None if pattern.global_ else 1)
    ]
    return _replaced(call, places, replacer)


def _names(text: str, match: Any) -> dict[str, str]:
    return {name: "" if span is None else text[span[0] : span[1]] for name, span in dict(match.named).items()}


TextMatch = tuple[int, int, list[str | None], dict[str, str]]


def _literal_places(text: str, pattern: str) -> list[TextMatch]:
    places: list[TextMatch] = []
    at = text.find(pattern)
    while at >= 0:
        places.append((at, at + len(pattern), [], {}))
        at = text.find(pattern, at + len(pattern))
    return places


def _replaced(call: Invocation, places: list[TextMatch], replacer: str) -> str:
    """The text with something else at these places, measured while it is made."""
    text, limit = call.text, call.interpreter.budget.limits.text
    pieces: list[str] = []
    position = size = 0
    for start, end, groups, names in places:
        value = filled(replacer, text, start, end, groups, names)
        pieces += (text[position:start], value)
        size += start - position + len(value)
        if size > limit:
            call.make(size)
        position = end
    return "".join((*pieces, text[position:]))


COMMANDS = (
    Command("upper", _only_text(str.upper), ("uppercase", "to-upper")),
    Command("lower", _only_text(str.lower), ("lowercase", "to-lower")),
    Command("substr", _substr, ("substring",)),
    Command("trimstart", _only_text(_after_first_sentence)),
    Command("trimend", _only_text(to_sentence_end)),
    Command("replace", _replace, ("re",)),
    Command("test", _test),
    Command("match", _match),
)
