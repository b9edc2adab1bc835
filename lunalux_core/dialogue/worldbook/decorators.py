"""Decorators: leading `@@` lines of an entry's content (FORMATS 2.10)."""

from __future__ import annotations

from dataclasses import replace

from lunalux_core.cards.worldbook import AFTER, AT_DEPTH, BEFORE, Entry

_POSITIONS = {"before_desc": BEFORE, "after_desc": AFTER, "before_char": BEFORE, "after_char": AFTER}
_ROLES = {"system": 0, "user": 1, "assistant": 2}


class Decorated:
    """An entry with its decorators applied and taken off the text.

    `force` is True for `@@activate`, False for `@@dont_activate`, None otherwise.
    """

    __slots__ = ("activate_every", "activate_from", "entry", "exclude_keys", "force")

    def __init__(self, entry: Entry) -> None:
        self.force: bool | None = None
        self.activate_from = 0
        self.activate_every = 0
        self.exclude_keys: tuple[str, ...] = ()
        self.entry = entry
        if entry.content.startswith("@@"):
            self._apply(entry)

    def _apply(self, entry: Entry) -> None:
        lines = entry.content.split("\n")
        count = next((i for i, line in enumerate(lines) if not line.startswith("@@")), len(lines))
        if count == len(lines):
            # Nothing but decorators: SillyTavern keeps such a text, and obeys only the two it knows.
            self._force(lines)
            return
        self.entry = replace(entry, content="\n".join(lines[count:]))
        self._force(lines[:count])
        for line in lines[:count]:
            name, _, value = line.lstrip("@").strip().partition(" ")
            self._one(name, value.strip())

    def _force(self, lines: list[str]) -> None:
        names = [line.strip() for line in lines]
        if "@@dont_activate" in names:
            self.force = False
        elif "@@activate" in names:
            self.force = True

    def _one(self, name: str, value: str) -> None:
        entry = self.entry
        number = int(value) if value.isdigit() else None
        if name == "scan_depth" and number is not None:
            self.entry = replace(entry, scan_depth=number)
        elif name == "activate_only_after" and number is not None:
            self.activate_from = number
        elif name == "activate_only_every" and number:
            self.activate_every = number
        elif name == "additional_keys" and value:
            self.entry = replace(entry, keys=(*entry.keys, *_list(value)))
        elif name == "exclude_keys" and value:
            self.exclude_keys = _list(value)
        elif name == "role" and value in _ROLES:
            self.entry = replace(entry, role=_ROLES[value])
        elif name == "position" and value in _POSITIONS:
            self.entry = replace(entry, position=_POSITIONS[value])
        elif name == "depth" and number is not None:
            self.entry = replace(entry, position=AT_DEPTH, depth=number)

    def due(self, length: int) -> bool:
        """Whether the decorators let the entry speak in a chat of that many messages."""
        if self.activate_from and length < self.activate_from:
            return False
        return not self.activate_every or length % self.activate_every == 0


def _list(value: str) -> tuple[str, ...]:
    return tuple(part for item in value.split(",") if (part := item.strip()))
