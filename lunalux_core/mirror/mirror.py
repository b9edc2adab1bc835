"""A library and a folder of files, brought to say the same: once, or for as long as somebody watches.

See docs/mirror.md.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lunalux_core.config.paths import Paths
from lunalux_core.errors import InvalidInput
from lunalux_core.ids import uuid4
from lunalux_core.mirror.card_files import CardFiles
from lunalux_core.mirror.document_mirror import DocumentMirror
from lunalux_core.mirror.folder import Folder
from lunalux_core.mirror.picture_mirror import PictureMirror
from lunalux_core.mirror.shelf_files import ShelfFiles
from lunalux_core.mirror.stories import StoryMirror
from lunalux_core.mirror.sync_base import Base, MirrorKind
from lunalux_core.mirror.work import MirrorEvent, Work

if TYPE_CHECKING:
    from lunalux_core.dialogue.turn_input import TurnReader
    from lunalux_core.library import Library

POLL_SECONDS = 0.5
SETTLE_SECONDS = 0.25
"""A file that is being saved is waited for until it has been the same for so long."""
SHARE = 5
"""A large library is looked at less often: looking takes at most one part in so many of the time."""
_IDENTITY = "mirror_id"
"""Key of the library's state: what a folder knows it by."""


class Mirror:
    """One library and one folder. Use `opened`."""

    def __init__(
        self, library: Library, folder: Folder, base: Base, reader: Callable[[], TurnReader]
    ) -> None:
        self._library = library
        self._folder = folder
        self._base = base
        self._reader = reader

    async def run(self, tell: Callable[[MirrorEvent], None], *, dry: bool = False) -> bool:
        """One pass; whether everything was done. `tell` hears of each thing that was, or would be.

        Raises:
            InvalidInput: MIRROR_OTHER_LIBRARY. StorageError: a file or the library cannot be written.
        """
        await self._begin(dry=dry)
        self._folder.scan()
        work = Work(self._library, self._folder, self._base, tell, self._reader, dry)
        for path, error in self._folder.odd.items():
            if self._base.at(path) is None:  # else it is told where its turn comes
                work.skip(_kind_at(path), path, error)
        # Cards first: the picture and the stories of a character lie in the folder that its card gets.
        await DocumentMirror(work, CardFiles(work)).run()
        await PictureMirror(work).run()
        await StoryMirror(work).run()
        await DocumentMirror(work, ShelfFiles(work, "worldbook")).run()
        await DocumentMirror(work, ShelfFiles(work, "preset")).run()
        return not work.again

    async def watch(self, tell: Callable[[MirrorEvent], None], ready: Callable[[], None]) -> None:
        """Pass after pass, whenever one of the two sides changed, until it is cancelled.

        Args:
            ready: called after the first pass.
        """
        told: dict[tuple[str, str], None] = {}
        tell_once = _once(tell, told)
        while True:
            began = time.monotonic()
            await self._library.database.changed_elsewhere()  # what follows sees all that was written so far
            whole = await self.run(tell_once)
            seen = self._folder.look()
            ready()
            ready = _nothing
            pause = max(POLL_SECONDS, (time.monotonic() - began) * SHARE)
            while True:
                await asyncio.sleep(pause)
                if not whole or await self._changed(seen):
                    break

    async def _changed(self, seen: dict[str, tuple[int, int]]) -> bool:
        folder = Folder(self._folder.root)
        folder.scan()
        if (now := folder.look()) == seen:
            return await self._library.database.changed_elsewhere()
        # Bounded: a file that is written all the time must not keep the others waiting.
        for _ in range(20):
            await asyncio.sleep(SETTLE_SECONDS)
            folder.scan()
            before, now = now, folder.look()
            if before == now:
                break
        return True

    async def _begin(self, *, dry: bool) -> None:
        state = self._library.state
        identity = await state.get(_IDENTITY)
        if not isinstance(identity, str) or not identity:
            identity = uuid4() if dry else await state.update(_IDENTITY, lambda there: there or uuid4())
        if self._base.library not in ("", identity):
            raise InvalidInput(
                "MIRROR_OTHER_LIBRARY",
                f"{self._folder.root} is the mirror of another library.",
                "Choose another folder. To take its files into this library, remove .lunalux in it first.",
                path=str(self._folder.root),
            )
        self._base.begin(identity)


@contextmanager
def opened(
    library: Library, paths: Paths, path: Path, reader: Callable[[], TurnReader], *, dry: bool = False
) -> Iterator[Mirror]:
    """A folder for a mirror, locked. A dry run makes nothing there.

    Raises:
        InvalidInput: MIRROR_FOLDER, MIRROR_IN_HOME. StorageError: MIRROR_BUSY, or it cannot be written to.
    """
    root = Path(os.path.realpath(path))
    _check(root, paths)
    folder = Folder(root)
    lock = -1
    if not dry:
        folder.prepare()
    # A dry run makes no folder to lock, but a folder that is there may be another program's just now.
    if folder.hidden.is_dir():
        lock = folder.lock()
    base = Base(folder.hidden / "base.jsonl", dry=dry)
    try:
        yield Mirror(library, folder, base, reader)
    finally:
        base.close()
        if lock >= 0:
            os.close(lock)


def _check(root: Path, paths: Paths) -> None:
    own = [Path(os.path.realpath(each)) for each in (paths.config, paths.data, paths.cache)]
    if len({each.parent for each in own}) == 1:  # LUNALUX_HOME has them all
        own.append(own[0].parent)
    if any(root == each or each in root.parents for each in own):
        raise InvalidInput(
            "MIRROR_IN_HOME",
            f"{root} is inside of Lunalux's own folders.",
            "Choose a folder elsewhere.",
            path=str(root),
        )
    if root.exists() and not root.is_dir():
        raise InvalidInput(
            "MIRROR_FOLDER",
            f"{root} is no folder.",
            "Choose a folder, or a name for a new one.",
            path=str(root),
        )


def _nothing() -> None:
    pass


def _once(
    tell: Callable[[MirrorEvent], None], told: dict[tuple[str, str], None]
) -> Callable[[MirrorEvent], None]:
    """Tell what is wrong with a file once, not with every pass."""

    def heard(event: MirrorEvent) -> None:
        if event.action in ("skipped", "waiting"):
            key = (event.path, event.error.code if event.error else event.action)
            if key in told:
                return
            told[key] = None
        else:
            for key in [key for key in told if key[0] == event.path]:
                del told[key]
        tell(event)

    return heard


def _kind_at(path: str) -> MirrorKind:
    if path.startswith("worldbooks"):
        return "worldbook"
    if path.startswith("presets"):
        return "preset"
    if path.endswith((".md", "/stories")) or path.startswith("groups"):
        return "story"
    return "card" if path.endswith(".json") or path.count("/") < 2 else "picture"
