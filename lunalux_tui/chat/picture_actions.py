"""Pictures beside the draft: attached, dropped, taken off again, and sent with the words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from lunalux_core.errors import LunaluxError
from lunalux_tui.chat.protocols import Asker
from lunalux_tui.i18n import t

if TYPE_CHECKING:
    from lunalux_core.documents.picture_refs import PictureRef
    from lunalux_core.runtime import Runtime
    from lunalux_tui.chat.opener import OpenChat


class PictureView(Asker, Protocol):
    """What these actions ask of the screen."""

    async def show_pictures(self, pictures: Sequence[PictureRef]) -> None:
        """Show what waits beside the draft."""


class PictureActions:
    """What waits is stored with the conversation, so that it survives whatever ends the program."""

    def __init__(self, runtime: Runtime, chat: OpenChat, view: PictureView) -> None:
        self._runtime = runtime
        self._open = chat
        self._view = view

    async def look(self) -> None:
        """Read and show what waits beside the draft of the conversation that is open."""
        conversation = self._open.conversation
        waiting: Sequence[PictureRef] = ()
        if conversation is not None:
            waiting = await self._runtime.library.pictures.draft(conversation.id)
        # Another one may be open by now, with pictures of its own.
        if self._open.conversation is conversation:
            await self._show(waiting)

    async def attach(self) -> None:
        """Ask for pictures, and put them beside the draft."""
        from lunalux_tui.parts.files import split_paths
        from lunalux_tui.parts.path_dialog import PathDialog

        if self._open.conversation is None:
            return
        dialog = PathDialog(t("dialog.attach.title"), hint=t("dialog.attach.hint"))
        answer = await self._view.ask(dialog)
        if answer:
            await self.put(split_paths(answer))

    async def put(self, paths: Sequence[str]) -> None:
        """Put the pictures of these files beside the draft.

        Raises:
            LunaluxError: one cannot be read, or is none; those before it are there.
        """
        from lunalux_core.library.message_pictures import attachment_of
        from lunalux_tui.parts.files import path_of

        conversation = self._open.conversation
        if conversation is None:
            return
        for path in paths:
            attached = await attachment_of(path_of(path))
            waiting = await self._runtime.library.pictures.attach(conversation.id, attached)
            if self._open.conversation is not None and self._open.conversation.id == conversation.id:
                await self._show(waiting)
        await self._tell_of_model(conversation.id)

    async def _tell_of_model(self, conversation_id: str) -> None:
        """Say so where the model in use takes no pictures; a server that nobody has asked is asked now."""
        models = self._runtime.models
        spec = (await self._runtime.chat.previews.choice(conversation_id)).model
        if models.facts(spec) is None:
            await models.look(spec)
        if not models.takes_pictures(spec):
            self._view.say(t("chat.pictures_named", model=spec.name), warn=True)

    async def detach(self, picture_hash: str = "") -> None:
        """Take a picture off again, without a hash the last one."""
        conversation = self._open.conversation
        if conversation is not None:
            await self._show(await self._runtime.library.pictures.detach(conversation.id, picture_hash))

    async def dropped(self, paths: Sequence[str]) -> Sequence[str]:
        """Take the pictures among files that were dropped; the others, cards among them, come back."""
        if self._open.conversation is None:
            return paths
        pictures = [path for path in paths if await self._is_picture(path)]
        if pictures:
            await self.put(pictures)
        return [path for path in paths if path not in pictures]

    @staticmethod
    async def _is_picture(path: str) -> bool:
        """Whether a file is a picture and nothing else: one with a card in it is that card."""
        import asyncio

        from lunalux_core.cards.assets import picture_ext
        from lunalux_core.cards.card_pictures import LARGEST_FILE
        from lunalux_core.cards.charx import is_zip
        from lunalux_core.cards.file_kind import FileKind, recognise
        from lunalux_core.regular_files import read_regular

        def look() -> bool:
            try:
                data = read_regular(Path(path).expanduser(), LARGEST_FILE)
            except LunaluxError:
                return False
            # Bitmaps are none of the formats of cards, but can be attached.
            shown = picture_ext(data) is not None or data.startswith(b"BM")
            return shown and not is_zip(data) and recognise(data) is FileKind.UNKNOWN

        return await asyncio.to_thread(look)

    async def _show(self, waiting: Sequence[PictureRef]) -> None:
        self._open.pictures = tuple(waiting)
        await self._view.show_pictures(waiting)
