"""The help of commands: laid out in cells, in the person's language.

The English texts are those that the commands declare; `locales/help.<language>.json` holds every paragraph
of them in another language, by its English. What is to be typed stays as it is in every language.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from lunalux_tui import i18n
from lunalux_tui.i18n import t

WIDEST = 100
"""Cells of a line, also on a wider terminal: longer ones are hard to read."""
NARROWEST = 40
GAP = 2
NAMES = 30
"""Widest column of options and arguments; a longer one has its text on the next line."""


def help_of(command: Any, context: Any) -> str:
    """The help of a command, without a newline at its end."""
    width = min(max(shutil.get_terminal_size().columns, NARROWEST), WIDEST)
    parts = ["\n".join(_wrapped(t("cli.help.usage", line=_usage(command, context)), width, 7))]
    parts += _paragraphs(command.help or "", width)
    shown = [param for param in command.get_params(context) if not getattr(param, "hidden", False)]
    arguments = [param for param in shown if param.param_type_name == "argument"]
    options = [param for param in shown if param.param_type_name == "option"]
    tables = [
        ("arguments", [(_argument(param, bare=True), _about(param)) for param in arguments]),
        ("options", [(_option(param), _about(param)) for param in options]),
        ("commands", list(_commands(command, context))),
    ]
    parts += ["\n".join([t(f"cli.help.{key}"), *_table(rows, width)]) for key, rows in tables if rows]
    if tables[-1][1]:
        parts += ["\n".join(_wrapped(t("cli.help.more", path=context.command_path), width))]
    return "\n\n".join(parts)


def told(text: str) -> str:
    """A text of the help in the language in use; as it is where there is none."""
    # Docstrings are wrapped as the source needs it; the catalogue has a paragraph in one line.
    text = " ".join(text.split())
    return sentences(i18n.language()).get(text, text)


@cache
def sentences(language: str) -> Mapping[str, str]:
    """The texts of the help in a language, by their English; none for English."""
    path = i18n.FOLDER / f"help.{language}.json"
    texts: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return texts


def prose(text: str) -> Iterator[tuple[str, str]]:
    """The parts of a help text as (kind, text): `words` to be translated, `example` with its commands, and
    `code` to be shown as it stands."""
    for part in text.split("\n\n"):
        line = " ".join(part.split())
        label, _, rest = line.partition(": ")
        if part.startswith("    "):
            yield "code", part.rstrip()
        elif label in ("Example", "Examples"):
            yield label.lower(), rest
        elif line.startswith(("lunalux ", "echo ")):
            yield "code", f"    {line}"
        elif line:
            yield "words", line


def _paragraphs(text: str, width: int) -> Iterator[str]:
    for kind, part in prose(text):
        if kind == "code":
            yield part
        elif kind == "words":
            yield "\n".join("  " + line for line in _wrapped(told(part), width - 2))
        else:
            yield "  " + t(f"cli.help.{kind}", line=part)  # never wrapped: it is there to be copied


def _usage(command: Any, context: Any) -> str:
    words = [context.command_path, t("cli.help.options_word")]
    words += [_argument(p) for p in command.params if p.param_type_name == "argument" and not p.hidden]
    if hasattr(command, "list_commands"):
        words.append(t("cli.help.command_word"))
    return " ".join(words)


def _argument(param: Any, *, bare: bool = False) -> str:
    """CHARACTER, PATH…; in brackets in the usage where it can be left out."""
    name = (param.metavar or param.name.upper()).strip("[]{}")
    if param.nargs != 1:
        name = name.removesuffix("...").removesuffix("…") + "…"
    return name if bare or param.required else f"[{name}]"


_VALUES = {"int": "N", "float": "NUMBER", "Path": "PATH"}


def _option(param: Any) -> str:
    both = [*param.opts, *param.secondary_opts]
    names = ", ".join(sorted(both, key=lambda name: name.startswith("--")))
    if param.is_flag or getattr(param, "count", False):
        return names
    return f"{names} {param.metavar or _value(param)}"


def _value(param: Any) -> str:
    """What stands for the value: the choices where there are a few, else the kind of thing."""
    shown = str(getattr(getattr(param, "type_descriptor", None), "annotation", ""))
    choices = re.search(r"Literal\[([^]]+)", shown)
    if choices:
        return "|".join(re.findall(r"'([^']+)'", choices[1]))
    return next((word for kind, word in _VALUES.items() if kind in shown), "TEXT")


def _about(param: Any) -> str:
    """What a parameter is for, then its limits and default."""
    low, high = getattr(param, "min", None), getattr(param, "max", None)
    # As texts: bounds and defaults are written as a person types them, without marks for thousands.
    facts = []
    if low is not None or high is not None:
        key = "between" if None not in (low, high) else "at_most" if low is None else "at_least"
        facts.append(t(f"cli.help.{key}", low=str(low), high=str(high)))
    if param.param_type_name == "option" and param.required:
        facts.append(t("cli.help.required"))
    default = param.default
    # "" and -1 stand for nothing chosen, which the text of the option explains.
    if isinstance(default, (str, int, float)) and not isinstance(default, bool) and default not in ("", -1):
        facts.append(t("cli.help.default", value=str(default)))
    about = told(param.help or "")
    if not facts:
        return about
    return t("cli.help.facts", about=about, facts=t("cli.help.facts_comma").join(facts)).strip()


def _commands(command: Any, context: Any) -> Iterator[tuple[str, str]]:
    if not hasattr(command, "list_commands"):
        return
    about = getattr(command, "about", None)
    for name in command.list_commands(context):
        # The nouns of the program, which would have to be imported to be asked themselves.
        if about is not None:
            yield name, told(about(name))
            continue
        below = command.get_command(context, name)
        if not below.hidden:
            yield name, told(_first_words(below.help or ""))


def _first_words(text: str) -> str:
    return next((part for kind, part in prose(text) if kind == "words"), "")


def _table(rows: list[tuple[str, str]], width: int) -> Iterator[str]:
    from rich.cells import cell_len

    column = min(max(cell_len(name) for name, _ in rows), NAMES, width // 2)
    for name, text in rows:
        lines = list(_wrapped(text, width - column - 2 * GAP)) or [""]
        if cell_len(name) > column:
            yield " " * GAP + name
        else:
            yield (" " * GAP + name + " " * (column - cell_len(name) + GAP) + lines.pop(0)).rstrip()
        yield from (" " * (column + 2 * GAP) + line for line in lines)


def _wrapped(text: str, width: int, indent: int = 0) -> list[str]:
    """Lines of at most `width` cells; those after the first are indented by `indent`."""
    from lunalux_tui.render.wrap import wrap
    from lunalux_tui.theme.styles import PLAIN

    rest = [(" " * indent, PLAIN)] if indent else []
    return ["".join(piece for piece, _ in line).rstrip() for line in wrap([(text, PLAIN)], width, rest=rest)]
