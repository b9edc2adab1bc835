"""Which files an import means: paths, folders, globs, lists, and the members of zip archives.

Of a SillyTavern data folder only what Lunalux can use is taken; pictures of other things, caches and
secrets are left alone, and their names are told. Nothing is ever unpacked to a path that an archive names.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath

from lunalux_core.errors import InvalidInput, LimitExceeded, LunaluxError, NotFound
from lunalux_core.importing.results import ImportResult, failed

ENDINGS = (".png", ".json", ".charx", ".yaml", ".yml", ".jpg", ".jpeg")
"""Of files that may hold a card."""

ALL_ENDINGS = (*ENDINGS, ".jsonl", ".zip", ".byaf", ".risum", ".risup")
"""Of files that an import looks at; the last three to say that they are not read."""

MAX_MEMBERS = 50_000
MAX_MEMBER = 256 * 1024 * 1024
MAX_RATIO = 400
RATIO_APPLIES_FROM = 16 * 1024 * 1024

_LEFT_FOLDERS = (
    "thumbnails", "User Avatars", "backgrounds", "themes", "movingUI", "QuickReplies", "NovelAI Settings",
    "KoboldAI Settings", "vectors", "assets", "extensions",
    "user", "backups", "files", "_uploads", "_cache", "_storage",
)  # fmt: skip
_LEFT_FILES = ("secrets.json", "stats.json", "content.log", "image-metadata.json")
_LEFT = frozenset((*_LEFT_FOLDERS, *_LEFT_FILES))
"""What lies in a SillyTavern data folder and is of no use here."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file inside a zip archive."""

    archive: Path
    name: str
    size: int
    opened: zipfile.ZipFile = field(repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.archive}!{self.name}"

    def read(self) -> bytes:
        """Raises LimitExceeded (ARCHIVE_TOO_LARGE), InvalidInput (ARCHIVE_DAMAGED)."""
        try:
            info = self.opened.getinfo(self.name)
            packed = max(info.compress_size, 1)
            with self.opened.open(info) as file:
                data = file.read(MAX_MEMBER + 1)
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, OSError):
            raise _damaged(str(self)) from None
        if len(data) > MAX_MEMBER or (len(data) > RATIO_APPLIES_FROM and len(data) / packed > MAX_RATIO):
            raise _too_large(str(self))
        return data


Source = Path | Member


def place(source: Source) -> PurePath:
    """The path of a source, for its name, its ending and the folders it lies in."""
    return source if isinstance(source, Path) else PurePosixPath(source.name)


def size_of(source: Source) -> int:
    return source.stat().st_size if isinstance(source, Path) else source.size


def read_source(source: Source) -> bytes:
    return source.read_bytes() if isinstance(source, Path) else source.read()


def expand(arguments: Iterable[str], stdin: Iterable[str] = ()) -> Iterator[Path | ImportResult]:
    """Card files named by paths, folders (recursively), globs, and `-` for a list on stdin, in stable order.

    A path that does not exist comes out as a failed result.
    """
    for path in _named(arguments, stdin):
        if isinstance(path, Path) and path.is_dir():
            yield from (file for file in _inside(path) if file.suffix.lower() in ENDINGS)
        else:
            yield path


def gather(
    arguments: Iterable[str], stdin: Iterable[str] = (), left: set[str] | None = None
) -> Iterator[Source | ImportResult]:
    """Files of every kind, named like those of `expand`, and the members of zip archives.

    Args:
        left: takes the names of what was left alone in a SillyTavern data folder.
    """
    left = set() if left is None else left
    for path in _named(arguments, stdin):
        if isinstance(path, ImportResult):
            yield path
            continue
        if path.is_dir():
            files = list(_inside(path))
            names = [file.relative_to(path).parts for file in files]
            kept = _useful(names, left)
            found = [file for file, good in zip(files, kept, strict=True) if good]
        else:
            found = [path]
        for file in found:
            if file.suffix.lower() == ".zip":
                yield from _members(file, left)
            else:
                yield file


def _named(arguments: Iterable[str], stdin: Iterable[str]) -> Iterator[Path | ImportResult]:
    for argument in arguments:
        if argument == "-":
            yield from _named((line.strip() for line in stdin if line.strip()), ())
            continue
        path = Path(argument).expanduser()
        if path.exists():
            yield path
        elif found := sorted(Path(path.anchor or ".").glob(str(path.relative_to(path.anchor)))):
            yield from (file for file in found if file.is_file())
        else:
            error = NotFound(
                "FILE_NOT_FOUND", f"There is no file {argument}.", "Check the path.", path=argument
            )
            yield failed(argument, error)


def _inside(folder: Path) -> Iterator[Path]:
    return (file for file in sorted(folder.rglob("*")) if file.is_file())


def _useful(names: Sequence[tuple[str, ...]], left: set[str]) -> list[bool]:
    """For each file, by the parts of its path, whether an import looks at it."""
    folders: dict[tuple[str, ...], set[str]] = {}
    for parts in names:
        for depth in range(len(parts) - 1):
            folders.setdefault(parts[:depth], set()).add(parts[depth])
    roots = {folder for folder, inside in folders.items() if _is_sillytavern(inside)}
    return [_kept(parts, roots, left) for parts in names]


def _is_sillytavern(folders: set[str]) -> bool:
    return "characters" in folders and bool(folders & {"chats", "worlds", "OpenAI Settings", "group chats"})


def _kept(parts: tuple[str, ...], roots: set[tuple[str, ...]], left: set[str]) -> bool:
    for depth in range(len(parts)):
        if parts[:depth] in roots:
            if parts[depth] in _LEFT:
                left.add(parts[depth])
                return False
            if parts[depth] == "characters" and len(parts) > depth + 2:
                left.add("pictures of expressions")
                return False
    return PurePosixPath(parts[-1]).suffix.lower() in ALL_ENDINGS


def _members(path: Path, left: set[str]) -> Iterator[Source | ImportResult]:
    """What is in a zip archive; the archive itself when it is a card."""
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError):
        yield failed(path, _damaged(str(path)))
        return
    infos = [info for info in archive.infolist() if not info.is_dir()]
    if any(info.filename.lower() == "card.json" for info in infos):
        yield path
        return
    if len(infos) > MAX_MEMBERS:
        yield failed(path, _too_large(str(path)))
        return
    kept = _useful([PurePosixPath(info.filename).parts or ("",) for info in infos], left)
    for info, good in zip(infos, kept, strict=True):
        if good and not info.filename.lower().endswith(".zip"):
            yield Member(path, info.filename, info.file_size, archive)


def unreadable(source: Source, error: OSError) -> LunaluxError:
    reason = str(error.strerror or error)
    return InvalidInput(
        "FILE_UNREADABLE",
        f"{source} cannot be read: {reason}.",
        "Check its permissions.",
        path=str(source),
        reason=reason,
    )


def _damaged(path: str) -> InvalidInput:
    return InvalidInput(
        "ARCHIVE_DAMAGED",
        f"{path} cannot be unpacked: it is damaged or locked by a password.",
        "Get it again, or unpack it yourself and import the folder.",
        path=path,
    )


def _too_large(path: str) -> LimitExceeded:
    return LimitExceeded(
        "ARCHIVE_TOO_LARGE",
        f"{path} unpacks to more than an archive of characters and chats does.",
        "Unpack it yourself and import the folder.",
        path=path,
    )
