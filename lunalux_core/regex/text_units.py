"""ECMAScript sees text as 16-bit units, the `regress` engine as code points; this file is the bridge.

Without the `u` flag a character beyond U+FFFF is two units, and `.` or `\\ud83d` matches one of them.
Rust strings cannot hold half a character, so each half is shown to the engine as one character of a block
in plane 15 (U+F0000 to U+F07FF). No text collides with it, because every character of plane 15 is itself
split. The pattern is rewritten with the same mapping.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections.abc import Iterable

_ASTRAL = re.compile("[\U00010000-\U0010ffff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_TOUCHES_HALVES = re.compile("[\U00010000-\U0010ffff\ud800-\udfff]|\\\\u[dD][89a-fA-F]")
_SHIFT = 0xF0000 - 0xD800
_HALVES = range(0xD800, 0xE000)


def to_units(text: str) -> str:
    """Every character beyond U+FFFF as its two surrogates; other text is returned as it is."""
    if _ASTRAL.search(text) is None:
        return text
    return "".join(
        map(chr, array("H", text.encode("utf-16-le" if _LITTLE else "utf-16-be", "surrogatepass")))
    )


def from_units(text: str) -> str:
    """The reverse: pairs are joined, a half that lost its partner stays one."""
    if _SURROGATE.search(text) is None:
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


_LITTLE = array("H", [1]).tobytes()[0] == 1


class Subject:
    """One text prepared for the engine, and the way back from byte offsets to indices of that text."""

    def __init__(self, text: str, unicode: bool) -> None:
        """`unicode`: the pattern has the `u` or `v` flag, characters are whole."""
        self._astral: list[int] | None = None
        if unicode:
            shown = _SURROGATE.sub("\ufffd", text)
        else:
            units = to_units(text)
            if units is not text:
                places = enumerate(match.start() for match in _ASTRAL.finditer(text))
                self._astral = [start + before for before, start in places]
            shown = _SURROGATE.sub(lambda half: chr(ord(half.group()) + _SHIFT), units)
        self.shown = shown
        """What the engine is given."""
        self.halves = shown is not text and not unicode
        """Whether the mapping of halves took place, so that the pattern needs it too."""
        self._bytes = None if shown.isascii() else shown.encode()
        self.plain = self._bytes is None
        """Whether byte offsets are indices already."""

    def indices(self, offsets: Iterable[int]) -> dict[int, tuple[int, int]]:
        """For each byte offset its index as the start and as the end of a match.

        The two differ only inside a character that was split: a match is widened to whole characters.
        """
        result: dict[int, tuple[int, int]] = {}
        units = characters = 0
        for offset in sorted(set(offsets)):
            if self._bytes is not None:
                characters += len(self._bytes[units:offset].decode())
                units = offset
            else:
                characters = offset
            result[offset] = self._whole(characters)
        return result

    def _whole(self, unit: int) -> tuple[int, int]:
        if self._astral is None:
            return unit, unit
        begun = bisect_right(self._astral, unit - 1)
        inside = begun > 0 and self._astral[begun - 1] == unit - 1
        return unit - begun, unit - begun + inside


def has_halves(pattern: str) -> bool:
    """Whether the pattern itself speaks of characters beyond U+FFFF or of halves of them."""
    return _TOUCHES_HALVES.search(pattern) is not None


# The longest escapes first: else `\u0041` would be a `u` and four more characters.
_ATOM = re.compile(r"\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2}|\\c[A-Za-z]|\\[0-7]{1,3}|\\.|.", re.S)
_SIMPLE = {"\\n": 10, "\\r": 13, "\\t": 9, "\\v": 11, "\\f": 12, "\\b": 8, "\\0": 0}


def rewrite(pattern: str) -> str:
    """A pattern without the `u` flag, so that it means on mapped halves what ECMAScript means on units."""
    result: list[str] = []
    members: list[str] | None = None  # the atoms of the character class we are in
    for atom in _ATOM.findall(to_units(pattern)):
        if members is not None:
            if atom == "]":
                result += [*_class(members), "]"]
                members = None
            else:
                members.append(atom)
        elif atom == "[":
            result.append(atom)
            members = []
        else:
            result.append(_mapped(atom))
    return "".join((*result, *(members or ())))


def _class(members: list[str]) -> list[str]:
    result = [members.pop(0)] if members[:1] == ["^"] else []
    index = 0
    while index < len(members):
        if index + 2 < len(members) and members[index + 1] == "-":
            result.append(_range(members[index], members[index + 2]))
            index += 3
        else:
            result.append(_mapped(members[index]))
            index += 1
    return result


def _range(low: str, high: str) -> str:
    first, last = _code(low), _code(high)
    if first is None or last is None or first > last or first >= _HALVES.stop or last < _HALVES.start:
        return f"{_mapped(low)}-{_mapped(high)}"
    start, stop = max(first, _HALVES.start), min(last, _HALVES.stop - 1)
    parts = [f"{chr(start + _SHIFT)}-{chr(stop + _SHIFT)}"]
    if first < _HALVES.start:
        parts.insert(0, f"{low}-\\uD7FF")
    if last >= _HALVES.stop:
        parts.append(f"\\uE000-{high}")
    return "".join(parts)


def _mapped(atom: str) -> str:
    code = _code(atom)
    return chr(code + _SHIFT) if code is not None and code in _HALVES else atom


def _code(atom: str) -> int | None:
    """The unit an atom stands for, None for a class such as ``\\w``."""
    if len(atom) == 1:
        return ord(atom)
    if atom in _SIMPLE:
        return _SIMPLE[atom]
    if atom[1] in "ux" and len(atom) > 2:
        return int(atom[2:], 16)
    if atom[1] == "c" and len(atom) == 3:
        return ord(atom[2]) % 32
    if atom[1] in "01234567":
        return int(atom[1:], 8)
    return None if atom[1] in "dDsSwWbB" else ord(atom[1])


# Escapes and classes first, so that a parenthesis inside of them opens no group.
_GROUP = re.compile(r"\\.|\[(?:\\.|[^\]\\])*\]?|\((?!\?)|\(\?<(?![=!])([^>]*)>", re.S)


def groups_of(pattern: str) -> tuple[int, tuple[str, ...]]:
    """How many capturing groups a pattern has, and the names among them."""
    count, names = 0, []
    for match in _GROUP.finditer(pattern):
        if match.group().startswith("("):
            count += 1
            if match.group(1):
                names.append(match.group(1))
    return count, tuple(dict.fromkeys(names))
