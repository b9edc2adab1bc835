"""The macros by name, as data: how many arguments each takes and what it gives.

A macro that cannot do anything sensible with its arguments gives None and stays in the text as written.

See docs/spec/formats.md: Macro values.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable

from lunalux_core.macros import date_formats
from lunalux_core.macros.context import ChatMessage, MacroContext
from lunalux_core.macros.macro_registry import BUILTINS, Call, MacroFunction, add, add_value
from lunalux_core.macros.variables import Scope, Variables

__all__ = ["BUILTINS", "TRIM"]

TRIM = "\ufdd0"
"""Left by ``{{trim}}`` and removed at the end with the newlines around it; the code is no character."""

_MAX_REPEAT = 10_000
_MAX_DICE = 1_000


# Names


def _others(context: MacroContext) -> str:
    members = [name for name in context.group if name != context.char_name]
    return ", ".join([*members, context.user])


def _group(context: MacroContext, without: Iterable[str] = ()) -> str:
    return ", ".join(name for name in context.group if name not in without) or context.char_name


add_value("user", lambda context: context.user)
add_value("char", lambda context: context.char_name)
add_value("group charIfNotGroup", _group)
add_value("groupNotMuted", lambda context: _group(context, context.muted))
add_value("notChar", _others)

# Card


def _add_field(names: str, name: str) -> None:
    add(names, lambda call: call.card_field(name))


_add_field("description charDescription", "description")
_add_field("personality charPersonality", "personality")
_add_field("scenario charScenario", "scenario")
_add_field("persona", "persona")
_add_field("mesExamplesRaw", "examples")
_add_field("charPrompt", "char_prompt")
_add_field("charJailbreak charInstruction", "char_instruction")
_add_field("charDepthPrompt", "depth_prompt")
_add_field("charCreatorNotes creatorNotes", "creator_notes")
add_value("charVersion char_version version", lambda context: context.char_version)
add_value("defaultSystemPrompt", lambda context: context.default_prompt)
add("systemPrompt", lambda call: call.card_field("char_prompt") or call.context.default_prompt)


def _examples(call: Call) -> str:
    text = call.card_field("examples")
    if not text or text == "<START>":
        return ""
    blocks = re.split("<START>", text if text.startswith("<START>") else f"<START>\n{text}", flags=re.I)[1:]
    return "".join(f"<START>\n{block.strip()}\n" for block in blocks)


def _greeting(call: Call) -> str | None:
    number = _integer(call.arguments[0]) if call.arguments else 0
    if number is None:
        return None
    if number == 0:
        return call.card_field("first_message")
    others = call.context.alternate_greetings
    return others[number - 1].strip() if 0 < number <= len(others) else ""


def _original(call: Call) -> str:
    if "original" in call.used:
        return ""
    # Once: a second one would send the whole main prompt again.
    call.used.add("original")
    return call.context.original


add("mesExamples", _examples)
add("charFirstMessage greeting", _greeting, 0, 1)
add("original", _original)

# Chat


def _last(chat: Iterable[ChatMessage], wanted: Callable[[ChatMessage], bool]) -> str:
    return next((message.text for message in chat if wanted(message)), "")


def _number(value: int | None) -> str:
    return "" if value is None else str(value)


add_value("lastMessage", lambda c: _last(reversed(c.chat), lambda _: True))
add_value("lastUserMessage", lambda c: _last(reversed(c.chat), lambda m: m.is_user and not m.is_system))
add_value("lastCharMessage", lambda c: _last(reversed(c.chat), lambda m: not m.is_user and not m.is_system))
add_value("lastMessageId", lambda c: len(c.chat) - 1 if c.chat else "")
add_value("allChatRange", lambda c: f"0-{len(c.chat) - 1}" if c.chat else "")
add_value("firstIncludedMessageId", lambda c: _number(c.first_included))
add_value("firstDisplayedMessageId", lambda c: _number(c.first_displayed))
add_value("lastSwipeId", lambda c: c.chat[-1].swipes if c.chat and c.chat[-1].swipes else "")
add_value("currentSwipeId", lambda c: c.chat[-1].swipe + 1 if c.chat and c.chat[-1].swipes else "")
add_value("input", lambda c: c.input)
add_value("lastGenerationType", lambda c: c.generation_type)

# Time


def _formatted(pattern: str) -> MacroFunction:
    return lambda call: date_formats.format_moment(call.context.now, pattern, call.context.language)


def _time(offset: str) -> MacroFunction:
    """The time of day, at another offset from UTC where the argument matches `offset` whole."""

    def run(call: Call) -> str:
        moment = call.context.now
        if call.arguments and (hours := re.fullmatch(offset, call.arguments[0])):
            moment = date_formats.at_offset(moment, int(hours[1]))
        return date_formats.format_moment(moment, "LT", call.context.language)

    return run


def _date_format(call: Call) -> str:
    return date_formats.format_moment(call.context.now, call.arguments[0], call.context.language)


def _idle(call: Call) -> str:
    """Since the last message of the person before the newest message."""
    visible = [message for message in reversed(call.context.chat) if not message.is_system]
    sent = next((message.sent_at for message in visible[1:] if message.is_user), None)
    if sent is None:
        return "刚刚" if call.context.language == "zh" else "just now"
    return date_formats.humanize(date_formats.difference(call.context.now, sent), call.context.language)


def _time_difference(call: Call) -> str:
    left, right = map(date_formats.parse_moment, call.arguments)
    if left is None or right is None:
        return "Invalid date"
    return date_formats.humanize(date_formats.difference(left, right), call.context.language, suffix=True)


add("time", _time(r"UTC([+-]\d{1,4})"), 0, 1)
add("time_UTC", _time(r"([+-]\d{1,4})"), 1, 1)
add("date", _formatted("LL"))
add("weekday", _formatted("dddd"))
add("isotime", _formatted("HH:mm"))
add("isodate", _formatted("YYYY-MM-DD"))
add("datetimeformat", _date_format, 1, 1)
add("idleDuration idle_duration", _idle)
add("timeDiff", _time_difference, 2, 2)

# Chance


def _choices(call: Call) -> list[str]:
    """The items; a single argument is the old spelling with commas, ``\\,`` being a comma that stays."""
    if len(call.arguments) != 1:
        return call.arguments
    text = call.arguments[0]
    if "::" in text:
        return [item.strip() for item in text.split("::")]
    return [item.strip().replace("\\,", ",") for item in re.split(r"(?<!\\),", text)]


def _random(call: Call) -> str:
    items = _choices(call)
    return items[int(call.context.random() * len(items)) % len(items)] if items else ""


def _pick(call: Call) -> str:
    items = _choices(call)
    if not items:
        return ""
    # Not hash(), which differs from process to process.
    seed = f"{call.context.chat_id}\0{call.place}".encode("utf-8", "replace")
    return items[int.from_bytes(hashlib.blake2b(seed, digest_size=8).digest()) % len(items)]


_DICE = re.compile(r"(?:(\d{0,9})d)?(\d{1,9})([+-]\d{1,9})?", re.IGNORECASE | re.ASCII)


def _roll(call: Call) -> str:
    formula = _DICE.fullmatch(re.sub(r"\s+", "", call.arguments[0]))
    if formula is None:
        return ""
    dice, sides = int(formula[1] or 1), int(formula[2])
    if not 1 <= dice <= _MAX_DICE or sides < 1:
        return ""
    return str(sum(1 + int(call.context.random() * sides) for _ in range(dice)) + int(formula[3] or 0))


add("random", _random, 0, None)
add("pick", _pick, 0, None)
add("roll", _roll, 1, 1)

# Variables


def _add_variables(infix: str, scope: Callable[[Variables], Scope]) -> None:
    def on(names: str, act: Callable[[Scope, list[str]], object], arguments: int = 1) -> None:
        def run(call: Call) -> str:
            result = act(scope(call.variables), call.arguments)
            return result if isinstance(result, str) else ""

        add(" ".join(name.replace("*", infix) for name in names.split()), run, arguments, arguments)

    on("get*var", lambda s, a: s.get(a[0]))
    on("set*var", lambda s, a: s.set(a[0], a[1]), 2)
    on("add*var", lambda s, a: (s.add(a[0], a[1]), None)[1], 2)
    on("inc*var", lambda s, a: s.step(a[0], 1))
    on("dec*var", lambda s, a: s.step(a[0], -1))
    on("has*var *varexists", lambda s, a: "true" if s.has(a[0]) else "false")
    on("delete*var flush*var", lambda s, a: s.delete(a[0]))


_add_variables("", lambda variables: variables.local)
_add_variables("global", lambda variables: variables.global_)

# Text


def _repeated(character: str) -> MacroFunction:
    def run(call: Call) -> str | None:
        count = _integer(call.arguments[0]) if call.arguments else 1
        return None if count is None or count < 0 else character * min(count, _MAX_REPEAT)

    return run


def _nothing(_: Call) -> str:
    return ""


add("newline", _repeated("\n"), 0, 1)
add("space", _repeated(" "), 0, 1)
add("noop else", _nothing)
add("trim", lambda call: call.arguments[0] if call.is_block else TRIM, 0, 1)
add("// comment hidden_key", _nothing, 0, None)
add("banned", _nothing, 1, 1)
add("reverse", lambda call: call.arguments[0][::-1], 1, 1)
add("outlet", lambda call: call.context.outlets.get(call.arguments[0], ""), 1, 1)
add("tracker", lambda call: call.context.trackers.get(call.arguments[0].strip().casefold(), ""), 1, 1)

# System

add_value("model", lambda context: context.model)
add_value("maxPrompt maxPromptTokens", lambda context: max(0, context.max_context - context.max_response))
add_value("maxContext maxContextTokens", lambda context: context.max_context)
add_value("maxResponse maxResponseTokens", lambda context: context.max_response)
add_value("isMobile", lambda _: "false")
add("hasExtension", lambda _: "false", 1, 1)


def _integer(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[+-]?\d{1,9}", text.strip()) else None
