"""Decorators: leading `@@` lines of an entry's content.

SillyTavern obeys two of them and removes all from the text. We obey those that make sense in a terminal;
the others are removed from the text as well, and stay in the file.

See docs/spec/formats.md: Decorators.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

from lunalux_core.worldbook.read import AFTER, AT_DEPTH, BEFORE, Entry

_POSITIONS = {"before_desc": BEFORE, "after_desc": AFTER, "before_char": BEFORE, "after_char": AFTER}
_ROLES = {"system": 0, "user": 1, "assistant": 2}
_OWN = ("after", "every", "additional_keys", "exclude_keys")
_Reader = Callable[[str], tuple[str, dict[str, Any]] | None]


@dataclass(frozen=True, slots=True)
class Decorations:
    """What decorators say about when an entry fires.

    `force` is True for `@@activate` and False for `@@dont_activate`. `after` and `every` count messages of
    the character. Of `additional_keys` one must be in the text, of `exclude_keys` none.
    """

    force: bool | None = None
    after: int = 0
    every: int = 0
    additional_keys: tuple[str, ...] = ()
    exclude_keys: tuple[str, ...] = ()

    def due(self, replies: int) -> bool:
        """Whether the entry may fire in a chat with that many messages of the character."""
        return replies >= self.after and not (self.every and replies % self.every)


def decorated(entry: Entry, all_known: bool) -> tuple[Entry, Decorations | None]:
    """The entry as its decorators make it, and what else they say; None where there are none.

    Args:
        all_known: obey the decorators of V3 too; else only the two that SillyTavern knows.
    """
    if not entry.content.startswith("@@"):
        return entry, None
    lines = entry.content.split("\n")
    head = list(takewhile(lambda line: line.startswith("@@"), lines))
    changes_of: dict[str, dict[str, Any]] = {}
    for name, change in _obeyed(head, _any if all_known else _sillytavern):
        changes_of.setdefault(name, change)  # of several decorators of one name the first counts
    changes: dict[str, Any] = {}
    for change in (*changes_of.values(), changes_of.get("position", {})):  # a position counts before a depth
        changes |= change
    if len(head) < len(lines):  # a text of decorators alone is left as it is
        content = "\n".join(lines[len(head) :])
        changes["content"] = content.lstrip("\n") if all_known else content
    force = True if "activate" in changes_of else False if "dont_activate" in changes_of else None
    own = {name: changes.pop(name) for name in _OWN if name in changes}
    return replace(entry, **changes), Decorations(force, **own)


def _obeyed(lines: list[str], read: _Reader) -> Iterator[tuple[str, dict[str, Any]]]:
    """The decorators in force: `@@@x` stands in for the one before it if that is unknown."""
    unknown = False
    for line in lines:
        if line.startswith("@@@") and not unknown:
            continue
        decorator = read(line.removeprefix("@@@") if line.startswith("@@@") else line.removeprefix("@@"))
        unknown = decorator is None
        if decorator is not None:
            yield decorator


def _sillytavern(line: str) -> tuple[str, dict[str, Any]] | None:
    """There, known is what begins like one of the two, and meant is only the bare word."""
    return (line, {}) if line.startswith(("activate", "dont_activate")) else None


def _any(line: str) -> tuple[str, dict[str, Any]] | None:
    name, _, value = line.strip().partition(" ")
    changes = _changes(name, value.strip())
    return None if changes is None else (name, changes)


def _changes(name: str, value: str) -> dict[str, Any] | None:
    """What a decorator changes, None if it is unknown or its value makes no sense."""
    number = int(value) if value.isdecimal() and len(value) < 10 else None
    match name:
        case "activate" | "dont_activate":
            return {}
        case "depth" if number is not None:
            return {"position": AT_DEPTH, "depth": number}
        case "position" if value in _POSITIONS:
            return {"position": _POSITIONS[value]}
        case "role" if value in _ROLES:
            return {"role": _ROLES[value]}
        case "scan_depth" if number is not None:
            return {"scan_depth": number}
        case "activate_only_after" if number is not None:
            return {"after": number}
        case "activate_only_every" if number:
            return {"every": number}
        case "additional_keys" | "exclude_keys" if value:
            return {name: tuple(part for item in value.split(",") if (part := item.strip()))}
        case _:
            return None
