"""The acts of the character editor without a screen: real files, a real library, answers given beforehand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

from lunalux_core.cards.card_reader import read_card
from lunalux_core.config.settings import load_settings
from lunalux_core.editor.card_fields import BY_ID
from lunalux_core.runtime import Runtime
from lunalux_tui.create.card_file_actions import CardFileActions
from lunalux_tui.create.library_actions import LibraryActions
from lunalux_tui.create.open_draft import OpenDraft
from lunalux_tui.parts.dialog import Dialog

Answer = TypeVar("Answer")


class Pause:
    """A timer that a test lets run out."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback = callback
        self.stopped = False

    def stop(self) -> None:
        self.stopped = True


class Desk:
    """Gives the answers in `answers` one after the other, and notes what is told."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.answers: list[object] = []
        self.asked: list[str] = []
        self.told: list[str] = []
        self.failures: list[BaseException] = []
        self.revealed: list[str] = []
        self.clipboard: str | None = ""
        self.pauses: list[Pause] = []
        self.in_chat: list[str] = []
        self.open = OpenDraft(self)
        self.files = CardFileActions(self, self.open)
        self.library = LibraryActions(self, self.open)
        self._works: list[asyncio.Task[None]] = []

    async def ask(self, dialog: Dialog[Answer]) -> Answer | None:
        self.asked.append(dialog.dialog_title)
        return cast("Answer | None", self.answers.pop(0))

    def draft_replaced(self) -> None:
        self.open.touched()

    def show_draft(self) -> None:
        pass

    def show_draft_state(self) -> None:
        pass

    def set_timer(self, delay: float, callback: Callable[[], None]) -> Pause:
        self.pauses.append(Pause(callback))
        return self.pauses[-1]

    def keep_in_background(self) -> None:
        self._works.append(asyncio.ensure_future(self.open.keep()))

    async def settled(self) -> None:
        await asyncio.gather(*self._works)

    def tell_undo(self, key: str, **params: object) -> None:
        self.told.append(key)

    def notify(
        self,
        message: str,
        *,
        severity: Any = "information",
        timeout: float | None = None,
        markup: bool = True,
    ) -> None:
        self.told.append(message)

    def show_failure(self, error: BaseException) -> None:
        self.failures.append(error)

    def show_section(self, section_id: str, *, enter: bool = False, at: str = "") -> None:
        pass

    def reveal(self, place: str) -> None:
        self.revealed.append(place)

    def copy(self, text: str) -> bool:
        if self.clipboard is not None:
            self.clipboard = text
        return self.clipboard is not None

    async def show_in_chat(self, character_id: str) -> None:
        self.in_chat.append(character_id)

    def write(self, field: str, text: str) -> None:
        """Write into a field as a pane of the form does."""
        self.open.draft.write(BY_ID[field], text)
        self.open.touched()


@asynccontextmanager
async def desk() -> AsyncIterator[Desk]:
    async with Runtime.open(load_settings()) as runtime:
        made = Desk(runtime)
        await made.open.take_up()
        yield made


async def test_what_is_written_is_kept_at_the_pause_and_there_again() -> None:
    async with desk() as one:
        one.write("name", "Ann")
        one.write("description", "A lamplighter.")
        assert not one.open.kept and [pause.stopped for pause in one.pauses] == [True, False]
        one.pauses[-1].callback()
        await one.settled()
        assert one.open.kept
    async with desk() as one:
        assert one.open.draft.card.name == "Ann" and one.open.draft.card.description == "A lamplighter."


async def test_what_waits_for_a_pause_is_kept_when_the_screen_is_left() -> None:
    async with desk() as one:
        one.write("name", "Ann")
        one.open.left()
        await one.settled()
        assert [draft.name for draft in await one.open.store.drafts()] == ["Ann"]
        assert one.pauses[-1].stopped


async def test_without_a_name_nothing_is_saved_and_the_field_is_named() -> None:
    async with desk() as one:
        one.write("description", "Somebody")
        assert await one.library.save() == ""
        assert [getattr(error, "code", "") for error in one.failures] == ["CHARACTER_NAMELESS"]
        assert one.revealed == ["name"] and not one.in_chat
        one.write("name", "Ann")
        await one.library.save_and_tell()
        stored = await one.runtime.library.characters.find("Ann")
        assert one.in_chat == [stored.id] and any("Ann" in told for told in one.told)


async def test_what_was_changed_elsewhere_is_not_overwritten_unasked() -> None:
    async with desk() as one:
        one.write("name", "Ann")
        identity = await one.library.save()
        async with desk() as other:  # a second program of the same home
            await other.open.take_up(identity)
            other.write("description", "As the other wrote her.")
            assert await other.library.save() == identity
        one.write("description", "As I wrote her.")
        one.answers = [None]
        assert await one.library.save() == ""
        stored = await one.runtime.library.characters.get(identity)
        assert json.loads(stored.document)["data"]["description"] == "As the other wrote her."
        one.answers = [True]
        assert await one.library.save() == identity
        stored = await one.runtime.library.characters.get(identity)
        assert json.loads(stored.document)["data"]["description"] == "As I wrote her."


async def test_a_card_goes_out_and_comes_in_again(tmp_path: Path) -> None:
    async with desk() as one:
        one.write("name", "Ann")
        one.write("description", "A lamplighter.")
        folder = tmp_path / "out"
        folder.mkdir()
        one.answers = ["json_v2", str(folder)]
        await one.files.export()
        (written,) = folder.iterdir()
        assert read_card(written.read_bytes(), written.name).card.name == "Ann"
        before = written.read_bytes()
        one.write("name", "Bram")
        one.answers = ["json_v2", str(written), None]  # nothing is overwritten without a yes
        await one.files.export()
        assert written.read_bytes() == before and len(one.asked) == 5
        one.answers = [str(written)]
        await one.files.ask_and_bring()
        assert one.open.draft.card.name == "Ann" and one.open.draft.can_undo
        assert not one.answers


async def test_json_is_copied_or_the_person_is_told() -> None:
    async with desk() as one:
        one.write("name", "Ann")
        await one.files.copy_json()
        assert json.loads(one.clipboard or "")["data"]["name"] == "Ann"
        one.clipboard = None
        await one.files.copy_json()
        assert len(one.told) == 2 and one.told[0] != one.told[1]
