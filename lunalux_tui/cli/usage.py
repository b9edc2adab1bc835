"""Wrong usage, as Typer found it, in sentences of ours, so that it can be told in both languages."""

from __future__ import annotations

import re

from lunalux_core.errors import InvalidInput

_HELP = "Try the same command with --help."
_NEAR = re.compile(r"Did you mean (?:one of: )?'?([^'?]+)'?\?|\(Possible options: ([^)]+)\)")
_FORMS = (
    ("command", re.compile(r"No such command '(.+?)'"), "There is no command {value}."),
    ("option", re.compile(r"No such option:? '?(--?[^\s'.]+)"), "There is no option {value}."),
    ("argument", re.compile(r"Missing (?:argument|option|parameter) '(.+?)'"), "{value} is missing."),
    ("extra", re.compile(r"unexpected extra arguments?(?:\(s\))? \((.+)\)"), "{value} is too much here."),
    ("value", re.compile(r"Option '(.+?)' requires an argument"), "{value} needs a value."),
)


def usage_error(message: str) -> InvalidInput:
    """The error for a message of Typer's; one that is not known is told as it is."""
    for kind, form, sentence in _FORMS:
        if (match := form.search(message)) is None:
            continue
        value = match[1].strip().replace("...", "…")
        if kind in ("command", "option") and (near := _NEAR.search(message)) is not None:
            meant = (near[1] or near[2]).strip()
            hint = f"Did you mean {meant}?"
            return InvalidInput(
                "USAGE", sentence.format(value=value), hint, kind=f"{kind}_near", value=value, near=meant
            )
        return InvalidInput("USAGE", sentence.format(value=value), _HELP, kind=kind, value=value)
    text = message if message.endswith((".", "?")) else f"{message}."
    return InvalidInput("USAGE", text, _HELP, kind="click", text=text)
