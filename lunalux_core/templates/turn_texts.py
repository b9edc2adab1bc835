"""Turns as text: messages, examples, and the line that the reply goes on from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lunalux_core.llm.model import Role
from lunalux_core.templates.template_values import Context, Expand, Instruct

TurnPosition = Literal["first", "last", "between"]
"""Where a turn stands, as far as its sequence depends on that."""

SPACES = "\t\n\v\f\r \xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"  # noqa: E501
"""What JavaScript trims; the reference program cuts by these."""

_NAME = re.compile(r"\{\{name\}\}", re.IGNORECASE)
_START = re.compile(r"<START>", re.IGNORECASE)
_START_LINE = re.compile(r"<START>\n", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Names:
    """Who talks: the person, who speaks now, and all members of a group (empty in an ordinary chat)."""

    user: str
    char: str
    group: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TextTurn:
    """One turn. `system` is a narrator's, a `foreign` one by somebody who is not the chat's usual speaker."""

    role: Role
    text: str
    name: str = ""
    foreign: bool = False


def named(text: str, name: str) -> str:
    """A sequence with `{{name}}` replaced."""
    return _NAME.sub(lambda _: name, text)


def format_turn(
    turn: TextTurn, instruct: Instruct | None, names: Names, expand: Expand, place: TurnPosition = "between"
) -> str:
    """A turn with all that belongs to it."""
    name = turn.name if turn.role == "user" else turn.name or names.char
    if instruct is None:
        # a turn without a name of its own is nobody's line
        return f"{turn.name}: {turn.text}\n" if turn.name and turn.role != "system" else f"{turn.text}\n"
    prefix, suffix = _sequences(turn.role, instruct, place)
    if instruct.macro:
        prefix = named(expand(prefix), name or "System")
        suffix = named(expand(suffix), name or "System")
    if not suffix and instruct.wrap:
        suffix = "\n"
    shown = turn.role != "system" and bool(name)
    always = instruct.names_behavior == "always"
    forced = instruct.names_behavior == "force" and bool(names.group or turn.foreign) and name != names.user
    text = f"{name}: {turn.text}" if shown and (always or forced) else turn.text
    return _between(prefix, text + suffix, instruct)


def open_turn(turn: TextTurn, instruct: Instruct | None, names: Names, expand: Expand) -> str:
    """A turn that the model goes on with: nothing stands behind its text."""
    # A mark that no text holds: what comes after it is the suffix, which the model is to write itself.
    mark = "\x00\ufffc"
    marked = TextTurn(turn.role, turn.text + mark, turn.name, turn.foreign)
    return format_turn(marked, instruct, names, expand, "last").rpartition(mark)[0]


def _sequences(role: Role, instruct: Instruct, place: TurnPosition) -> tuple[str, str]:
    if role == "system" and not instruct.system_same_as_user:
        return instruct.system_sequence, instruct.system_suffix
    if role == "system":
        return instruct.input_sequence, instruct.input_suffix
    if role == "user":
        special = {"first": instruct.first_input_sequence, "last": instruct.last_input_sequence}
        return special.get(place) or instruct.input_sequence, instruct.input_suffix
    special = {"first": instruct.first_output_sequence, "last": instruct.last_output_sequence}
    return special.get(place) or instruct.output_sequence, instruct.output_suffix


def _between(prefix: str, text: str, instruct: Instruct) -> str:
    return ("\n" if instruct.wrap else "").join(part for part in (prefix, text) if part)


# -- examples ------------------------------------------------------------------------------------------


def split_examples(text: str, context: Context, instruct: Instruct | None, expand: Expand) -> list[str]:
    """The blocks of a card's examples, each with its heading."""
    if not text or text == "<START>":
        return []
    if not text.startswith("<START>"):
        text = f"<START>\n{text.strip(SPACES)}"
    heading = "<START>\n" if instruct is not None else _separator(context, expand)
    return [f"{heading}{block.strip(SPACES)}\n" for block in _START.split(text)[1:]]


