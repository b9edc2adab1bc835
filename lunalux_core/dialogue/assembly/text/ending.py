"""The text after the last turn, from which the reply goes on."""

from __future__ import annotations

from lunalux_core.dialogue.assembly.text.prompt_turns import PromptTurn
from lunalux_core.dialogue.assembly.text.source import TextSource
from lunalux_core.templates.template_values import Instruct
from lunalux_core.templates.turn_texts import LastLine, TextTurn, format_last_line


def ending_after(source: TextSource, last: str, continued: PromptTurn | None) -> str:
    """The quiet instruction of the material, and the line that the reply continues.

    Args:
        last: the last turn as text: some endings begin with a line break if it does not end with one.
    """
    quiet = source.expand(source.material.quiet)
    text = last
    if source.instruct is not None:
        if quiet:
            text += source.formatted(TextTurn("system", quiet, source.names.user))
        text += "" if source.continues else last_line(source, source.instruct)
    else:
        text += f"\n{quiet}" if quiet else ""
        # Nobody's line follows an instruction that the model is to answer without a name.
        if not quiet or source.wishes.loud:
            text = _with_name(source, text, continued)
    return text[len(last) :]


def last_line(source: TextSource, instruct: Instruct) -> str:
    """The line that the reply continues, with an instruct template."""
    quiet, loud = bool(source.material.quiet), source.wishes.loud
    name = source.names.user if source.impersonates else source.names.char
    if quiet and not loud and not source.impersonates:
        name = "System"
    line = LastLine(
        source.impersonates, source.reply_start(), quiet and source.material.type == "quiet", loud
    )
    return format_last_line(name, line, instruct, source.names, source.expand)


def _with_name(source: TextSource, text: str, continued: PromptTurn | None) -> str:
    """Without an instruct template: a new line with a name, and the beginning of the reply."""
    forced = source.wishes.force_name
    forced = source.context.always_force_name2 if forced is None else forced
    if source.impersonates:
        text = _new_line(text) + f"{source.names.user}:"
    elif forced and source.continues:
        nameless = continued is not None and continued.turn.role == "system"
        if nameless and _chat_length(source) != 1:
            text = _new_line(text) + f"{source.names.char}:"
    elif forced:
        text = _new_line(text) + f"{source.names.char}:"
    start = source.reply_start().strip() and source.reply_start().lstrip()
    if start:
        text += start if text[-1:].isspace() else f" {start}"
    return text


def _chat_length(source: TextSource) -> int:
    """How many messages the chat has."""
    length, material = source.wishes.raw_length, source.material
    return len(material.history) + material.omitted + material.replaced if length is None else length


def _new_line(text: str) -> str:
    return text if text.endswith("\n") else f"{text}\n"
