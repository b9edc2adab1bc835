"""What can go wrong in a script: one code and one sentence each, with the place of the command.

`Fault` is what commands raise; the parser and the interpreter know where it happened and make a
`ScriptError` of it, or a `ScriptLimit` where the script ran into one of its bounds.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property

from lunalux_core.errors import InvalidInput, LimitExceeded, LunaluxError

SENTENCES: dict[str, tuple[str, str]] = {
    "SCRIPT_UNKNOWN_COMMAND": (
        "there is no command /{command}.",
        "Correct the name; docs/scripts.md lists the commands. Nothing of the script has run.",
    ),
    "SCRIPT_COMMAND_OF_PAGE": (
        "/{command} works on SillyTavern's page, which is not here.",
        "Take it out; looks are chosen in the settings. Nothing of the script has run.",
    ),
    "SCRIPT_COMMAND_OUTSIDE": (
        "/{command} works on files, servers, keys or other programs, which no script may here.",
        "Take it out; /model, /profile and /preset choose what replies. Nothing of the script has run.",
    ),
    "SCRIPT_COMMAND_DELETES": (
        "/{command} deletes for good, which no script may here.",
        "Delete it yourself, in the app or with `lunalux ... delete`; /newchat, /qr-set-off and "
        "/setentryfield field=disable keep it. Nothing of the script has run.",
    ),
    "SCRIPT_COMMAND_OF_EXTENSION": (
        "/{command} comes with an extension of SillyTavern, and no extension runs here.",
        "Write it with /if, /while, /times and the other commands of docs/scripts.md. Nothing of the script "
        "has run.",
    ),
    "SCRIPT_COMMAND_NOT_HERE": (
        "/{command} cannot run here: there is no open chat, or nobody to ask.",
        "Take it out, or run the script in the app. Nothing of the script has run.",
    ),
    "SCRIPT_UNCLOSED_CLOSURE": ("a closure is not closed.", "Write :} behind its last command."),
    "SCRIPT_UNCLOSED_COMMENT": ("a comment is not closed.", "End it with | (a block comment with *|)."),
    "SCRIPT_UNCLOSED_QUOTE": (
        "a quoted text is not closed before its command ends.",
        'Write " behind it, and \\| for a bar in it.',
    ),
    "SCRIPT_UNCLOSED_LIST": ("a list is not closed.", "Write ] behind it."),
    "SCRIPT_UNEXPECTED_TEXT": (
        "/{command} takes no text here.",
        "Give its arguments as name=value, or take the text out.",
    ),
    "SCRIPT_BAD_FLAG": (
        "/parser-flag names no flag.",
        "Write STRICT_ESCAPING, then on or off.",
    ),
    "SCRIPT_NO_VARIABLE": (
        "/{command}: there is no variable {name}.",
        "Declare it with /let first, or correct the name.",
    ),
    "SCRIPT_VARIABLE_EXISTS": (
        "/{command}: there is a variable {name} here already.",
        "Change it with /var, or take another name.",
    ),
    "SCRIPT_NO_NAME": ("/{command}: no variable is named.", "Write key=NAME before the value."),
    "SCRIPT_NOT_CALLABLE": (
        "/{command}: {name} is no closure.",
        "Give the name of a variable that holds a closure.",
    ),
    "SCRIPT_NO_QUICK_REPLY": (
        "/{command}: there is no closure and no quick reply {name}.",
        "Correct the name, or declare the closure with /let.",
    ),
    "SCRIPT_NO_OPERAND": ("/{command}: left= is missing.", "Write what is compared as left=VALUE."),
    "SCRIPT_BAD_RULE": (
        "/{command}: the rule {value} does not fit these operands.",
        "Numbers: eq neq gt gte lt lte; text: eq neq in nin; without right=: not.",
    ),
    "SCRIPT_NO_PATTERN": ("/{command}: pattern= is missing.", "Write what is looked for as pattern=TEXT."),
    "SCRIPT_BAD_ARGUMENT": (
        "/{command}: {argument} cannot be {value}.",
        "Look the command up in docs/scripts.md and correct the argument.",
    ),
    "SCRIPT_REFUSED": (
        "/{command}: {reason}",
        "Correct the command; what ran before it stays.",
    ),
    "SCRIPT_REPLY_COMING": (
        "/{command} cannot have a reply made while one is being made.",
        "Let the quick reply run after the reply, or take the command out.",
    ),
    "SCRIPT_TOO_MANY_REPLIES": (
        "the script has asked a model {limit} times and was stopped.",
        "Let its loops end earlier; what it did before stays.",
    ),
    "SCRIPT_TOO_LONG": ("the script is longer than {limit} characters.", "Shorten it."),
    "SCRIPT_TOO_DEEP": ("closures are nested more than {limit} deep.", "Nest fewer closures or calls."),
    "SCRIPT_TOO_MANY_STEPS": (
        "the script has run {limit} commands and was stopped.",
        "Let its loop end earlier; what it did before stays.",
    ),
    "SCRIPT_TOO_SLOW": (
        "the script has worked for {limit} seconds and was stopped.",
        "Let it do less; what it did before stays.",
    ),
    "SCRIPT_TOO_LARGE": (
        "the script makes more than {limit} characters of text and was stopped.",
        "Let it make less; what it did before stays.",
    ),
}
_LIMITS = {
    "SCRIPT_TOO_LONG",
    "SCRIPT_TOO_DEEP",
    "SCRIPT_TOO_MANY_STEPS",
    "SCRIPT_TOO_SLOW",
    "SCRIPT_TOO_LARGE",
    "SCRIPT_TOO_MANY_REPLIES",
}


class ScriptError(InvalidInput):
    """A script that cannot run as it is written; `params` name command, line and column (from 1)."""


class ScriptLimit(ScriptError, LimitExceeded):
    """A script that ran into one of its bounds."""


class Fault(Exception):
    """What a command raises: a code of `SENTENCES` and the values named in its sentence."""

    def __init__(self, code: str, **params: object) -> None:
        super().__init__(code)
        self.code = code
        self.params = params


class Aborted(Exception):
    """`/abort` was run: unwinds the whole script.

    Args:
        reason: what to show, unless the abort is quiet.
    """

    def __init__(self, reason: str, *, quiet: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.quiet = quiet


@dataclass(frozen=True)
class ScriptSource:
    """A text that is run. A command in quotes is told with the place of the command that runs it.

    Args:
        fixed: line and column for everything in this text.
    """

    text: str
    fixed: tuple[int, int] | None = field(default=None)

    @cached_property
    def _lines(self) -> list[int]:
        return [0, *(index + 1 for index, letter in enumerate(self.text) if letter == "\n")]

    def place(self, index: int) -> tuple[int, int]:
        """Line and column of a character, both from 1."""
        if self.fixed is not None:
            return self.fixed
        line = bisect_right(self._lines, index)
        return line, index - self._lines[line - 1] + 1


def located(fault: Fault, command: str, place: tuple[int, int]) -> LunaluxError:
    """The error to show for a fault of a command at a place."""
    line, column = place
    message, hint = SENTENCES[fault.code]
    params = {"command": command, "line": line, "column": column, **fault.params}
    sentence = f"Line {line}, column {column}: {message.format(**params)}"
    kind = ScriptLimit if fault.code in _LIMITS else ScriptError
    return kind(fault.code, sentence, hint, **params)
