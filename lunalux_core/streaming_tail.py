"""The whole of a streaming reply on file, piece by piece, before anybody sees it (SPEC 3).

The library takes a streaming reply twice a second; what was shown since then would go with a program that is
killed. A piece costs one write to an open file here, so none is shown that is not kept. The file is gone
when the reply is complete in the library.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Kept:
    """What a file held of a reply."""

    text: str
    thinking: str


def _file_of(library: Path, reply_id: str) -> Path:
    return library.with_name("streaming") / f"{reply_id}.jsonl"


class Tail:
    """The file of one reply. Opened with the first piece; a disk that refuses leaves only the library."""

    def __init__(self, library: Path, reply_id: str, base: str) -> None:
        self._path = _file_of(library, reply_id)
        self._base = base
        self._file = -1
        self._refused = False

    def add(self, text: str = "", thinking: str = "") -> None:
        """Keep a piece; from here on a kill does not lose it."""
        if self._refused:
            return
        try:
            if self._file < 0:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
                text = self._base + text
            os.write(self._file, json.dumps([text, thinking]).encode() + b"\n")
        except OSError:
            self._refused = True

    def turn(self, text: str, thinking: str) -> None:
        """What is kept so far is something else: these words and this reasoning in place of all."""
        if self._file < 0 or self._refused:
            return
        try:
            os.write(self._file, json.dumps([self._base + text, thinking, True]).encode() + b"\n")
        except OSError:
            self._refused = True

    def remove(self) -> None:
        """The library has it all."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        _remove(self._path)


def read_tail(library: Path, reply_id: str) -> Kept | None:
    """What the file of a killed program holds of a reply; its last piece may be cut and is left out then."""
    try:
        lines = _file_of(library, reply_id).read_bytes().split(b"\n")
    except OSError:
        return None
    pieces = [json.loads(line) for line in lines[:-1]]
    anew = max((place for place, piece in enumerate(pieces) if len(piece) > 2), default=0)
    return Kept("".join(piece[0] for piece in pieces[anew:]), "".join(piece[1] for piece in pieces[anew:]))


def tails(library: Path) -> list[str]:
    """Ids of the replies that have a file beside the library file `library`."""
    return [file.stem for file in _file_of(library, "").parent.glob("*.jsonl")]


def remove_tails(library: Path, replies: Iterable[str]) -> None:
    """Remove the files of replies that are complete in the library."""
    for reply in replies:
        _remove(_file_of(library, reply))


def _remove(file: Path) -> None:
    with suppress(OSError):  # read-only, or still open in another program: the next start removes it
        file.unlink(missing_ok=True)
