"""ZIP archives of strangers, read under limits.

Nothing is ever unpacked to a path that an archive names: files are read into memory, one by one, and what
the table of contents claims is judged first, since unpacking never gives more than that. How a refusal is
told is up to whoever knows what the archive is: a card, files to import, a backup.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from sys import maxsize
from typing import IO, TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from pathlib import Path
    from zipfile import ZipExtFile, ZipFile, ZipInfo

START = b"PK\x03\x04"
"""How the first file of an archive begins."""

_MB = 1024 * 1024
_MAX_RATIO = 400
_SYMLINK = 0o120000
_FILE_TYPE = 0o170000


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """What an archive may hold: number of files, bytes of one, bytes of all, unpacked.

    A file larger than `ratio_from` bytes may grow at most 400-fold; below, the ratio says nothing.
    """

    files: int
    file: int
    together: int
    ratio_from: int


CARD = ArchiveLimits(10_000, 512 * _MB, 512 * _MB, 1 * _MB)
COLLECTION = ArchiveLimits(50_000, 256 * _MB, maxsize, 16 * _MB)
"""Files to import; each is read, imported and let go before the next. The largest are archives themselves."""

BACKUP = ArchiveLimits(maxsize, 64 * 1024 * _MB, 64 * 1024 * _MB, maxsize)
"""Unpacked to the disk; chats that repeat themselves pack well."""


class DamagedArchive(Exception):
    """The archive is cut, locked, or packed in a way nobody knows; the message says what is wrong."""


class TooLarge(Exception):
    """A file or all of them unpack to more than the limits allow."""


class TooManyFiles(Exception):
    """The archive lists more files than the limits allow."""


@contextmanager
def reading() -> Iterator[None]:
    """Raise DamagedArchive for what the readers of archives raise; the system's own errors (OSError) pass."""
    from zipfile import BadZipFile
    from zlib import error as ZlibError

    # A damaged file that is packed by LZMA; not every Python has that module.
    lzma_error = getattr(_lzma(), "LZMAError", BadZipFile)
    faults = (BadZipFile, ZlibError, lzma_error, EOFError, RuntimeError, NotImplementedError, ValueError)
    try:
        yield
    except faults as error:
        raise DamagedArchive(str(error) or type(error).__name__) from error


def open_archive(file: Path | IO[bytes]) -> ZipFile:
    """Open an archive for reading. Raises DamagedArchive, and OSError where the file cannot be read."""
    from zipfile import ZipFile

    with reading():
        return ZipFile(file)


def check_number(infos: Sequence[ZipInfo], limits: ArchiveLimits) -> None:
    """Hold the length of a table of contents against the limits. Raises TooManyFiles."""
    if len(infos) > limits.files:
        raise TooManyFiles


def check_sizes(infos: Sequence[ZipInfo], limits: ArchiveLimits) -> None:
    """Hold the sizes of all files against the limits. Raises TooLarge."""
    if sum(info.file_size for info in infos) > limits.together:
        raise TooLarge
    for info in infos:
        check_size(info, limits)


def check_size(info: ZipInfo, limits: ArchiveLimits) -> None:
    """Hold one file's entry against the limits. Raises TooLarge."""
    # The sizes that the table of contents claims can be trusted that far: zipfile never unpacks more than
    # it says.
    bomb = info.file_size > limits.ratio_from and info.file_size > info.compress_size * _MAX_RATIO
    if bomb or info.file_size > limits.file:
        raise TooLarge


def leads_out(info: ZipInfo) -> bool:
    """Whether a file's name is a path that leaves the archive, or the file is a link."""
    # The name as it is written: `filename` was cut at a NUL and has its slashes changed.
    name = info.orig_filename
    parts = name.replace("\\", "/").split("/")
    outside = name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0] or "\0" in name
    return outside or (info.external_attr >> 16) & _FILE_TYPE == _SYMLINK


def is_locked(info: ZipInfo) -> bool:
    """Whether a password is needed to read a file."""
    return bool(info.flag_bits & 1)


def read(archive: ZipFile, info: ZipInfo, limit: int, plain: int | None = None) -> bytes:
    """A file's bytes.

    Args:
        limit: the most bytes it may have.
        plain: the most bytes it may have when it is no archive itself, `limit` by default.

    Raises:
        DamagedArchive, TooLarge.
    """
    try:
        with reading(), archive.open(info) as opened:
            file = cast("ZipExtFile", opened)
            # By its first bytes: an archive inside may be larger than a
            # plain file, and its name says nothing.
            if plain is not None and info.file_size > plain and file.peek(4)[:4] != START:
                raise TooLarge
            # One byte more than allowed shows that there is more.
            content = file.read(limit + 1)
    except OSError as error:
        raise DamagedArchive(str(error) or type(error).__name__) from error
    if len(content) > limit:
        raise TooLarge
    return content


def _lzma() -> Any:
    try:
        import lzma
    except ImportError:
        return None
    return lzma
