"""Regex scripts of RisuAI as those of SillyTavern: there, other words say what is changed, and when.

RisuAI puts its output into a text as JavaScript does (``$$`` is a dollar, ``$&`` the match), reads further
instructions between angle brackets among a pattern's flags, and takes an output that begins with ``@@`` as a
command. What has no counterpart is left out, or done as far as it goes, and told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lunalux_core.documents.coerce import as_flag, as_integer, as_text

_PLACES: dict[str, dict[str, Any]] = {
    "editinput": {"placement": [1]},
    "editoutput": {"placement": [2]},
    "editprocess": {"placement": [1, 2], "promptOnly": True},
    "editdisplay": {"placement": [1, 2], "markdownOnly": True},
    "disabled": {"placement": [1, 2], "disabled": True},
}
"""Of Risu's kinds of script, those that have a counterpart; the others (translation) are left out."""

_KNOWN_FLAGS = "dgimsuvy"
_META = re.compile(r"<(.+?)>")
_ELSEWHERE = ("inject", "move_top", "move_bottom", "repeat_back")
"""Instructions that do something with the text beyond replacing it where it stands."""
_REFERENCE = re.compile(r"\$(?:\$|&|`|'|(\d{1,2})|<([^>]*)>)")
_NOTHING = "$<->"
"""A reference to a group that cannot be: it stands for nothing, and keeps a dollar apart from a digit."""


@dataclass(frozen=True, slots=True)
class _Flags:
    """`letters` without doubles; `order` is higher for what runs earlier."""

    letters: str
    actions: tuple[str, ...] = ()
    order: int = 0


def is_risu(document: Mapping[str, Any]) -> bool:
    """Whether a file is one of RisuAI's that holds scripts: an export of them, or a module."""
    kind, items = document.get("type"), _items(document)
    return isinstance(items, list) and (kind == "regex" or (kind == "risuModule" and bool(items)))


def read_risu(document: Mapping[str, Any]) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """The scripts of a RisuAI file as SillyTavern's objects, in the order they run, and what to tell."""
    items = _items(document)
    all_of = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    scripts: list[tuple[int, dict[str, Any]]] = []
    half_done: dict[str, None] = {}
    for item in all_of:
        flags = _flags(item)
        if (script := _script(item, flags)) is not None:
            scripts.append((flags.order, script))
            half_done.update(dict.fromkeys(action for action in flags.actions if action in _ELSEWHERE))
    scripts.sort(key=lambda pair: -pair[0])
    return [script for _, script in scripts], tuple(_notes(len(all_of) - len(scripts), list(half_done)))


def _notes(left_out: int, half_done: list[str]) -> Iterator[str]:
    if left_out:
        yield f"{left_out} of the scripts have no counterpart outside of RisuAI and were left out."
    if half_done:
        named = ", ".join(f"<{flag}>" for flag in half_done)
        yield f"RisuAI's {named} is not done here: these scripts replace the text where it stands."


def _items(document: Mapping[str, Any]) -> Any:
    return document.get("regex" if document.get("type") == "risuModule" else "data")


def _script(item: Mapping[str, Any], flags: _Flags) -> dict[str, Any] | None:
    """One script, None where it has no counterpart."""
    where = _PLACES.get(as_text(item.get("type")).lower())
    pattern = as_text(item.get("in"))
    replaced = _replacement(item, pattern, flags)
    if where is None or not pattern or replaced is None or "y" in flags.letters:
        return None
    return {
        "scriptName": as_text(item.get("comment")) or pattern[:40],
        "findRegex": f"/{_slashed(pattern)}/{flags.letters}",
        "replaceString": replaced,
        "trimStrings": [],
        "disabled": False,
        "runOnEdit": True,
        "substituteRegex": 1 if "cbs" in flags.actions else 0,
        "minDepth": None,
        "maxDepth": None,
        "markdownOnly": False,
        "promptOnly": False,
        **where,
    }


def _flags(item: Mapping[str, Any]) -> _Flags:
    """The flags of a script, its instructions taken out of them; the letter v is meant as u."""
    if not as_flag(item.get("ableFlag")):
        return _Flags("g")
    flags = as_text(item.get("flag"))
    metas = [meta.strip() for flag in _META.findall(flags) for meta in flag.split(",")]
    orders = [as_integer(meta[6:], 0) for meta in metas if meta.startswith("order ")]
    usable = [letter for letter in (_META.sub("", flags) or "g") if letter in _KNOWN_FLAGS]
    plain = "".join(usable).replace("d", "").replace("v", "u")
    letters = "".join(dict.fromkeys(plain)) or ("" if usable else "u")
    actions = tuple(meta for meta in metas if not meta.startswith("order "))
    return _Flags(letters, actions, orders[-1] if orders else 0)


def _slashed(pattern: str) -> str:
    """A pattern as it stands between slashes on one line."""
    escaped = re.sub(
        r"\\.|/", lambda match: "\\/" if match.group() == "/" else match.group(), pattern, flags=re.S
    )
    for sign, written in (("\n", "\\n"), ("\r", "\\r"), ("\u2028", "\\u2028"), ("\u2029", "\\u2029")):
        escaped = escaped.replace("\\" + sign, written).replace(sign, written)
    return escaped


def _replacement(item: Mapping[str, Any], pattern: str, flags: _Flags) -> str | None:
    """The output in SillyTavern's words, None for a command and for the text around a match."""
    out = as_text(item.get("out")).replace("$n", "\n").replace("{{data}}", "$&")
    if out.startswith("@@"):
        return None
    if out.endswith(">") and "no_end_nl" not in flags.actions:
        out += "\n"
    groups, names = _groups(pattern)
    if any(match.group() in ("$`", "$'") for match in _REFERENCE.finditer(out)):
        return None
    pieces: list[str] = []
    place = 0
    for match in _REFERENCE.finditer(out):
        pieces += (out[place : match.start()], _reference(match, groups, names, out[match.end() :]))
        place = match.end()
    return "".join((*pieces, out[place:]))


def _reference(match: re.Match[str], groups: int, names: bool, rest: str) -> str:
    text = match.group()
    if text == "$&":
        return "{{match}}"
    if text == "$$":
        return _dollar(rest)
    if match[2] is not None:
        return text if names else _dollar(text[1:]) + text[1:]
    digits, after = match[1], ""
    if len(digits) == 2 and not 1 <= int(digits) <= groups:  # then it is one digit and a text
        digits, after = digits[0], digits[1]
    if not 1 <= int(digits) <= groups:
        return _dollar(digits) + digits + after
    return f"${int(digits)}" + (_NOTHING if (after or rest)[:1].isdigit() else "") + after


def _dollar(rest: str) -> str:
    """A dollar sign that is none of a reference, whatever follows."""
    return "$" + (_NOTHING if rest[:1].isdigit() or rest[:1] == "<" else "")


def _groups(pattern: str) -> tuple[int, bool]:
    """How many groups a pattern captures, and whether any has a name."""
    bare = re.sub(r"\\.|\[(?:\\.|[^\]\\])*\]", "", pattern, flags=re.S)
    named = len(re.findall(r"\(\?<(?![=!])", bare))
    return len(re.findall(r"\((?!\?)", bare)) + named, named > 0
