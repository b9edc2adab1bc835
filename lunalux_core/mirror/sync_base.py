"""What the library and a folder agreed on last, file by file, in `.lunalux/base.jsonl` of the folder.

A line is added when a file is as the library has it, after the file or the library was written: a program
that is killed before finds both alike and adds the line then. A later line of a path counts in place of an
earlier one.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from lunalux_core.database import storage_error
from lunalux_core.ids import short_id

MirrorKind = Literal["card", "picture", "story", "copy", "group", "worldbook", "preset"]
"""A `copy` is a file of a story that another file has, too; only when it changes it asks for anything."""
_KINDS = get_args(MirrorKind)
_PLACES = ("characters/", "groups/", "worldbooks/", "presets/")
_OPENING = (
    os.O_RDWR
    | os.O_APPEND
    | os.O_CREAT
    | getattr(os, "O_BINARY", 0)
    # A link that somebody planted would let our lines go into another file.
    | getattr(os, "O_NOFOLLOW", 0)
)
_SPARE = 1024 * 1024
"""Bytes that may be out of date before the file is written anew."""


@dataclass(frozen=True, slots=True)
class Record:
    """A file that both sides agreed on.

    Args:
        path: within the folder, with `/` between its parts.
        id: of the character, conversation, group, worldbook or preset.
        file: hash of its bytes.
        library: what tells a version of the thing in the library from others.
        size, mtime_ns, seen_ns: what the file looked like, and when.
        messages: of a story, hashes of the words by the ids of the messages, in order.
        forks: messages of a story with which it left another one because of a file. Even where nothing
            follows them, they are branches and no mere versions of a message.
    """

    path: str
    kind: MirrorKind
    id: str
    file: str = ""
    library: str = ""
    size: int = -1
    mtime_ns: int = 0
    seen_ns: int = 0
    messages: Mapping[str, str] = field(default_factory=dict)
    title: str = ""
    forks: Sequence[str] = ()


_FIELDS = tuple(each.name for each in fields(Record))


class Base:
    """The records of a folder.

    Args:
        path: the file; it is made with the first record.
        library: id of the library that the folder mirrors, "" where nobody knows yet.
    """

    def __init__(self, path: Path, *, dry: bool = False) -> None:
        self._path = path
        self._dry = dry
        self._file = -1
        self._size = 0
        self._needed: dict[str, int] = {}
        self._records: dict[str, Record] = {}
        self.library = ""
        with suppress(FileNotFoundError):
            data = path.read_bytes()
            self._size = len(data)
            for line in data.split(b"\n"):
                self._take(line)

    def of(self, kind: MirrorKind) -> list[Record]:
        """In the order in which they were made."""
        return [record for record in self._records.values() if record.kind == kind]

    def at(self, path: str) -> Record | None:
        return self._records.get(path)

    def __iter__(self) -> Iterator[Record]:
        return iter(list(self._records.values()))

    def begin(self, library: str) -> None:
        """Say which library it is of, and write the file anew where much of it is out of date.

        Raises StorageError.
        """
        if self.library == library and self._size < 2 * sum(self._needed.values()) + _SPARE:
            return
        self.library = library
        if self._dry:
            return
        new = self._path.with_name(f"{self._path.name}.{short_id()}.new")
        lines = [{"library": library}, *map(_written, self._records.values())]
        data = "".join(f"{json.dumps(line)}\n" for line in lines).encode()
        self.close()  # what is open is the file that goes
        try:
            new.write_bytes(data)
            new.replace(self._path)
        except OSError as error:
            raise storage_error(error, self._path) from error
        finally:
            new.unlink(missing_ok=True)
        self._size = len(data)

    def put(self, record: Record, former: str = "") -> None:
        """Store a record in place of an earlier one of its path, and of that of its `former` path.

        Raises StorageError.
        """
        self._records.pop(former, None)
        self._records[record.path] = record
        # One line for both: killed in between, a program would take them for two files.
        self._add({**_written(record), "former": former} if former else _written(record))

    def drop(self, path: str) -> None:
        """Forget a path. Raises StorageError."""
        if self._records.pop(path, None) is not None:
            self._add({"path": path, "kind": None})

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _add(self, document: Mapping[str, Any]) -> None:
        if self._dry:
            return
        # A line break first: the last line may have been cut when a program was killed.
        data = f"\n{json.dumps(document)}\n".encode()
        try:
            if self._file < 0:
                self._file = os.open(self._path, _OPENING, 0o600)
            os.write(self._file, data)
        except OSError as error:
            raise storage_error(error, self._path) from error
        self._size += len(data)
        self._needed[str(document["path"])] = len(data)

    def _take(self, line: bytes) -> None:
        """Read a line; one that was cut is as if it had never been written."""
        if not line.strip():
            return
        try:
            document = json.loads(line)
            if "library" in document and "path" not in document:
                self.library = str(document["library"])
            elif document["kind"] is None:
                self._records.pop(document["path"], None)
            elif document["kind"] in _KINDS:
                self._records.pop(document.pop("former", ""), None)
                record = Record(**document)
                # The file lies in a folder that may come from anywhere: no path in it leads out of there.
                if not record.path.startswith(_PLACES) or ".." in re.split(r"[/\\]", record.path):
                    return
                # The later one keeps no place of the former: the order is that of the last change.
                self._records[record.path] = record
                self._needed[record.path] = len(line)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return


def _written(record: Record) -> dict[str, Any]:
    values = ((name, getattr(record, name)) for name in _FIELDS)
    return {name: value for name, value in values if value or name == "size"}
