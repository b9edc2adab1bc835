"""The library's files change places: the steps of a restore, which a kill may break off anywhere.

A plan is written before the first file moves and removed after the last. Whoever opens the library next
finds it and takes the rest of the steps, so that there is the old library or the new one, never a part.
While a restore moves files nobody has the library open, and nobody can open it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from lunalux_core.config.paths import Paths
from lunalux_core.database import BUSY_SECONDS, Presence, damaged, storage_error
from lunalux_core.ids import short_id

_NAME = re.compile(r"re(store|placed)-[\w-]{1,60}", re.ASCII)
PATIENCE_SECONDS = 2.0
"""How long a restore waits for commands that are about to end."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Folders beside the library: `fresh` holds what comes, `old` takes what was there."""

    fresh: Path
    old: Path


def enter(paths: Paths) -> Callable[[], None]:
    """Mark the library as open in this program, once a restore that was interrupted is finished.

    Returns:
        What ends the presence, after the library is closed.

    Raises:
        StorageError: the data folder cannot be used, or the library file lost what was in it.
    """
    try:
        paths.own(paths.data)
        while True:
            # Present first, then looked: a restore that begins in between would have to wait for us.
            here = Presence(paths.presence)
            if not paths.restore_plan.exists():
                break
            here.end()
            with Presence.alone(paths.presence, BUSY_SECONDS):
                finish(paths)
    except OSError as error:
        raise storage_error(error, paths.data) from error
    if _emptied(paths):
        here.end()
        raise damaged(paths.library)
    return here.end


@contextmanager
def alone(paths: Paths) -> Iterator[None]:
    """Nobody has the library open, nor can open it, during the block.

    Raises:
        StorageError: LIBRARY_IN_USE.
    """
    with Presence.alone(paths.presence, PATIENCE_SECONDS):
        if paths.restore_plan.exists():
            finish(paths)
        yield


def exchange(paths: Paths, fresh: Path) -> Path | None:
    """Let what lies in `fresh` (library.db, pictures, config.toml) take the place of the library; be `alone`.

    Returns:
        The folder with what was there; None when there was nothing.

    Raises:
        OSError: the disk refused, and everything is where it was.
    """
    # A date for people who look for what they had; the id keeps two of one second apart.
    plan = Plan(fresh, paths.backups / f"replaced-{datetime.now():%Y-%m-%d-%H%M%S}-{short_id()}")
    anything = paths.library.exists() or paths.pictures.exists()
    _write(paths, plan)
    try:
        finish(paths)
    except OSError:
        _undo(paths, plan)
        raise
    return plan.old if anything else None


def finish(paths: Paths) -> None:
    """Take the steps of the plan that were not taken yet. Each may have been the last before a kill."""
    plan = _read(paths)
    if plan is not None:
        plan.old.mkdir(parents=True, exist_ok=True)
        for name, place, beside in _moves(paths):
            if not (plan.fresh / name).exists():
                continue  # it is in its place already
            for path in (place, *beside):
                if path.exists():
                    path.rename(plan.old / path.name)
            # Renaming within one file system: each step is done or not done, never half.
            (plan.fresh / name).rename(place)
        _configure(paths, plan)
    paths.restore_plan.unlink(missing_ok=True)
    if plan is not None:
        import shutil

        shutil.rmtree(plan.fresh, ignore_errors=True)
        if not any(plan.old.iterdir()):
            plan.old.rmdir()


def _moves(paths: Paths) -> tuple[tuple[str, Path, tuple[Path, ...]], ...]:
    """What moves where, and what goes away with the thing that was there."""
    journals = tuple(
        paths.library.with_name(paths.library.name + end) for end in ("-wal", "-shm", "-journal")
    )
    # The old library's journals go with it: SQLite would play them into the new file.
    return ("library.db", paths.library, journals), ("pictures", paths.pictures, ())


def _configure(paths: Paths, plan: Plan) -> None:
    """The configuration of the backup, in one step; a link stays one, its target changes."""
    import shutil

    fresh = plan.fresh / "config.toml"
    if not fresh.is_file():
        return
    target = Path(os.path.realpath(paths.config_file))
    old_config = plan.old / "config.toml"
    if target.is_file() and not old_config.exists():  # it may be there, and the target the new one already
        shutil.copy2(target, old_config.with_name("config.new"))
        old_config.with_name("config.new").rename(old_config)
    paths.own(paths.config)
    new = target.with_name(f"{target.name}.{short_id()}.new")
    try:
        shutil.copy2(fresh, new)
        new.replace(target)
    finally:
        new.unlink(missing_ok=True)
    fresh.unlink()


def _undo(paths: Paths, plan: Plan) -> None:
    """Put back what moved. Where that fails too the plan stays, and the next start tries to finish it."""
    import shutil

    for name, place, beside in _moves(paths):
        if place.exists() and not (plan.fresh / name).exists():
            place.rename(plan.fresh / name)
        for path in (place, *beside):
            if (plan.old / path.name).exists():
                (plan.old / path.name).rename(path)
    paths.restore_plan.unlink(missing_ok=True)
    shutil.rmtree(plan.old, ignore_errors=True)


def _write(paths: Paths, plan: Plan) -> None:
    text = json.dumps({"fresh": plan.fresh.name, "old": plan.old.name})
    new = paths.restore_plan.with_name(f"restore.{short_id()}.new")
    try:
        with new.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            # On the disk before the first file moves: without the plan, nobody could finish the moves after
            # a power cut.
            os.fsync(file.fileno())
        new.replace(paths.restore_plan)
    finally:
        new.unlink(missing_ok=True)


def _read(paths: Paths) -> Plan | None:
    """The plan; None where the file says nothing of ours, or what it speaks of is gone."""
    try:
        document = json.loads(paths.restore_plan.read_text(encoding="utf-8"))
        names = (document["fresh"], document["old"])
    except (FileNotFoundError, ValueError, RecursionError, LookupError, TypeError):
        return None
    if not all(isinstance(name, str) and _NAME.fullmatch(name) for name in names):
        return None
    plan = Plan(paths.data / names[0], paths.backups / names[1])
    return plan if plan.fresh.is_dir() else None


def _emptied(paths: Paths) -> bool:
    """Whether the library file is empty although there are pictures: what was in it got lost."""
    try:
        wal = paths.library.with_name(paths.library.name + "-wal")
        if paths.library.stat().st_size or (wal.exists() and wal.stat().st_size):
            return False
        return any(paths.pictures.iterdir())
    except FileNotFoundError:
        return False
