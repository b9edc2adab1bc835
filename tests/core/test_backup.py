"""Backup and restore on real files."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from lunalux_core.backup import back_up, restore
from lunalux_core.errors import InvalidInput
from lunalux_core.library import Library
from lunalux_core.library.characters import NewCharacter
from lunalux_core.paths import Paths


async def fill(paths: Paths, name: str) -> None:
    library = Library(paths)
    paths.pictures.mkdir(parents=True, exist_ok=True)
    (paths.pictures / f"{name}.png").write_bytes(name.encode())
    await library.characters.add(NewCharacter(name, name, "{}", name, picture=f"{name}.png"))
    await library.conversations.create(name)
    library.close()


async def names(paths: Paths) -> list[str]:
    library = Library(paths)
    try:
        return sorted(c.name for c in await library.characters.list())
    finally:
        library.close()


async def test_a_backup_brings_everything_back_and_nothing_is_deleted(paths: Paths, tmp_path: Path) -> None:
    await fill(paths, "first")
    paths.credentials.write_text("{}")
    library = Library(paths)
    done = await back_up(library, paths, tmp_path / "save.zip")
    library.close()
    assert (done.characters, done.conversations, done.pictures) == (1, 1, 1)
    assert "credentials.json" not in zipfile.ZipFile(done.path).namelist()

    await fill(paths, "second")
    moved = restore(paths, done.path)
    assert await names(paths) == ["first"]
    assert (paths.pictures / "first.png").read_bytes() == b"first"
    assert moved is not None and (moved / "library.db").is_file()
    assert (moved / "pictures" / "second.png").is_file()


async def test_restore_into_an_empty_home(paths: Paths, tmp_path: Path) -> None:
    await fill(paths, "one")
    library = Library(paths)
    await back_up(library, paths, tmp_path / "b.zip")
    library.close()
    fresh = Paths.find({"LUNALUX_HOME": str(tmp_path / "elsewhere")})
    assert restore(fresh, tmp_path / "b.zip") is None
    assert await names(fresh) == ["one"]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not a zip", b"text"])
def test_a_damaged_backup_changes_nothing(paths: Paths, tmp_path: Path, content: bytes) -> None:
    bad = tmp_path / "bad.zip"
    bad.write_bytes(content)
    with pytest.raises(InvalidInput) as told:
        restore(paths, bad)
    assert told.value.code == "BACKUP_DAMAGED"
    assert not paths.library.exists()


async def test_names_in_a_backup_never_leave_the_data_folder(paths: Paths, tmp_path: Path) -> None:
    await fill(paths, "one")
    library = Library(paths)
    await back_up(library, paths, tmp_path / "b.zip")
    library.close()
    with zipfile.ZipFile(tmp_path / "b.zip", "a") as archive:
        archive.writestr("../evil.txt", "x")
        archive.writestr("pictures/../../evil.txt", "x")
        archive.writestr("/tmp/evil-lunalux.txt", "x")
    restore(paths, tmp_path / "b.zip")
    assert not list(tmp_path.rglob("evil*"))
