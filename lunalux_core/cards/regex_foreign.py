"""Regex scripts of RisuAI as those of SillyTavern: there, other words say what is changed, and when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lunalux_core.cards.coerce import as_text

_PLACES: dict[str, dict[str, Any]] = {
    "editinput": {"placement": [1]},
    "editoutput": {"placement": [2]},
    "editprocess": {"placement": [1, 2], "promptOnly": True},
    "editdisplay": {"placement": [1, 2], "markdownOnly": True},
}
"""Of Risu's kinds of script, those that have a counterpart; the others (translation) are left out."""

_FLAGS = frozenset("gimsuy")


def read_risu(document: Mapping[str, Any]) -> tuple[list[dict[str, Any]], int]:
    """The scripts of a RisuAI file as SillyTavern's objects, and how many have no counterpart."""
    items = document.get("data")
    all_of = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    found = list(_scripts(all_of))
    return found, len(all_of) - len(found)


def _scripts(items: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for item in items:
        where = _PLACES.get(as_text(item.get("type")).lower())
        pattern = as_text(item.get("in"))
        if where is None or not pattern:
            continue
        asked = as_text(item.get("flag")) if item.get("ableFlag") else "g"
        flags = "".join(dict.fromkeys(letter for letter in asked if letter in _FLAGS)) or "g"
        yield {
            "scriptName": as_text(item.get("comment")) or pattern[:40],
            "findRegex": f"/{pattern}/{flags}",
            "replaceString": as_text(item.get("out")).replace("$&", "{{match}}"),
            "trimStrings": [],
            "disabled": False,
            "runOnEdit": True,
            "substituteRegex": 0,
            "minDepth": None,
            "maxDepth": None,
            "markdownOnly": False,
            "promptOnly": False,
            **where,
        }
