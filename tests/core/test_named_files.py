"""Files that a person names: written whole, or what was there stays."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lunalux_core.config.paths import Paths
from lunalux_core.errors import InvalidInput, StorageError
from lunalux_core.exporting import export_library
from lunalux_core.library import Library
from lunalux_core.library.backup import back_up
from lunalux_core.regular_files import write_named

resource = pytest.importorskip("resource")


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file can be written beyond `size` bytes, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_write_that_breaks_off_leaves_the_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "evening.md"
    path.write_text("what was there")
    with largest_file(10_000), pytest.raises(StorageError):
        write_named(path, b"x" * 50_000)
    assert path.read_text() == "what was there"
    assert list(tmp_path.iterdir()) == [path]
    write_named(path, b"new")
    assert path.read_bytes() == b"new"


def test_folders_are_made_and_the_longest_names_taken(tmp_path: Path) -> None:
    for name in ("a" * 251 + ".md", "夜" * 84 + ".md"):
        path = tmp_path / "new" / "folder" / name
        write_named(path, b"words")
        assert path.read_bytes() == b"words"


def test_a_link_stays_one_and_a_file_keeps_who_may_read_it(tmp_path: Path) -> None:
    kept = tmp_path / "kept.md"
    kept.write_text("old")
    kept.chmod(0o640)
    link = tmp_path / "link.md"
    link.symlink_to(kept)
    write_named(link, b"new")
    assert link.is_symlink() and kept.read_bytes() == b"new"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o640
    plain, ours = tmp_path / "plain", tmp_path / "ours"
    plain.write_bytes(b"")
    write_named(ours, b"")
    assert ours.stat().st_mode == plain.stat().st_mode, "as any program makes files here"


def test_a_pipe_takes_the_words_and_stays_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    write_named(pipe, b"words")
    reader.join()
    assert got == [b"words"] and stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="not a file"):
        write_named(tmp_path, b"words")


async def test_archives_never_take_the_place_of_what_is_no_file(paths: Paths, tmp_path: Path) -> None:
    library = Library(paths)
    pipe = tmp_path / "pipe.zip"
    os.mkfifo(pipe)
    try:
        with pytest.raises(InvalidInput, match="not a file"):
            await back_up(library, paths, pipe)
        with pytest.raises(InvalidInput, match="not a file"):
            await export_library(library, pipe, "sillytavern")
        with pytest.raises(InvalidInput, match="not a file"):
            await back_up(library, paths, tmp_path)
    finally:
        library.close()
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert list(tmp_path.glob("*.new*")) == []
