"""Decorators: lines at the beginning of an entry's content that start with `@@`.

SillyTavern applies two of them and removes all from the text. We apply those that make sense in a terminal;
the others are removed from the text too, but kept in the file.

See docs/spec/formats.md: Decorators.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

from lunalux_core.worldbook.entry import AFTER, AT_DEPTH, BEFORE, Entry

_POSITIONS = {"before_desc": BEFORE, "after_desc": AFTER, "before_char": BEFORE, "after_char": AFTER}
_ROLES = {"system": 0, "user": 1, "assistant": 2}
_OWN = ("after", "every", "additional_keys", "exclude_keys")
_Reader = Callable[[str], tuple[str, dict[str, Any]] | None]


@dataclass(frozen=True, slots=True)
class Decorations:
    """The conditions that decorators add to the activation of an entry.

    Args:
        force: True for `@@activate`, False for `@@dont_activate`, else None.
        after, every: activate only after so many messages of the character, and only at every n-th.
        additional_keys: at least one of these must be in the text, if there are any.
        exclude_keys: none of these may be in the text.
    """

    force: bool | None = None
    after: int = 0
    every: int = 0
    additional_keys: tuple[str, ...] = ()
    exclude_keys: tuple[str, ...] = ()

    def due(self, replies: int) -> bool:
        """Whether the entry may be activated in a chat with that many messages of the character."""
        return replies >= self.after and not (self.every and replies % self.every)


def decorated(entry: Entry, all_known: bool) -> tuple[Entry, Decorations | None]:
    """The entry with the changes of its decorators, and their conditions; None if it has no decorators.

    Args:
        all_known: apply the decorators of card V3 too; otherwise only the two of SillyTavern.
    """
    if not entry.content.startswith("@@"):
        return entry, None
    lines = entry.content.split("\n")
    head = list(takewhile(lambda line: line.startswith("@@"), lines))
    changes_of: dict[str, dict[str, Any]] = {}
    for name, change in _applied(head, _any if all_known else _sillytavern):
        changes_of.setdefault(name, change)  # of decorators with the same name the first applies
    changes: dict[str, Any] = {}
    for change in (
        *changes_of.values(),
        changes_of.get("position", {}),
    ):  # a position takes precedence over a depth
        changes |= change
    if len(head) < len(lines):  # a content of decorators only is not changed
        content = "\n".join(lines[len(head) :])
        changes["content"] = content.lstrip("\n") if all_known else content
    force = True if "activate" in changes_of else False if "dont_activate" in changes_of else None
    own = {name: changes.pop(name) for name in _OWN if name in changes}
    return replace(entry, **changes), Decorations(force, **own)


def _applied(lines: list[str], read: _Reader) -> Iterator[tuple[str, dict[str, Any]]]:
    """The decorators that apply; `@@@x` is a fallback, used only if the decorator before it is unknown."""
    unknown = False
    for line in lines:
        if line.startswith("@@@") and not unknown:
            continue
        decorator = read(line.removeprefix("@@@") if line.startswith("@@@") else line.removeprefix("@@"))
        unknown = decorator is None
        if decorator is not None:
            yield decorator


def _sillytavern(line: str) -> tuple[str, dict[str, Any]] | None:
    """SillyTavern recognises any line that begins with one of the two names, but only the exact name has an
    effect."""
    return (line, {}) if line.startswith(("activate", "dont_activate")) else None


def _any(line: str) -> tuple[str, dict[str, Any]] | None:
    name, _, value = line.strip().partition(" ")
    changes = _changes(name, value.strip())
    return None if changes is None else (name, changes)


def _changes(name: str, value: str) -> dict[str, Any] | None:
    """The changes of a decorator; None if it is unknown or its value is invalid."""
    # Bounded, because `int` raises for texts of thousands of digits.
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
