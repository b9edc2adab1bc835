"""The author's note on the chat screen: written in a dialog, kept with the chat, sent with the next turn."""

from __future__ import annotations

import pytest
from chat_world import Driven, open_app
from textual.widgets import Input

from lunalux_core.dialogue.authors_note import ChatNote
from lunalux_tui.chat.note_dialog import NoteDialog
from lunalux_tui.parts.form_field import ChoiceField


async def opened(driven: Driven) -> NoteDialog:
    await driven.app.run_action("screen.note")
    await driven.until(lambda: isinstance(driven.app.screen, NoteDialog) and driven.app.screen.focused)
    assert isinstance(driven.app.screen, NoteDialog)
    return driven.app.screen


async def note_of(driven: Driven) -> ChatNote:
    assert driven.chat.conversation is not None
    stored = await driven.app.runtime.library.conversations.get(driven.chat.conversation.id)
    return ChatNote.read(stored.note)


async def test_a_note_is_written_with_the_keyboard_and_goes_into_the_prompt() -> None:
    async with open_app((80, 24)) as driven:
        await driven.write("my draft")
        dialog = await opened(driven)
        await driven.press(*"Rain", "tab", "right", "tab", "right", "tab")
        assert dialog.focused is dialog.query_one("#note-interval", Input)  # no depth outside the chat
        await driven.press("backspace", "2", "tab", "right", "ctrl+s")
        await driven.until(lambda: driven.app.screen is driven.chat)
        assert driven.chat.prompt.text == "my draft"
        note = ChatNote("Rain", "after_main", 4, "user", 2, scan=True)
        assert await note_of(driven) == note
        assert driven.chat.conversation is not None
        preview = driven.app.runtime.chat.previews.prompt
        first = await preview(driven.chat.conversation.id, "one")
        assert "Rain" not in [message.content for message in first.to_messages()]
        await driven.press("enter")
        await driven.until(lambda: len(driven.contents()) == 3 and not driven.chat.busy)
        second = await preview(driven.chat.conversation.id, "two")
        assert any("Rain" in message.content for message in second.to_messages())
        again = await opened(driven)
        assert (
            again.text.text == "Rain" and again.query_one("#note-position", ChoiceField).value == "after_main"
        )


async def test_wrong_numbers_are_told_and_nothing_is_kept() -> None:
    async with open_app() as driven:
        dialog = await opened(driven)
        dialog.text.load_text("Rain")
        depth = dialog.query_one("#note-depth", Input)
        depth.value = "deep"
        await driven.press("ctrl+s")
        assert depth.has_focus and depth.has_class("-wrong")
        await driven.press("escape")
        await driven.until(lambda: driven.app.screen is driven.chat)
        assert await note_of(driven) == ChatNote()


async def test_an_emptied_note_is_gone() -> None:
    async with open_app() as driven:
        assert driven.chat.conversation is not None
        identity = driven.chat.conversation.id
        await driven.app.runtime.library.conversations.set(identity, note=ChatNote("Rain").as_json())
        dialog = await opened(driven)
        dialog.text.load_text("")
        await driven.press("ctrl+s")
        await driven.until(lambda: driven.app.screen is driven.chat)
        await driven.settle()
        assert (await driven.app.runtime.library.conversations.get(identity)).note == {}


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (60, 16)])
async def test_a_chat_is_given_texts_of_its_own_in_a_dialog(size: tuple[int, int]) -> None:
    from textual.widgets import TextArea

    from lunalux_core.dialogue.chat_texts import ChatOverrides

    async with open_app(size) as driven:
        chat = driven.chat
        assert chat.conversation is not None
        conversations = driven.app.runtime.library.conversations

        async def stored() -> ChatOverrides:
            assert chat.conversation is not None
            return ChatOverrides.read((await conversations.get(chat.conversation.id)).metadata)

        chat.perform("overrides")
        await driven.until(lambda: driven.app.screen.query("#override-scenario"))
        field = driven.app.screen.query_one("#override-scenario", TextArea)
        await driven.until(lambda: field.has_focus)
        assert "Penhallow" in str(field.placeholder)
        await driven.press(*"At sea")
        await driven.press("escape")
        await driven.until(lambda: driven.app.screen is chat)
        assert (await stored()).scenario == ""
        chat.perform("overrides")
        await driven.until(lambda: driven.app.screen.query("#override-scenario"))
        await driven.press("!", "ctrl+s")
        await driven.until(lambda: driven.app.screen is chat)
        assert await stored() == ChatOverrides(scenario="At sea!")


async def test_a_draft_of_a_chats_texts_that_another_version_kept_is_read_as_far_as_it_goes() -> None:
    from textual.widgets import TextArea

    async with open_app() as driven:
        chat = driven.chat
        assert chat.conversation is not None
        drafts = driven.app.runtime.library.drafts
        for kept, scenario in (('{"scenario": "At sea", "jailbreak": "x"}', "At sea"), ("[1", "")):
            await drafts.keep(f"overrides:{chat.conversation.id}", kept)
            chat.perform("overrides")
            await driven.until(lambda: driven.app.screen.query("#override-scenario"))
            assert driven.app.screen.query_one("#override-scenario", TextArea).text == scenario
            await driven.press("escape")
            await driven.until(lambda: driven.app.screen is chat)
