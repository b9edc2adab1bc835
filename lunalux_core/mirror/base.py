"""What the library and a folder agreed on last, file by file, in `.lunalux/base.jsonl` of the folder.

A line is added when a file is as the library has it, after the file or the library was written: a program
that is killed before finds both alike and adds the line then. A later line of a path counts in place of an
earlier one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from lunalux_core.ids import short_id

Kind = Literal["card", "picture", "story", "group", "worldbook", "preset"]
_KINDS = get_args(Kind)
_SPARE = 1000
"""Lines that may be out of date before the file is written anew."""


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
    kind: Kind
    id: str
    file: str = ""
    library: str = ""
    size: int = -1
    mtime_ns: int = 0
    seen_ns: int = 0
    messages: Mapping[str, str] = field(default_factory=dict)
    title: str = ""
    forks: Sequence[str] = ()


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
        self._lines = 0
        self._records: dict[str, Record] = {}
        self.library = ""
        with suppress(FileNotFoundError):
            for line in path.read_bytes().split(b"\n"):
                self._take(line)

    def of(self, kind: Kind) -> list[Record]:
        """In the order in which they were made."""
        return [record for record in self._records.values() if record.kind == kind]

    def at(self, path: str) -> Record | None:
        return self._records.get(path)

    def __iter__(self) -> Iterator[Record]:
        return iter(list(self._records.values()))

    def begin(self, library: str) -> None:
        """Say which library it is of, and write the file anew where much of it is out of date."""
        if self.library == library and self._lines < 2 * len(self._records) + _SPARE:
            return
        self.library = library
        if self._dry:
            return
        new = self._path.with_name(f"{self._path.name}.{short_id()}.new")
        lines = [{"library": library}, *map(_written, self._records.values())]
        new.write_text("".join(f"{json.dumps(line)}\n" for line in lines), "utf-8")
        new.replace(self._path)
        self._lines = len(lines)

    def put(self, record: Record) -> None:
        """Store a record in place of an earlier one of its path. Raises OSError."""
        self._records[record.path] = record
        self._add(_written(record))

    def drop(self, path: str) -> None:
        """Forget a path. Raises OSError."""
        if self._records.pop(path, None) is not None:
            self._add({"path": path, "kind": None})

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _add(self, document: Mapping[str, Any]) -> None:
        if self._dry:
            return
        if self._file < 0:
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
            self._file = os.open(self._path, flags, 0o600)
        # A line break first: the last line may have been cut when a program was killed.
        os.write(self._file, f"\n{json.dumps(document)}\n".encode())
        self._lines += 1

    def _take(self, line: bytes) -> None:
        """Read a line; one that was cut is as if it had never been written."""
        if not line.strip():
            return
        self._lines += 1
        try:
            document = json.loads(line)
            if "library" in document and "path" not in document:
                self.library = str(document["library"])
            elif document["kind"] is None:
                self._records.pop(document["path"], None)
            elif document["kind"] in _KINDS:
                record = Record(**document)
                # The later one keeps no place of the former: the order is that of the last change.
                self._records[record.path] = record
        except (ValueError, TypeError, KeyError, RecursionError):
            return


def _written(record: Record) -> dict[str, Any]:
    return {key: value for key, value in asdict(record).items() if value or key == "size"}
