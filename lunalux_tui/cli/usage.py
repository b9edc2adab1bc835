"""Wrong usage, as Typer found it, in sentences of ours, so that it can be told in both languages."""

from __future__ import annotations

import re

from lunalux_core.errors import InvalidInput

_HELP = "Try the same command with --help."
_NEAR = re.compile(r"Did you mean (?:one of: )?'?([^'?]+)'?\?|\(Possible options: ([^)]+)\)")
# Typer tells only in sentences, so they are taken apart here; one that it words anew is told as it is.
_FORMS = (
    ("command", re.compile(r"No such command '(.+?)'"), "There is no command {value}."),
    ("option", re.compile(r"No such option:? '?(--?[^\s'.]+)"), "There is no option {value}."),
    ("argument", re.compile(r"Missing (?:argument|option|parameter) '(.+?)'"), "{value} is missing."),
    ("extra", re.compile(r"unexpected extra arguments?(?:\(s\))? \((.+)\)"), "Unexpected argument: {value}."),
    ("value", re.compile(r"Option '(.+?)' requires an argument"), "{value} needs a value."),
)


def usage_error(message: str) -> InvalidInput:
    """The error for a message of Typer's; one that is not known is told as it is."""
    for kind, form, sentence in _FORMS:
        if (match := form.search(message)) is None:
            continue
        value = match[1].strip().replace("...", "…")
        if kind == "argument":
            value = _as_in_help(value)
        if kind in ("command", "option") and (near := _NEAR.search(message)) is not None:
            meant = (near[1] or near[2]).strip()
            hint = f"Did you mean {meant}?"
            return InvalidInput(
                "USAGE", sentence.format(value=value), hint, kind=f"{kind}_near", value=value, near=meant
            )
        return InvalidInput("USAGE", sentence.format(value=value), _HELP, kind=kind, value=value)
    if (error := _bad_value(message)) is not None:
        return error
    text = message if message.endswith((".", "?")) else f"{message}."
    return InvalidInput("USAGE", text, _HELP, kind="click", text=text)


def _as_in_help(name: str) -> str:
    """An argument as the help names it: Typer calls one without a name for people as Python does."""
    return name if name.startswith("-") else name.upper()


_BAD = re.compile(r"Invalid value for '?(.+?)'?: (?:Value error, )?(.+)")
_NUMBER = re.compile(r"'(.*)' is not a (?:whole )?number")
_RANGE = re.compile(r"(\S+) is not (?:at least (\S+))?(?: and )?(?:at most (\S+))?")
_CHOICE = re.compile(r"'(.*)' is not one of (.+?)\.?")


def _bad_value(message: str) -> InvalidInput | None:
    """The error for a value that an option or argument does not take."""
    if message.startswith("Missing command"):
        return InvalidInput("USAGE", "A command is missing.", _HELP, kind="no_command")
    if (bad := _BAD.fullmatch(message)) is None:
        return None
    option, reason = _as_in_help(bad[1].strip()), bad[2].strip()
    if match := _NUMBER.fullmatch(reason):
        text = f"{option} {match[1]} is not a number."
        return InvalidInput("USAGE", text, _HELP, kind="number", option=option, value=match[1])
    if match := _CHOICE.fullmatch(reason):
        choices = ", ".join(re.findall(r"'([^']+)'", match[2]))
        text, hint = f"{option} {match[1]} is not known.", f"Use one of {choices}."
        return InvalidInput(
            "USAGE", text, hint, kind="choice_of", option=option, value=match[1], choices=choices
        )
    if match := _RANGE.fullmatch(reason):
        value, low, high = match.groups()
        kind = "range" if low and high else "range_low" if low else "range_high"
        text, hint = f"{option} {value} is out of range.", f"It must be {reason.partition(' is not ')[2]}."
        return InvalidInput("USAGE", text, hint, kind=kind, option=option, value=value, low=low, high=high)
    return None
