"""The border: text from outside is made harmless here before a terminal sees it.

`clean` keeps every readable character and removes what could act: control characters, escape
sequences as a whole, bidirectional overrides. It never parses markup; that is the front ends' business.
Widths are counted in terminal cells without the help of a terminal library, so that the core stays light.

See docs/spec/design.md: Data safety.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

STRING_LIMIT = 65_536
"""Longest operating-system command, in characters, that is removed as a whole. One that never ends loses
only its introducer: a stray ``ESC ]`` in a reply must not swallow the rest of the story."""

_BIDI = "\u202a-\u202e\u2066-\u2069"
_SUSPECT = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{_BIDI}\ud800-\udfff]")

_STRING_START = r"(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])"
_STRING_BODY = rf"[^\x07\x18\x1a\x1b\x80-\x9f]{{0,{STRING_LIMIT}}}+"
_CSI = r"(?:\x1b\[|\x9b)[0-?]{0,64}+[ -/]{0,16}+"
_TOKEN = re.compile(
    rf"(?P<newline>\r\n?)"
    rf"|(?P<pair>[\ud800-\udbff][\udc00-\udfff])|(?P<lone>[\ud800-\udfff])"
    rf"|{_STRING_START}{_STRING_BODY}(?:\x1b\\|[\x07\x18\x1a\x9c]|(?=[\x1b\x80-\x9f]))"
    rf"|{_STRING_START}"
    rf"|{_CSI}[@-~]?"
    rf"|\x1b[ -/]{{0,8}}+[0-~]?"
    rf"|[\x00-\x08\x0b-\x1f\x7f-\x9f{_BIDI}]"
)
_OPEN_TAIL = re.compile(
    rf"(?:\r|[\ud800-\udbff]|{_STRING_START}{_STRING_BODY}\x1b?|{_CSI}|\x1b[ -/]{{0,8}}+)\Z"
)
_ENDS_STRING = re.compile(r"[\x07\x18\x1a\x1b\x80-\x9f]")


def clean(text: str) -> str:
    """Text that cannot act on a terminal.

    Removed: C0 and C1 controls except newline and tab, DEL, escape sequences (CSI, OSC, DCS and the
    others, 7-bit and 8-bit forms), bidirectional embeddings, overrides and isolates. ``\\r\\n`` and a lone
    ``\\r`` become ``\\n``; a lone surrogate becomes U+FFFD, a pair the character it stands for.
    Harmless text is returned as the same object after one scan.
    """
    if _SUSPECT.search(text) is None:
        return text
    return _TOKEN.sub(_replacement, text)


def _replacement(match: re.Match[str]) -> str:
    kind = match.lastgroup
    if kind is None:
        return ""
    if kind == "newline":
        return "\n"
    if kind == "lone":
        return "\ufffd"
    return match.group().encode("utf-16", "surrogatepass").decode("utf-16")


def clean_line(text: str, limit: int = 200) -> str:
    """A name for one line: cleaned, white space folded to single blanks, at most `limit` characters."""
    line = " ".join(clean(text[: limit * 8]).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


class StreamCleaner:
    """`clean` for text that arrives in pieces; a sequence cut in two is recognised all the same.

    The pieces returned by `feed`, with what `flush` returns at the end, make exactly `clean(whole)`.
    """

    def __init__(self) -> None:
        self._held: list[str] = []
        self._held_length = 0
        self._in_string = False

    def feed(self, chunk: str) -> str:
        """The part of what came so far that is certain; the rest is held back for the next call."""
        if self._in_string and _ENDS_STRING.search(chunk) is None:
            self._held.append(chunk)
            self._held_length += len(chunk)
            if self._held_length <= STRING_LIMIT:
                return ""
            chunk = ""
        text = "".join((*self._held, chunk))
        tail = _OPEN_TAIL.search(text) if _SUSPECT.search(text) else None
        certain, held = (text, "") if tail is None else (text[: tail.start()], tail.group())
        self._held = [held]
        self._held_length = len(held)
        self._in_string = len(held) > 1 and re.match(_STRING_START, held) is not None
        # An introducer also ends a command before it, so the cleaner must see it; alone it leaves no text.
        return clean(certain if held[:1] in ("\r", "") or held >= "\ud800" else certain + held[0])

    def flush(self) -> str:
        """What was held back, now that nothing follows."""
        text, self._held, self._held_length, self._in_string = "".join(self._held), [], 0, False
        return clean(text)


@lru_cache(maxsize=4096)
def _character_width(character: str) -> int:
    category = unicodedata.category(character)
    if category in ("Mn", "Me", "Cf", "Cc", "Cs", "Zl", "Zp") and character != "\u00ad":
        return 0
    code = ord(character)
    if 0x1160 <= code <= 0x11FF or 0xD7B0 <= code <= 0xD7FF:  # Hangul vowels and finals join the initial
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _is_regional(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _clusters(text: str) -> Iterator[tuple[int, int]]:
    """(end index, width in cells) of each group of characters that a terminal draws as one."""
    index, length = 0, len(text)
    while index < length:
        first = text[index]
        width = _character_width(first)
        index += 1
        if _is_regional(first) and _is_regional(text[index : index + 1]):  # together a flag
            index, width = index + 1, 2
        while index < length:
            following = text[index]
            if following == "\u200d" and index + 1 < length and width == 2:
                index += 2  # an emoji joined to an emoji
            elif following == "\ufe0f":
                index, width = index + 1, 2 if width else 0
            elif "\U0001f3fb" <= following <= "\U0001f3ff" and width == 2:
                index += 1  # a skin tone
            elif _character_width(following) == 0:
                index += 1
            else:
                break
        yield index, width


def cell_width(text: str) -> int:
    """Width of one line in terminal cells: CJK and emoji two, combining characters none."""
    if text.isascii():
        return len(text)
    return sum(width for _, width in _clusters(text))


def truncate_cells(text: str, width: int, ellipsis: str = "…") -> str:
    """The text if it fits in `width` cells, otherwise its beginning with `ellipsis`, together no wider."""
    if len(text) <= width // 2 or cell_width(text) <= width:
        return text
    room = width - cell_width(ellipsis)
    if room < 0:
        return ""
    end = used = 0
    for stop, cells in _clusters(text):
        if used + cells > room:
            break
        end, used = stop, used + cells
    return text[:end] + ellipsis


def coupon_code(text: str) -> str:
    """A coupon code as it is kept and looked up: without blanks, full-width signs as ordinary ones."""
    return "".join(unicodedata.normalize("NFKC", text).split())
