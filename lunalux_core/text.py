"""The border: text from outside is made harmless here before a terminal sees it.

`clean` keeps every readable character and removes what could act: control characters, escape
sequences as a whole, bidirectional overrides. It never parses markup; that is the front ends' business.

See docs/spec/design.md: Data safety.
"""

from __future__ import annotations

import re
import unicodedata

STRING_LIMIT = 65_536
"""Longest operating-system command, in characters, that is removed as a whole. One that never ends loses
only its introducer: a stray ``ESC ]`` in a reply must not swallow the rest of the story."""

_BIDI = "\u202a-\u202e\u2066-\u2069"
_SUSPECT = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{_BIDI}\ud800-\udfff]")

_SURROGATE = re.compile("[\ud800-\udfff]")
_PAIR_OR_LONE = re.compile("(?P<pair>[\ud800-\udbff][\udc00-\udfff])|(?P<lone>[\ud800-\udfff])")

INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0") | {
    chr(code) for start, end in ((0xFE00, 0xFE10), (0xE0100, 0xE01F0)) for code in range(start, end)
}
"""Letters, marks and signs that show nothing: fillers, joiners, variation selectors."""
_UNSEEN = frozenset({"Cc", "Cf"})

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


def well_formed(text: str) -> str:
    """The text with every lone surrogate replaced by U+FFFD, fit for SQLite, HTTP and a terminal."""
    if text.isascii() or _SURROGATE.search(text) is None:
        return text
    return _PAIR_OR_LONE.sub(_replacement, text)


def is_blank(text: str) -> bool:
    """Whether there is nothing to see: white space, controls, joiners and other invisible signs alone."""
    return all(
        character.isspace() or character in INVISIBLE or unicodedata.category(character) in _UNSEEN
        for character in text
    )


def clean_line(text: str, limit: int = 200) -> str:
    """A name for one line: cleaned, white space folded to single blanks, at most `limit` characters; empty
    where nothing of it can be seen."""
    line = " ".join(clean(text[: limit * 8]).split())
    if not line.isascii() and is_blank(line):
        return ""
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
        certain, pending = (text, "") if tail is None else (text[: tail.start()], tail.group())
        self._held = [pending]
        self._held_length = len(pending)
        self._in_string = len(pending) > 1 and re.match(_STRING_START, pending) is not None
        # An introducer also ends a command before it, so the cleaner must see it; alone it leaves no text.
        return clean(certain if pending[:1] in ("\r", "") or pending >= "\ud800" else certain + pending[0])

    def flush(self) -> str:
        """What was held back, now that nothing follows."""
        text, self._held, self._held_length, self._in_string = "".join(self._held), [], 0, False
        return clean(text)


def normal_email(email: str) -> str:
    """The spelling under which an address is kept and compared."""
    return unicodedata.normalize("NFKC", email).strip().lower()


def coupon_code(text: str) -> str:
    """A coupon code as it is kept and looked up: without blanks, full-width signs as ordinary ones."""
    return "".join(unicodedata.normalize("NFKC", text).split())