def format_examples(
    blocks: Sequence[str], context: Context, instruct: Instruct | None, names: Names, expand: Expand
) -> list[str]:
    """Example blocks as turns, one piece a turn; as they are where they are no turns or must stay text."""
    if instruct is None:
        return list(blocks)
    heading = _separator(context, expand)
    formatted: list[str] = []
    for block in blocks if not instruct.skip_examples else ():
        lines = _example_turns(block, names)
        if lines and heading:
            formatted.append(heading)
        formatted += [_example(is_user, who, text, instruct, names, expand) for is_user, who, text in lines]
    return formatted or [_START_LINE.sub(lambda _: heading, block, count=1) for block in blocks]


def _separator(context: Context, expand: Expand) -> str:
    return f"{expand(context.example_separator)}\n" if context.example_separator else ""


def _example(is_user: bool, who: str, text: str, instruct: Instruct, names: Names, expand: Expand) -> str:
    prefix = instruct.input_sequence if is_user else instruct.output_sequence
    suffix = instruct.input_suffix if is_user else instruct.output_suffix
    name = names.user if is_user else names.char
    if instruct.macro:
        prefix, suffix = named(expand(prefix), name), named(expand(suffix), name)
        suffix = suffix or ("\n" if instruct.wrap else "")
    behavior = instruct.names_behavior
    if names.group and behavior != "none":
        text = f"{who}: {text}"
    elif behavior == "always" or (behavior == "force" and is_user):
        text = f"{name}: {text}"
    return _between(prefix, text + suffix, instruct)


def _example_turns(block: str, names: Names) -> list[tuple[bool, str, str]]:
    """(is the person's, who, text) for the turns of a block whose first line is its heading.

    The lines before the first speaker belong to that one; the name and colon of a speaker are cut once.
    """
    others = tuple(f"{name}:" for name in names.group)
    turns: list[tuple[bool, str, str]] = []
    lines: list[str] = []
    side: bool | None = None
    who = names.char

    def finish(is_user: bool) -> None:
        name = names.user if is_user else who
        turns.append((is_user, name, "\n".join(lines).replace(f"{name}:", "", 1).strip(SPACES)))
        lines.clear()

    for line in block.replace("\r", "").split("\n")[1:]:
        if line.startswith(f"{names.user}:"):
            if side is False:
                finish(False)
            side = True
        elif line.startswith(f"{names.char}:") or line.startswith(others):
            if not line.startswith(f"{names.char}:"):
                who = line.partition(":")[0]
            if side is True:
                finish(True)
            side = False
        lines.append(line)
    if side is not None:
        finish(side)
    return turns


# -- the last line -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LastLine:
    """What the reply goes on from.

    Args:
        start: what the reply begins with.
        quiet: an instruction that nobody sees the answer to; `loud`: the character answers it.
    """

    impersonate: bool = False
    start: str = ""
    quiet: bool = False
    loud: bool = False


def format_last_line(name: str, line: LastLine, instruct: Instruct, names: Names, expand: Expand) -> str:
    """The sequence before a reply, with a name and the reply's beginning where they are wanted.

    Args:
        name: whose reply it is.
    """
    behavior = instruct.names_behavior
    needs_name = behavior == "always" or (behavior == "force" and bool(names.group))
    with_name = bool(name) and needs_name and not (line.quiet and not line.loud)
    sequence = _last_sequence(line, instruct)
    filler = ""
    ending = instruct.output_sequence[-1:]
    if (
        with_name
        and instruct.last_output_sequence
        and sequence == instruct.last_output_sequence
        and ending in SPACES
        and ending
        and sequence[-1:] not in SPACES
    ):
        # formats whose sequence ends in a blank want it before the name, not before the reply
        filler = ending
    if instruct.macro:
        sequence = named(expand(sequence), name or "System")
    separator = "\n" if instruct.wrap else ""
    text = separator + sequence
    if with_name:
        text += f"{separator}{filler}{name}:"
    if line.quiet and separator:
        text = text[1:]
    if not line.impersonate and line.start:
        text += line.start if with_name else separator + line.start.lstrip(SPACES)
    if instruct.wrap:
        text = text.rstrip(SPACES)
    return text if with_name else text + separator


def _last_sequence(line: LastLine, instruct: Instruct) -> str:
    if line.impersonate:
        return instruct.last_input_sequence or instruct.input_sequence
    if line.quiet and not line.loud:
        return instruct.last_system_sequence or instruct.output_sequence
    return instruct.last_output_sequence or instruct.output_sequence
