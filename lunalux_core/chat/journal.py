"""Writes each piece of a streaming reply to a file before it is shown.

The library stores a streaming reply twice a second; a program that is killed would lose what was shown since
then. Here a piece costs one write to an open file, so everything that is shown is kept. The file is removed
when the reply is complete in the library. While a program writes a reply, it holds the lock of this file:
that is how others know that the reply is not to be touched.

See docs/spec/design.md: Data safety.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii as _quoted  # a piece a word: the shortest way
from pathlib import Path

from lunalux_core.chat.owner_lock import take_lock
from lunalux_core.text import well_formed

MOST_BYTES = 64 * 1024 * 1024
"""No reply is longer than this; of a longer file no more is read."""

# Without O_BINARY Windows would write each newline as two bytes.
_OPEN = os.O_RDWR | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True, slots=True)
class JournaledReply:
    """What a file held of a reply; `damaged` where something in it cannot be read."""

    text: str
    thinking: str
    damaged: bool = False


def _file_of(library: Path, reply_id: str) -> Path:
    return library.with_name("streaming") / f"{reply_id}.jsonl"


class ReplyJournal:
    """The file of one reply. If the disk refuses, only the library has the reply."""

    def __init__(self, library: Path, reply_id: str, base: str) -> None:
        self._path = _file_of(library, reply_id)
        self._base = base
        self._file = -1
        self._begun = self._refused = False

    def claim(self) -> bool:
        """Become the one that writes this reply; False while another program does.

        What the file of a killed program holds stays in it until the first piece is added.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = _locked(self._path, os.O_CREAT)
        except BlockingIOError:
            return False
        except OSError:
            # Without a file there is no lock either. That must not keep anybody from a reply: it is written
            # all the same, and only the library has it.
            pass
        return True

    def add(self, text: str = "", thinking: str = "") -> None:
        """Write a piece; from here on it survives a kill of the program."""
        if self._file < 0 or self._refused:
            return
        try:
            if not self._begun:
                if os.fstat(self._file).st_size:  # ext4 writes a file out at its closing once it was cut to 0
                    os.ftruncate(self._file, 0)
                self._begun = True
                # The first line holds what the reply had before (of a *continue*), so a file alone is the
                # whole text.
                text = self._base + text
            # Unbuffered: the system has the piece when this returns, so a kill cannot take it back.
            os.write(self._file, f"[{_quoted(text)}, {_quoted(thinking)}]\n".encode())
        except OSError:
            self._refused = True  # the lock is kept: the reply is still being written

    def release(self) -> None:
        """Close and unlock the file; it stays for the next start."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def turn(self, text: str, thinking: str) -> None:
        """Replace all that was kept so far by these words and this reasoning."""
        if self._file < 0 or self._refused:
            return
        try:
            # The third value tells the reader that the lines before this one do not count.
            os.write(self._file, json.dumps([self._base + text, thinking, True]).encode() + b"\n")
        except OSError:
            self._refused = True

    def remove(self) -> None:
        """The library has it all."""
        if self._file >= 0:
            _remove(self._path, self._file)
            self._file = -1


def is_held(library: Path, reply_id: str) -> bool:
    """Whether a program that lives is writing this reply."""
    try:
        os.close(_locked(_file_of(library, reply_id)))
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def read_journal(library: Path, reply_id: str) -> JournaledReply | None:
    """What the file of a killed program holds of a reply, up to the first line that cannot be read.

    Its last piece may be cut and is left out then, which is no damage.
    """
    try:
        with _file_of(library, reply_id).open("rb") as file:
            data = file.read(MOST_BYTES)
    except OSError:
        return None
    # Only a line that ends was written whole; `rest` is what a kill cut in the middle.
    *lines, rest = data.split(b"\n")
    text: list[str] = []
    thinking: list[str] = []
    damaged = b"\0" in rest  # what a power cut leaves of a block that was never written
    for line in lines:
        piece = _piece(line)
        if piece is None:
            damaged = True
            break
        if piece[2]:
            text, thinking = [], []
        text.append(piece[0])
        thinking.append(piece[1])
    return JournaledReply("".join(text), "".join(thinking), damaged)


def journaled(library: Path) -> list[str]:
    """Ids of the replies that have a file beside the library file `library`."""
    return [file.stem for file in _file_of(library, "").parent.glob("*.jsonl")]


def remove_journals(library: Path, replies: Iterable[str]) -> None:
    """Remove the files of replies that are complete in the library and that nobody writes."""
    for reply in replies:
        path = _file_of(library, reply)
        # BlockingIOError is one of them: a reply that a living program writes keeps its file.
        with suppress(OSError):
            _remove(path, _locked(path))


def set_aside(library: Path, reply_id: str) -> Path:
    """Keep a damaged file under another name, which nobody reads again; where it is now."""
    path = _file_of(library, reply_id)
    aside = path.with_suffix(".damaged")
    with suppress(OSError):
        path.replace(aside)
    return aside


def _piece(line: bytes) -> tuple[str, str, bool] | None:
    """Text, thinking, and whether they stand in place of all before; None for what is no piece."""
    try:
        piece = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(piece, list) or not 2 <= len(piece) <= 3:
        return None
    if not all(isinstance(part, str) for part in piece[:2]):
        return None
    return well_formed(piece[0]), well_formed(piece[1]), len(piece) > 2


def _locked(path: Path, flags: int = 0) -> int:
    """A locked, open file that is still the one of this name. Raises BlockingIOError while another has it."""
    while True:
        file = os.open(path, _OPEN | flags, 0o600)
        try:
            if not take_lock(file):
                raise BlockingIOError
            # Locks belong to files and not to names: without this, two programs could each hold one of the
            # same name.
            if os.path.samestat(os.fstat(file), path.stat()):
                return file
        except FileNotFoundError:
            if not flags & os.O_CREAT:
                os.close(file)
                raise
        except BaseException:
            os.close(file)
            raise
        os.close(file)  # its owner removed it between the opening and the lock


def _remove(path: Path, file: int) -> None:
    """Remove a file that is open and locked; Windows lets go of its name only when it is closed."""
    if os.name == "nt":
        os.close(file)
    with suppress(OSError):  # read-only, or open in another program: the next start removes it
        path.unlink(missing_ok=True)
    if os.name != "nt":
        os.close(file)
