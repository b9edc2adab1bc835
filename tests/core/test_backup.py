"""Backup and restore on real files."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lunalux_core.config.paths import Paths
from lunalux_core.errors import InvalidInput, LunaluxError, StorageError
from lunalux_core.library import Library
from lunalux_core.library.backup import FORMAT, back_up, put_in_place, restore, unpack
from lunalux_core.library.characters import NewCharacter


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
    result = await back_up(library, paths, tmp_path / "save.zip")
    library.close()
    assert (result.characters, result.conversations, result.pictures) == (1, 1, 1)
    assert "credentials.json" not in zipfile.ZipFile(result.path).namelist()

    await fill(paths, "second")
    moved = restore(paths, result.path)
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


async def saved(paths: Paths, tmp_path: Path) -> Path:
    """A backup of a library with "first", which then also gets "second" and a configuration."""
    paths.config.mkdir(parents=True, exist_ok=True)
    paths.config_file.write_text('language = "zh"\n')
    await fill(paths, "first")
    library = Library(paths)
    await back_up(library, paths, tmp_path / "save.zip")
    library.close()
    await fill(paths, "second")
    paths.config_file.write_text('language = "en"\n')
    return tmp_path / "save.zip"


def standing(paths: Paths) -> list[str]:
    """The names of everything in the home, but not what is in the files."""
    return sorted(str(path.relative_to(paths.data.parent)) for path in paths.data.parent.rglob("*"))


async def test_a_restore_killed_anywhere_is_finished_or_undone_at_the_next_start(
    paths: Paths, tmp_path: Path
) -> None:
    source = await saved(paths, tmp_path)
    before = {"first.png": b"first", "second.png": b"second"}
    killed = finished = 0
    for step in range(60):
        home = Paths.find({"LUNALUX_HOME": str(tmp_path / f"home{step}")})
        _copy(paths.data.parent, home.data.parent)
        command = [sys.executable, str(Path(__file__).with_name("restore_doomed.py"))]
        result = subprocess.run([*command, str(home.data.parent), str(source), str(step)], check=False)
        found = await names(home)
        pictures = {path.name: path.read_bytes() for path in home.pictures.iterdir()}
        language = "zh" if "zh" in home.config_file.read_text() else "en"
        if found == ["first", "second"]:
            assert (pictures, language) == (before, "en")
        else:
            assert (found, pictures, language) == (["first"], {"first.png": b"first"}, "zh")
            (kept,) = home.backups.glob("replaced-*")
            assert (kept / "pictures" / "second.png").read_bytes() == b"second"
            assert "en" in (kept / "config.toml").read_text()
            finished += 1
        assert not home.restore_plan.exists()
        assert await names(home) == found
        if result.returncode == 0:
            break
        killed += 1
    assert result.returncode == 0
    assert killed > 8 and finished > 5


def _copy(source: Path, target: Path) -> None:
    for path in sorted(source.rglob("*")):
        there = target / path.relative_to(source)
        if path.is_dir():
            there.mkdir(parents=True, exist_ok=True)
        else:
            there.parent.mkdir(parents=True, exist_ok=True)
            there.write_bytes(path.read_bytes())


async def test_a_disk_that_refuses_in_the_middle_leaves_everything_where_it_was(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = await saved(paths, tmp_path)
    before = standing(paths)
    renamed = Path.rename

    def refusing(self: Path, target: Path) -> Path:
        if self.name == "pictures" and "restore-" in str(self):
            raise PermissionError(13, "refused", str(self))
        return renamed(self, target)

    monkeypatch.setattr(Path, "rename", refusing)
    with pytest.raises(StorageError) as told:
        restore(paths, source)
    assert told.value.code == "STORAGE_READ_ONLY"
    monkeypatch.undo()
    assert await names(paths) == ["first", "second"]
    assert [name for name in standing(paths) if "library.lock" not in name and name != "data/backups"] == [
        name for name in before if "library.lock" not in name
    ]


async def test_a_restore_refuses_while_another_program_has_the_library_open(
    paths: Paths, tmp_path: Path
) -> None:
    source = await saved(paths, tmp_path)
    fresh = unpack(paths, source)
    other = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import asyncio, sys\n"
            "from lunalux_core.runtime import Runtime\n"
            "async def main():\n"
            "    async with Runtime.open() as runtime:\n"
            "        print(await runtime.library.characters.count(), flush=True)\n"
            "        await asyncio.to_thread(sys.stdin.readline)\n"
            "        print(await runtime.library.characters.count(), flush=True)\n"
            "asyncio.run(main())",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdin is not None and other.stdout is not None
    try:
        assert other.stdout.readline() == "2\n"
        for attempt in (lambda: restore(paths, source), lambda: put_in_place(paths, fresh)):
            with pytest.raises(StorageError) as told:
                attempt()
            assert told.value.code == "LIBRARY_IN_USE"
        other.stdin.write("\n")
        other.stdin.flush()
        assert other.stdout.readline() == "2\n"
    finally:
        other.stdin.close()
        other.wait(20)
    assert not list(paths.data.glob("restore*"))
    restore(paths, source)
    assert await names(paths) == ["first"]


async def test_a_killed_program_does_not_keep_the_library(paths: Paths, tmp_path: Path) -> None:
    source = await saved(paths, tmp_path)
    script = (
        "import asyncio, os\n"
        "from lunalux_core.runtime import Runtime\n"
        "async def main():\n"
        "    async with Runtime.open() as runtime:\n"
        "        await runtime.library.characters.count()\n"
        "        os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())"
    )
    subprocess.run([sys.executable, "-c", script], check=False)
    restore(paths, source)
    assert await names(paths) == ["first"]


def archive(path: Path, **members: bytes) -> Path:
    """A backup whose library.db, manifest_json … is what is given."""
    manifest = json.dumps({"format": FORMAT, "version": 1}).encode()
    with zipfile.ZipFile(path, "w") as file:
        for name, content in {"manifest_json": manifest, **members}.items():
            file.writestr(name.replace("_", "."), content)
    return path


def database(path: Path, *statements: str) -> bytes:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()
    return path.read_bytes()


@pytest.mark.parametrize(
    "make",
    [
        lambda folder, whole: archive(folder / "b.zip", library_db=b"garbage" * 1000),
        lambda folder, whole: archive(folder / "b.zip", library_db=b""),
        lambda folder, whole: archive(folder / "b.zip", library_db=whole[: len(whole) // 2]),
        lambda folder, whole: archive(
            folder / "b.zip", library_db=whole[:8192] + os.urandom(40_000) + whole[48_192:]
        ),
        lambda folder, whole: archive(
            folder / "b.zip", library_db=database(folder / "x.db", "CREATE TABLE notes (a)")
        ),
        lambda folder, whole: archive(folder / "b.zip", library_db=whole, manifest_json=b"[]"),
        lambda folder, whole: archive(folder / "b.zip", library_db=whole, manifest_json=b"[" * 100_000),
        lambda folder, whole: archive(folder / "b.zip", library_db=whole, manifest_json=b"\xff\xfe"),
        lambda folder, whole: folder,
    ],
    ids=["garbage", "empty", "half", "torn", "foreign", "list", "deep", "bytes", "folder"],
)
async def test_what_is_no_library_never_replaces_one(
    paths: Paths, tmp_path: Path, make: Callable[[Path, bytes], Path]
) -> None:
    source = await saved(paths, tmp_path)
    whole = zipfile.ZipFile(source).read("library.db")
    made = make(tmp_path, whole)
    with pytest.raises(InvalidInput) as told:
        restore(paths, made)
    assert told.value.code == ("FILE_UNREADABLE" if made.is_dir() else "BACKUP_DAMAGED")
    assert await names(paths) == ["first", "second"]
    assert not list(paths.data.glob("restore*")) and not paths.backups.exists()


async def test_a_backup_with_a_member_twice_or_under_a_password_is_refused(
    paths: Paths, tmp_path: Path
) -> None:
    source = await saved(paths, tmp_path)
    whole = source.read_bytes()
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(source, "a") as file:
        file.writestr("library.db", b"another")
    locked = bytearray(whole)
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = 0
        while (at := locked.find(signature, at)) >= 0:
            locked[at + place] |= 1
            at += 4
    (tmp_path / "locked.zip").write_bytes(locked)
    for name in ("save.zip", "locked.zip"):
        with pytest.raises(InvalidInput) as told:
            restore(paths, tmp_path / name)
        assert told.value.code == "BACKUP_DAMAGED"
    assert await names(paths) == ["first", "second"]


async def test_a_backup_of_a_newer_program_is_refused_and_one_of_an_older_is_brought_up(
    paths: Paths, tmp_path: Path
) -> None:
    from lunalux_core.library.migrations import FIRST

    source = await saved(paths, tmp_path)
    newer = tmp_path / "newer.db"
    newer.write_bytes(zipfile.ZipFile(source).read("library.db"))
    content = database(newer, "PRAGMA user_version = 99")
    with pytest.raises(StorageError) as told:
        restore(paths, archive(tmp_path / "newer.zip", library_db=content))
    assert told.value.code == "LIBRARY_TOO_NEW" and "newer.zip" in told.value.message
    assert await names(paths) == ["first", "second"]

    older = sqlite3.connect(tmp_path / "older.db")
    older.executescript(FIRST + ";PRAGMA user_version = 1;")
    older.close()
    restore(paths, archive(tmp_path / "older.zip", library_db=(tmp_path / "older.db").read_bytes()))
    assert await names(paths) == []


@pytest.mark.skipif(os.name != "posix", reason="a named pipe")
def test_a_pipe_is_no_backup(paths: Paths, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.zip")
    with pytest.raises(InvalidInput):
        restore(paths, tmp_path / "pipe.zip")


async def test_a_library_file_that_lost_its_content_is_told_and_not_begun_anew(paths: Paths) -> None:
    await fill(paths, "first")
    paths.library.write_bytes(b"")
    with pytest.raises(StorageError) as told:
        await names(paths)
    assert told.value.code == "STORAGE_DAMAGED"
    paths.library.unlink()
    assert await names(paths) == []


@pytest.mark.skipif(os.name != "posix", reason="modes")
async def test_nobody_else_can_read_the_library_its_backups_and_the_folders(
    paths: Paths, tmp_path: Path
) -> None:
    old = os.umask(0o022)
    try:
        source = await saved(paths, tmp_path)
        restore(paths, source)
    finally:
        os.umask(old)
    for path in (paths.data, paths.library, source):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path


@pytest.mark.parametrize("plan", ["", "[]", '{"fresh": "..", "old": "x"}', '{"fresh": 1}', "[" * 9000, "\0"])
async def test_a_plan_that_says_nothing_is_dropped(paths: Paths, plan: str) -> None:
    await fill(paths, "first")
    paths.restore_plan.write_text(plan)
    assert await names(paths) == ["first"]
    assert not paths.restore_plan.exists()


def test_a_name_of_a_home_that_nobody_has_is_a_file_that_is_not_there(paths: Paths) -> None:
    with pytest.raises(LunaluxError) as told:
        restore(paths, Path("a" * 3000))
    assert told.value.code == "PATH_UNUSABLE"


async def test_a_backup_takes_away_what_killed_ones_left_a_day_ago(paths: Paths, tmp_path: Path) -> None:
    out = tmp_path / "out"
    old = [out / f"b.zip.{'a' * 12}.new", out / ".lunalux-backup-x"]
    kept = [out / f"b.zip.{'b' * 12}.new", out / "b.zip.notes.new", out / f"c.zip.{'a' * 12}.new"]
    old[1].mkdir(parents=True)
    (old[1] / "library.db").write_bytes(b"a whole copy")
    for path in (old[0], *kept):
        path.write_bytes(b"x")
    for path in (*old, *kept[1:]):
        os.utime(path, (0, 0))
    library = Library(paths)
    await back_up(library, paths, out / "b.zip")
    library.close()
    assert sorted(path.name for path in out.iterdir()) == sorted(["b.zip", *(path.name for path in kept)])
