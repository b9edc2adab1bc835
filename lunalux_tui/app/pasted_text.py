"""A paste is text, whatever is in it: control characters in one press no keys.

A terminal puts a paste between two marks. Textual's parser of input reads on for escape sequences between
them, and hands the letters of those it does not know to the app as keys, in the midst of a paste. So a paste
is made harmless before that parser sees it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from textual._time import get_time
from textual._xterm_parser import BRACKETED_PASTE_END, BRACKETED_PASTE_START, XTermParser

from lunalux_core.text import clean

if TYPE_CHECKING:
    from textual.driver import Driver
    from textual.message import Message

LOST_SECONDS = 10.0
"""After so long without a letter a paste counts as ended: a terminal that loses the end mark would otherwise
take the keyboard away for ever."""

_MARK = len(BRACKETED_PASTE_START)


class PasteCleaner:
    """Takes what a terminal sends, in any pieces, and gives it on with every paste cleaned (`text.clean`).

    What is outside of pastes is given on unchanged and at once, a paste when its end has come.
    """

    def __init__(self) -> None:
        self._before = ""
        """The end of what was given on, which may be the beginning of a mark."""
        self._paste: list[str] | None = None
        """The pieces of a paste whose end has not come."""

    @property
    def in_paste(self) -> bool:
        return self._paste is not None

    def feed(self, data: str) -> str:
        """What to give on, which may be nothing yet."""
        out: list[str] = []
        while data:
            if self._paste is None:
                given, data = self._outside(data)
            else:
                given, data = self._inside(self._paste, data)
            out.append(given)
        return "".join(out)

    def end(self) -> str:
        """What to give on of a paste whose end does not come."""
        pieces, self._paste, self._before = self._paste, None, ""
        return "" if pieces is None else clean("".join(pieces)) + BRACKETED_PASTE_END

    def _outside(self, data: str) -> tuple[str, str]:
        known = self._before + data
        begin = known.find(BRACKETED_PASTE_START)
        if begin < 0:
            self._before = known[1 - _MARK :]
            return data, ""
        end = begin + _MARK - len(self._before)
        self._paste, self._before = [], ""
        return data[:end], data[end:]

    def _inside(self, pieces: list[str], data: str) -> tuple[str, str]:
        # The end mark may be cut: the last piece goes on until it is as long as one.
        last = pieces.pop() if pieces else ""
        known = last + data
        end = known.find(BRACKETED_PASTE_END)
        if end < 0:
            pieces += (known[: 1 - _MARK], known[1 - _MARK :])
            return "", ""
        body = clean("".join((*pieces, known[:end])))
        self._paste = None
        return body + BRACKETED_PASTE_END, known[end + _MARK :]


class PasteParser(XTermParser):
    """Textual's parser of what a terminal sends, behind a `PasteCleaner`."""

    def __init__(self, debug: bool = False) -> None:
        self._cleaner = PasteCleaner()
        self._heard = 0.0
        super().__init__(debug)

    def feed(self, data: str) -> Iterable[Message]:
        if not data:  # the end of all input
            yield from super().feed("")
            return
        self._heard = get_time()
        if cleaned := self._cleaner.feed(data):
            yield from super().feed(cleaned)

    def tick(self) -> Iterable[Message]:
        yield from super().tick()
        if self._cleaner.in_paste and get_time() - self._heard > LOST_SECONDS:
            yield from super().feed(self._cleaner.end())


def with_clean_pastes(driver: type[Driver]) -> type[Driver]:
    """A driver whose input is read by `PasteParser`; one that has no parser as it is."""
    # Drivers make their parser by this name in the midst of their reading, Windows' in a module of its own.
    for name in (driver.__module__, "textual.drivers.win32"):
        module = sys.modules.get(name)
        if module is not None and hasattr(module, "XTermParser"):
            module.XTermParser = PasteParser  # type: ignore[attr-defined]
    return driver
