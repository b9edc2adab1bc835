"""Variables of macros, kept per branch: a base that is never changed, and what was changed on top.

The values of a conversation's path are put together from the deltas stored with its messages, so that
regenerating or switching a branch starts from the state of that branch.
Numbers follow ECMAScript, because cards were written for it: ``"07"`` reads as 7, ``"3" + 4`` adds.

See docs/spec/formats.md: Macro values.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

Changes = Mapping[str, str | None]
"""New values by name; None means deleted."""


@dataclass(frozen=True, slots=True)
class VariableDelta:
    """What one message changed. Both parts are plain JSON objects."""

    local: Changes = field(default_factory=dict)
    global_: Changes = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.local or self.global_)


class Scope:
    """One set of variables: `base` is shared and stays untouched, `changes` is this branch's own."""

    def __init__(self, base: Mapping[str, str] | None = None, changes: Changes | None = None) -> None:
        self._base: Mapping[str, str] = {} if base is None else base
        self._changes: dict[str, str | None] = dict(changes or {})

    @property
    def changes(self) -> Changes:
        return MappingProxyType(self._changes)

    def raw(self, name: str) -> str | None:
        """The stored text, None if there is no such variable."""
        return self._changes[name] if name in self._changes else self._base.get(name)

    def has(self, name: str) -> bool:
        return self.raw(name) is not None

    def get(self, name: str) -> str:
        """The value as a macro shows it: a number in its shortest form, empty if there is none."""
        value = self.raw(name)
        if not value:
            return ""
        number = to_number(value)
        # Blank text counts as 0, but is shown as it is.
        return value if number is None or not value.strip() else format_number(number)

    def set(self, name: str, value: str) -> None:
        self._changes[name] = value

    def delete(self, name: str) -> None:
        # None hides the value of the base, which other branches share.
        if name in self._base:
            self._changes[name] = None
        else:
            self._changes.pop(name, None)

    def add(self, name: str, value: str) -> str:
        """Numbers are added, anything else is appended; a value that is a JSON array gets one more item."""
        # An empty value counts as 0; a 0 gives way to text that is put after it, as in SillyTavern.
        current = self.raw(name) or "0"
        items = _array(current)
        if items is not None:
            self.set(name, _as_ecmascript([*items, value]))
            return self.raw(name) or ""
        left, right = to_number(current), to_number(value)
        if left is None or right is None:
            self.set(name, (self.get(name) if current != "0" else "") + value)
        else:
            self.set(name, format_number(left + right))
        return self.get(name)

    def step(self, name: str, by: int) -> str:
        """Counts up or down; an array gets the number itself as its item, not its text."""
        items = _array(self.raw(name) or "")
        if items is None:
            return self.add(name, str(by))
        self.set(name, _as_ecmascript([*items, by]))
        return self.raw(name) or ""

    def all(self) -> dict[str, str]:
        merged = {**self._base, **self._changes}
        return {name: value for name, value in merged.items() if value is not None}

    def fork(self) -> Scope:
        return Scope(self._base, self._changes)


class Variables:
    """Local variables (of one chat's branch) and global ones (of the whole library)."""

    def __init__(
        self, local: Mapping[str, str] | None = None, global_: Mapping[str, str] | None = None
    ) -> None:
        self.local = Scope(local)
        self.global_ = Scope(global_)

    @classmethod
    def along(cls, path: Iterable[VariableDelta], global_: Mapping[str, str] | None = None) -> Variables:
        """The state at the end of a path of messages, root first; nothing counts as changed yet."""
        local: dict[str, str] = {}
        for delta in path:
            for name, value in delta.local.items():
                if value is None:
                    local.pop(name, None)
                else:
                    local[name] = value
        return cls(local, global_)

    def fork(self) -> Variables:
        """A copy that can change on its own; the bases are shared."""
        copy = Variables()
        copy.local, copy.global_ = self.local.fork(), self.global_.fork()
        return copy

    def delta(self) -> VariableDelta:
        """What changed since the start: store it with the message that caused it."""
        return VariableDelta(dict(self.local.changes), dict(self.global_.changes))


_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO][0-7]+")


def to_number(text: str) -> float | None:
    """ECMAScript's ``Number(text)``, None for NaN; blank text is 0."""
    text = text.strip()
    if not text:
        return 0.0
    if text in ("Infinity", "+Infinity", "-Infinity"):
        return float(text)
    if len(text) > 400 or not _NUMBER.fullmatch(text):
        return None
    if text[:2].lower() in ("0x", "0b", "0o"):
        try:
            return float(int(text, 0))
        except OverflowError:
            return math.inf
    return float(text)


def format_number(number: float) -> str:
    """A number as ECMAScript writes it: no decimal point unless it is needed."""
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    if math.isnan(number):
        return "NaN"
    if number == int(number) and abs(number) < 1e21:
        return str(int(number))
    text = repr(number)
    # ECMAScript writes an exponent only below 1e-6, Python already below 1e-4.
    if "e-" in text and abs(number) >= 1e-6:
        return f"{number:.20f}".rstrip("0")
    mantissa, mark, exponent = text.partition("e")
    if not mark:
        return text
    sign = "-" if exponent.startswith("-") else "+"
    return f"{mantissa.removesuffix('.0')}e{sign}{exponent.lstrip('+-').lstrip('0')}"


def _as_ecmascript(items: list[object]) -> str:
    """A list as ``JSON.stringify`` writes it, so that a card can compare or take it apart as text."""
    return json.dumps(items, ensure_ascii=False, separators=(",", ":"))


def _array(text: str) -> list[object] | None:
    if not text.lstrip().startswith("["):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, list) else None
