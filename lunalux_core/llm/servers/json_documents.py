"""JSON documents out of a body that has no events: one, several in a row, or the items of one list.

They are handed out as soon as each is there, so what came before a fault is not lost with what did not. Where
the documents end is found by reading them: how the bytes were cut on the way does not matter.
"""

from __future__ import annotations

import json
import re

_JSON = json.JSONDecoder(strict=False)
"""Some servers put line breaks and tabs into their strings as they are."""
_BETWEEN = re.compile(r"[\s,]*")
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"|["{}\[\]]', re.DOTALL)
_HEX = "[0-9a-fA-F]"
_STRING_PART = re.compile(
    rf"(?:[^\\]++|\\[^u]|\\u(?![dD][89abAB]{_HEX}{{2}}(?:\\|\\u{_HEX}{{0,3}})?\Z){_HEX}{{4}})*+", re.DOTALL
)
_BARE_END = re.compile(r"[\s,]*[\w.+-]*\Z")
_SHORT = 8 * 1024
_GROWTH = 1.25
_LONG = 1024 * 1024


def parsed_json(text: str) -> object | None:
    """The value of a JSON text; None where it is none."""
    try:
        value: object = _JSON.decode(text)
    except (ValueError, RecursionError):
        return None
    return value


def json_among(text: str) -> list[object | None]:
    """The values of a text that is not one: events joined without a blank line, or with their field name.

    None for each line that is nothing; the end mark of a stream is a string.
    """
    values: list[object | None] = []
    place, broken = 0, False
    while (place := _past(text, place)) < len(text):
        if text.startswith("data:", place):
            place += len("data:")
            continue
        # Past a broken line only whole lines count: what follows may be the inside of what broke.
        if text[place] in "{[" and not broken:
            try:
                value, place = _JSON.raw_decode(text, place)
                values.append(value)
                continue
            except (ValueError, RecursionError):
                pass
        end = text.find("\n", place)
        line = text[place : end if end >= 0 else len(text)].strip()
        value = line if is_end_mark(line) else parsed_json(line)
        broken = broken or value is None
        values.append(value)
        place = end if end >= 0 else len(text)
    return values


def is_end_mark(text: str) -> bool:
    """Whether this is the end mark of a stream, as some servers write it."""
    return text.strip("\"'[] ").upper() == "DONE"


class JsonDocuments:
    """Feed it bytes as they come, take the documents that are complete."""

    def __init__(self) -> None:
        self.taken = 0
        """How many documents were handed out."""
        self.held = 0
        """Bytes of a document that is not complete."""
        self._listed = False
        self._pieces: list[bytes] = []
        self._tried = 0

    @property
    def whole(self) -> bool:
        """Whether documents came and nothing is left open."""
        return self.taken > 0 and not self._listed and not any(piece.strip() for piece in self._pieces)

    def feed(self, chunk: bytes) -> list[object]:
        """Return documents that `chunk` completes; `close` returns those that are seen only then."""
        self._pieces.append(chunk)
        self.held += len(chunk)
        # Only with a bracket can one end; a long one is not read again before it has grown.
        may_end = b"}" in chunk or b"]" in chunk
        return self.close() if may_end and self.held > self._tried * _GROWTH - _SHORT else []

    def close(self) -> list[object]:
        """Return what is there, whatever the last byte is."""
        text = b"".join(self._pieces).decode("utf-8", "replace")
        documents: list[object] = []
        place = _past(text, 0)
        while place < len(text):
            if text[place] == "[" and not self._listed:
                self._listed, place = True, place + 1
            elif text[place] == "]" and self._listed:
                self._listed, place = False, place + 1
            else:
                try:
                    document, place = _JSON.raw_decode(text, place)
                except (ValueError, RecursionError):
                    break
                documents.append(document)
            place = _past(text, place)
        self._pieces = [text[place:].encode()] if place < len(text) else []
        self.held = self._tried = sum(map(len, self._pieces))
        self.taken += len(documents)
        return documents

    def unfinished(self) -> object | None:
        """What the document says that did not come to its end; None where nothing is to be had of it."""
        return _completed(b"".join(self._pieces).decode("utf-8", "ignore")) if self.held < _LONG else None


def _completed(text: str) -> object | None:
    """What a document that was cut off says so far; None where that cannot be told."""
    open_ones: list[str] = []
    head = text
    for token in _TOKEN.finditer(text):
        mark = token[0]
        if mark in "{[":
            open_ones.append("}" if mark == "{" else "]")
        elif mark in "}]" and open_ones:
            open_ones.pop()
        elif mark == '"':
            # Half an escaped character at the very end, or the first half of a pair, is none.
            string = _STRING_PART.match(text, token.end())
            head = text[: string.end() if string else len(text)] + '"'
            break
    ends = "".join(reversed(open_ones))
    # It may break off behind a name, behind a colon, or in a bare word.
    bare = _BARE_END.sub("", head, count=1)
    for begun in (head, head + ":null", head + "null", bare, bare + "null"):
        if value := parsed_json(begun + ends):
            return value
    return None


def _past(text: str, place: int) -> int:
    """Where the next document begins."""
    match = _BETWEEN.match(text, place)
    return match.end() if match else place
