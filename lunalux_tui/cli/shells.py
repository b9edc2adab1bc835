"""What shells are told when TAB is pressed, so that none of them ever evaluates a name.

Names of characters, books and models come from strangers. In bash and PowerShell what is offered goes into
the line as it is and must be quoted here; zsh and fish quote what they insert, and are given one value a
line. Typer's script for zsh evaluates the answer as code: where it is still installed, it gets an answer in
which every sign that could mean anything is written as a number.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from typer import _completion_classes as typers
from typer._completion_classes import (
    BashComplete,
    FishComplete,
    PowerShellComplete,
    ZshComplete,
)

from lunalux_core.text import clean_line

PROGRAM, VARIABLE = "lunalux", "_LUNALUX_COMPLETE"
FORM = "_LUNALUX_COMPLETE_FORM"
"""Set to "lines" by our own script for zsh: what it asks for is no code."""

WORD = "_LUNALUX_COMPLETE_WORD"
"""Set by our own script for bash: the word to complete as it stands in the line, with an open quote."""

SCRIPTS = {
    "bash": r"""_lunalux_completion() {
    local line
    COMPREPLY=()
    while IFS= read -r line; do
        [ -n "$line" ] && COMPREPLY+=("$line")
    done < <(COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD \
             _LUNALUX_COMPLETE_WORD="${COMP_WORDS[COMP_CWORD]}" _LUNALUX_COMPLETE=complete_bash \
             "$1" 2>/dev/null)
    return 0
}

complete -o default -F _lunalux_completion lunalux
""",
    "zsh": r"""#compdef lunalux

_lunalux_completion() {
  local line
  local -a answer offered told
  answer=("${(@f)$(_TYPER_COMPLETE_ARGS="${words[1,$CURRENT]}" _LUNALUX_COMPLETE_FORM=lines \
    _LUNALUX_COMPLETE=complete_zsh lunalux 2>/dev/null)}")
  for line in "${answer[@]}"; do
    [[ -n "$line" ]] || continue
    offered+=("${line%%$'\t'*}")
    told+=("${line/$'\t'/  -- }")
  done
  if (( ${#offered} == 0 )); then
    _files
  elif [[ "${told[1]}" == *'  -- '* ]]; then
    compadd -l -M 'm:{[:lower:][:upper:]}={[:upper:][:lower:]}' -d told -a -- offered
  else
    compadd -M 'm:{[:lower:][:upper:]}={[:upper:][:lower:]}' -a -- offered
  fi
}

if [[ "${funcstack[1]}" == _lunalux ]]; then
  _lunalux_completion "$@"
else
  compdef _lunalux_completion lunalux
fi
""",
}
"""Scripts of our own; the other shells have Typer's, which only pass on what they are answered."""


def script(shell: str) -> str:
    """The completion script of a shell."""
    if shell in SCRIPTS:
        return SCRIPTS[shell]
    from typer._completion_shared import get_completion_script

    return get_completion_script(prog_name=PROGRAM, complete_var=VARIABLE, shell=shell) + "\n"


def install(shell: str) -> tuple[str, Path]:
    """Install the script of a shell for this user; the shell and the script's place."""
    from typer._completion_shared import install as install_script

    chosen, path = install_script(shell=shell, prog_name=PROGRAM, complete_var=VARIABLE)
    if chosen in SCRIPTS:
        # Typer has made the shell read this file; what stands in it is ours.
        path.write_text(SCRIPTS[chosen], encoding="utf-8")
    return chosen, path


def take_over() -> None:
    """Answer the shells in place of Typer."""
    register: Any = typers.add_completion_class  # type: ignore[attr-defined]
    for answer in (Bash, Zsh, Fish, PowerShell):
        register(answer, answer.name)
    register(PowerShell, "pwsh")


def offered(items: Iterable[Any]) -> list[tuple[str, str]]:
    """Values and what is said about them: one line each, without control characters."""
    pairs = [(clean_line(str(item.value), 200), clean_line(item.help or "", 200)) for item in items]
    return [(value, explanation) for value, explanation in pairs if value]


class Bash(BashComplete):
    """Lines that bash puts into the command line as they are."""

    def complete(self) -> str:
        arguments, begun = self.get_completion_args()
        # Typer takes the line apart as a shell does and drops the quote; our script passes it on.
        opened = os.environ.get(WORD, "")[:1]
        words = (in_bash(value, opened) for value, _ in offered(self.get_completions(arguments, begun)))
        return "\n".join(value for value in words if value is not None)


class Zsh(ZshComplete):
    """One value a line with a tab before its explanation; for Typer's script a call of `compadd`."""

    def complete(self) -> str:
        pairs = offered(self.get_completions(*self.get_completion_args()))
        if os.environ.get(FORM) == "lines":
            return "\n".join("\t".join(filter(None, pair)) for pair in pairs)
        if not pairs:
            return "_files"
        return " ".join(("compadd", "--", *(in_numbers(value) for value, _ in pairs)))


class Fish(FishComplete):
    """One value a line with a tab before its explanation; fish quotes what it inserts."""

    def format_completion(self, item: Any) -> str:
        return "".join("\t".join(filter(None, pair)) for pair in offered([item]))


class PowerShell(PowerShellComplete):
    """Lines of value and explanation; the value goes into the command line as it is."""

    def complete(self) -> str:
        arguments, begun = self.get_completion_args()
        # The word comes with the quote that was opened, of which PowerShell knows several.
        pairs = offered(self.get_completions(arguments, begun.lstrip("'\"\u2018\u2019\u201a\u201b")))
        quoted = ((in_powershell(value), explanation) for value, explanation in pairs)
        return "\n".join(
            f"{value}:::{explanation or ' '}" for value, explanation in quoted if value is not None
        )


def in_bash(value: str, opened: str = "") -> str | None:
    """A value as bash must find it after the quote `opened`; None where it cannot be written there."""
    # Nothing can be escaped within single quotes.
    if opened == "'":
        return None if "'" in value else value
    # Within double quotes a backslash before ! would stay in the word.
    if opened == '"':
        return None if "!" in value else re.sub(r'[\\"$`]', r"\\\g<0>", value)
    return re.sub(r"[\s'\"\\$&|;<>()`*?\[\]#~!{}^=%]", r"\\\g<0>", value)


def in_numbers(value: str) -> str:
    """A value as one word of zsh in which nothing but letters and digits stands as itself."""
    # Beyond ASCII no sign means anything to zsh, and \x stands for a byte.
    signs = (sign if sign.isalnum() or ord(sign) > 127 else f"\\x{ord(sign):02x}" for sign in value)
    return f"$'{''.join(signs)}'"


_POWERSHELL_PLAIN = re.compile(r"[^\W_][\w./:+-]*\Z")
# PowerShell takes typographic quotes for quotes.
_POWERSHELL_QUOTE = re.compile("['\u2018\u2019\u201a\u201b]")


def in_powershell(value: str) -> str | None:
    """A value as PowerShell takes it literally; None for one it would not hand to a program whole: a double
    quote, a backslash at the end, our own separator."""
    if '"' in value or value.endswith("\\") or ":::" in value:
        return None
    if value.startswith("--") and value[2:].replace("-", "").isalnum():
        return value
    if _POWERSHELL_PLAIN.match(value):
        return value
    return "'" + _POWERSHELL_QUOTE.sub(r"\g<0>\g<0>", value) + "'"
