"""The folder of a mirror: which of its files are ours to read, and how they are written.

Only files in their places are looked at (docs/mirror.md). A link is never followed, and nothing is read that
is no plain file. A file takes its place whole, and only where it is still as it was when it was looked at.
"""

from __future__ import annotations

import os
import re
import stat
import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath

from lunalux_core.chat.owner_lock import take_lock
from lunalux_core.database import storage_error
from lunalux_core.errors import InvalidInput, LimitExceeded, LunaluxError, StorageError
from lunalux_core.exporting.target import file_name
from lunalux_core.ids import short_id
from lunalux_core.regular_files import unreadable

HIDDEN = ".lunalux"
LARGEST = 32 * 1024 * 1024
"""Bytes of the largest file that is read."""
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".avif")
NAME_BYTES = 160
"""Most file systems take 255 bytes in a name; a number and an ending have to fit, too."""
FRESH_NS = 2_000_000_000
"""A file that was looked at so soon after its last change may have changed again within the same tick."""
_CONFLICT = re.compile(r"\(conflict \d{4}-\d\d-\d\d[^)]*\)")
# Opening a named pipe would wait for its other end, and a link may lead out of the folder.
_OPENING = (
    os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
)


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file as the folder lists it."""

    path: str
    size: int
    mtime_ns: int


class ChangedMeanwhile(Exception):
    """Somebody wrote a file after it was looked at; the next pass sees to it."""


class Folder:
    """A folder, as it was when `scan` looked.

    Attributes:
        files: what stands in its place, by path.
        odd: what stands in a place of ours and cannot be read, with the reason.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files: dict[str, ListedFile] = {}
        self.odd: dict[str, LunaluxError] = {}

    @property
    def hidden(self) -> Path:
        return self.root / HIDDEN

    def scan(self) -> None:
        """Look at the folder again."""
        self.files, self.odd = {}, {}
        for owner in [*self._folders("characters"), *self._folders("groups")]:
            if owner.startswith("characters/"):
                self._take(owner, lambda name: name == "card.json" or _is_picture(name))
            if self._is_folder(f"{owner}/stories"):
                self._take(f"{owner}/stories", lambda name: name.endswith(".md"))
        for shelf in ("worldbooks", "presets"):
            if self._is_folder(shelf):
                self._take(shelf, lambda name: name.endswith(".json"))

    def look(self) -> dict[str, tuple[int, int]]:
        """What tells this state of the folder from another."""
        return {entry.path: (entry.size, entry.mtime_ns) for entry in self.files.values()}

    def trouble(self, path: str) -> LunaluxError | None:
        """Why a path cannot be used: it, or a folder above it, is a link or no plain file."""
        if not self.odd:
            return None
        at = PurePosixPath(path)
        return next((self.odd[str(p)] for p in (at, *at.parents) if str(p) in self.odd), None)

    def names_in(self, folder: str) -> set[str]:
        """The names in a folder as they are compared with each other; an empty folder is nobody's."""
        try:
            with os.scandir(self.root / folder) as entries:
                return {name_key(entry.name) for entry in entries if not _is_empty(entry)}
        except OSError:
            return set()

    def read(self, path: str) -> bytes:
        """The bytes of a file.

        Raises:
            InvalidInput: FILE_UNREADABLE, MIRROR_NOT_A_FILE. LimitExceeded: FILE_TOO_LARGE.
        """
        target = self.root / path
        try:
            with os.fdopen(os.open(target, _OPENING), "rb") as file:
                # Asked before the read: what is written while it is read counts as changed at the next look.
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode):
                    raise _no_file(path)
                data = file.read(LARGEST + 1)
        except OSError as error:
            raise unreadable(Path(path), error) from error
        if len(data) > LARGEST:
            raise LimitExceeded(
                "FILE_TOO_LARGE",
                f"{path} is larger than {LARGEST // 2**20} MB.",
                "Choose a smaller file.",
                path=path,
                limit=LARGEST,
            )
        self.files[path] = ListedFile(path, status.st_size, status.st_mtime_ns)
        return data

    def write(self, path: str, data: bytes) -> ListedFile:
        """Let a file be `data`, or leave it as it is.

        Raises:
            ChangedMeanwhile: it is not as it was when it was looked at. StorageError: it cannot be written.
        """
        target = self.root / path
        try:
            new = self._new(data)
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                self._check(path)
                self._same_mode(target, new)
                status = new.stat()
                # Nothing lies between the look and the exchange but this line.
                new.replace(target)
            finally:
                new.unlink(missing_ok=True)
        except OSError as error:
            raise storage_error(error, target) from error
        entry = self.files[path] = ListedFile(path, status.st_size, status.st_mtime_ns)
        return entry

    def move(self, path: str, to: Path) -> None:
        """Move a file out of the way, to a name that nobody has, as `write` would.

        Raises:
            ChangedMeanwhile, StorageError. InvalidInput: MIRROR_LINK, its new place is behind a link.
        """
        for parent in to.parents:
            if self.root in parent.parents and parent.is_symlink():
                raise _no_link(parent.relative_to(self.root).as_posix())
        try:
            to.parent.mkdir(parents=True, exist_ok=True)
            self._check(path)
            (self.root / path).replace(to)
        except OSError as error:
            raise storage_error(error, to) from error
        self.files.pop(path, None)
        for parent in (self.root / path).parents:
            if parent == self.root:
                break
            with suppress(OSError):
                parent.rmdir()  # only an empty one goes

    def trash_path(self, path: str) -> Path:
        """Where a file goes that the library has not any more."""
        place = self.hidden / "trash" / path
        number = 2
        while os.path.lexists(place):
            at = Path(path)
            place = self.hidden / "trash" / at.with_name(f"{at.stem} ({number}){at.suffix}")
            number += 1
        return place

    def conflict_path(self, path: str, data: bytes) -> tuple[str, bool]:
        """The name beside a file for the version of it that loses its name, and whether it has it already."""
        at = PurePosixPath(path)
        day = time.strftime("%Y-%m-%d")
        number = 1
        while True:
            mark = f"(conflict {day}{f' {number}' if number > 1 else ''})"
            beside = str(at.with_name(f"{at.stem} {mark}{at.suffix}"))
            target = self.root / beside
            if not os.path.lexists(target):
                return beside, False
            with suppress(LunaluxError):
                if self.read(beside) == data:
                    return beside, True
            # `read` has listed it, but a version that lost its name is no file of ours.
            self.files.pop(beside, None)
            number += 1

    def prepare(self) -> None:
        """Make the folder and its hidden part, which git is told to leave alone. Raises StorageError."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            for own in (self.hidden, self.hidden / "tmp"):
                if own.is_symlink():
                    raise _no_link(HIDDEN)
                own.mkdir(mode=0o700, exist_ok=True)
            ignore = self.hidden / ".gitignore"
            if not os.path.lexists(ignore):
                ignore.write_text("*\n", "utf-8")
        except OSError as error:
            raise storage_error(error, self.root) from error

    def lock(self) -> int:
        """The lock of the folder, as an open file that is to be closed.

        Raises:
            StorageError: MIRROR_BUSY, another program mirrors into it; or it cannot be written to.
        """
        try:
            flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
            file = os.open(self.hidden / "lock", flags, 0o600)
        except OSError as error:
            raise storage_error(error, self.hidden / "lock") from error
        if not take_lock(file):
            os.close(file)
            raise StorageError(
                "MIRROR_BUSY",
                f"Another `lunalux mirror` works on {self.root}.",
                "End it first, or let it do the work.",
                path=str(self.root),
            )
        for left in (self.hidden / "tmp").iterdir():  # of a program that was killed
            with suppress(OSError):
                left.unlink()
        return file

    def _new(self, data: bytes) -> Path:
        # Within the folder, because a file replaces another at once only on the same file system.
        new = self.hidden / "tmp" / short_id()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(new, flags, 0o600), "wb") as file:
            file.write(data)
        return new

    def _same_mode(self, target: Path, new: Path) -> None:
        with suppress(FileNotFoundError):
            new.chmod(target.lstat().st_mode & 0o777)

    def _check(self, path: str) -> None:
        for part in (PurePosixPath(path), *PurePosixPath(path).parents):
            if (self.root / part).is_symlink() and str(part) != ".":
                raise ChangedMeanwhile(path)
        listed = self.files.get(path)
        try:
            status = (self.root / path).lstat()
        except FileNotFoundError:
            if listed is not None:
                raise ChangedMeanwhile(path) from None
            return
        if listed is None or (status.st_size, status.st_mtime_ns) != (listed.size, listed.mtime_ns):
            raise ChangedMeanwhile(path)

    def _folders(self, above: str) -> Iterator[str]:
        if not self._is_folder(above):
            return
        for name in self._listed(above):
            path = f"{above}/{name}"
            # A file beside these folders is the person's own, and nothing to tell of.
            if not (self.root / path).is_file() and self._is_folder(path):
                yield path

    def _is_folder(self, path: str) -> bool:
        """Whether a folder is there; one behind a link is odd."""
        try:
            mode = (self.root / path).lstat().st_mode
        except OSError:
            return False
        if stat.S_ISLNK(mode):
            self.odd[path] = _no_link(path)
        elif not stat.S_ISDIR(mode):
            self.odd[path] = _no_file(path)
        return stat.S_ISDIR(mode)

    def _listed(self, folder: str) -> list[str]:
        try:
            names = [path.name for path in (self.root / folder).iterdir()]
        except OSError as error:
            self.odd[folder] = unreadable(Path(folder), error)
            return []
        return sorted(name for name in names if not name.startswith("."))

    def _take(self, folder: str, is_ours: Callable[[str], bool]) -> None:
        for name in self._listed(folder):
            if not is_ours(name) or _CONFLICT.search(name):
                continue
            path = f"{folder}/{name}"
            with suppress(FileNotFoundError):
                status = (self.root / path).lstat()
                if stat.S_ISREG(status.st_mode):
                    self.files[path] = ListedFile(path, status.st_size, status.st_mtime_ns)
                elif stat.S_ISLNK(status.st_mode):
                    self.odd[path] = _no_link(path)
                else:
                    self.odd[path] = _no_file(path)


def is_fresh(entry: ListedFile) -> bool:
    """Whether a file changed so lately that its size and time do not tell it from the next version."""
    return time.time_ns() - entry.mtime_ns < FRESH_NS


def data_hash(data: bytes) -> str:
    """Identity of the bytes of a file."""
    return sha256(data).hexdigest()[:32]


def name_key(name: str) -> str:
    """A file name as file systems compare it that know no case or compose letters."""
    return unicodedata.normalize("NFC", name).casefold()


def free_name(wanted: str, taken: set[str], ending: str = "") -> str:
    """A file name for words from outside that none of `taken` (keys) has; it is added to them."""
    base = file_name(unicodedata.normalize("NFC", wanted))
    # Cut by bytes, at the end of a letter.
    base = base.encode("utf-8", "replace")[:NAME_BYTES].decode("utf-8", "ignore").rstrip(" ._")
    # A title that looks like the mark of a conflict would make its file one that is left alone.
    base = _CONFLICT.sub(lambda mark: mark[0].replace(" ", "-", 1), base)
    name, number = f"{base}{ending}", 2
    while name_key(name) in taken:
        name = f"{base} ({number}){ending}"
        number += 1
    taken.add(name_key(name))
    return name


def _is_picture(name: str) -> bool:
    stem, dot, _ending = name.rpartition(".")
    return stem == "card" and f"{dot}{_ending}" in PICTURES


def _is_empty(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder with nothing in it, which a killed program may have left."""
    if not entry.is_dir(follow_symlinks=False):
        return False
    with suppress(OSError), os.scandir(entry.path) as inside:
        return next(inside, None) is None
    return False


def _no_link(path: str) -> InvalidInput:
    return InvalidInput(
        "MIRROR_LINK",
        f"{path} is a link, which a mirror does not follow.",
        "Put the file itself there.",
        path=path,
    )


def _no_file(path: str) -> InvalidInput:
    return InvalidInput(
        "MIRROR_NOT_A_FILE",
        f"{path} is not what belongs in its place.",
        "Move it away; the mirror needs a plain file or folder there.",
        path=path,
    )
