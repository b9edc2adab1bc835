"""A conversation is walked through as a pager is: from the prompt, while a reply comes, by mouse."""

from __future__ import annotations

import asyncio

import pytest
from chat_world import Driven, open_app, stored_conversation
from model_server import model_server
from textual.events import Key, Paste
from textual.geometry import Offset

from lunalux_tui.chat.slash_list import SlashList
from lunalux_tui.parts.drawn import Bar


async def click_part(driven: Driven, bar: Bar, action: str) -> None:
    """Click what runs an action in a bar."""
    x = next(start for start, _, known in bar.zones if known == action)
    await driven.pilot.click(bar, offset=(x, 0))
    await driven.settle()


async def test_keys_scroll_the_conversation_while_the_prompt_keeps_focus_and_text(home: object) -> None:
    await stored_conversation(60)
    async with open_app((80, 24)) as driven:
        shown, status = driven.chat.transcript, driven.chat.status
        await driven.until(lambda: shown.max_scroll_y > 50)
        await driven.write("half a line")
        await driven.press("pageup", "pageup")
        assert not shown.at_end and driven.chat.prompt.has_focus and driven.chat.prompt.text == "half a line"
        assert status.below == shown.max_scroll_y - shown.scroll_offset.y
        before = status.below
        await driven.press("pagedown")
        assert 0 < status.below < before
        await driven.press("ctrl+home")
        await driven.until(
            lambda: shown.messages[0].content.startswith("Message 0") and not shown.scroll_offset.y
        )
        await driven.press("ctrl+end")
        await driven.until(lambda: shown.at_end)
        assert shown.messages[-1].content.startswith("Message 59") and status.below == 0


async def test_the_first_of_many_messages_is_one_key_away_and_the_last_another(home: object) -> None:
    await stored_conversation(700)
    async with open_app() as driven:
        shown = driven.chat.transcript
        await driven.press("home")
        await driven.until(lambda: shown.messages[0].content.startswith("Message 0"))
        await driven.press("pagedown", "pagedown", "end")
        await driven.until(lambda: shown.messages[-1].content.startswith("Message 699") and shown.at_end)
        await driven.press("escape", "g")
        await driven.until(
            lambda: shown.selected == shown.messages[0].id and "Message 0" in shown.messages[0].content
        )


async def test_a_page_that_comes_late_is_not_put_into_another_conversation(home: object) -> None:
    long = await stored_conversation(700)
    async with open_app() as driven:
        chat, window = driven.chat, driven.chat.window
        conversations = driven.app.runtime.library.conversations
        character = (await conversations.get(long)).character_id
        other = await driven.app.runtime.chat.start(character)
        page = await conversations.page(other.id)
        for way in ("older", "first", "reload", "newer"):
            await chat.objects.opener.open_conversation(long)
            if way == "newer":
                await window.first()
            reading = asyncio.create_task(getattr(window, way)())
            await asyncio.sleep(0)
            window.show(other.id, page)
            await reading
            assert [message.id for message in chat.transcript.messages] == [message.id for message in page], (
                way
            )


async def test_the_beginning_of_a_long_reply_can_be_read_while_it_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Many, so that the reply still comes when a slow machine gets to the click.
    lines = [f"line {number}\n\n" for number in range(400)]
    async with model_server(lines, delay=0.05) as url, open_app((80, 24)) as driven:
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        driven.app.change_setting("chat.model", "openai:story")
        await driven.write("Tell me")
        await driven.press("enter")
        shown = driven.chat.transcript
        await driven.until(lambda: "line 20" in shown.text_layout.stream_text())
        await driven.press("pageup")
        at = shown.scroll_offset.y
        grown = driven.chat.status.below
        await driven.until(lambda: "line 40" in shown.text_layout.stream_text())
        await driven.until(lambda: driven.chat.status.below > grown)
        assert driven.chat.busy and shown.scroll_offset.y == at
        await click_part(driven, driven.chat.status, "screen.end(False)")
        await driven.until(lambda: shown.at_end)
        await driven.press("ctrl+c")


async def test_arrows_in_the_empty_prompt_and_clicks_swipe_the_reply(home: object) -> None:
    async with open_app() as driven:
        shown = driven.chat.transcript
        await driven.until(lambda: shown.messages[-1].swipes > 1)
        count = shown.messages[-1].swipes
        await driven.press("right")
        await driven.until(lambda: shown.messages[-1].swipe == 1)
        await driven.press("left")
        await driven.until(lambda: shown.messages[-1].swipe == 0)
        head = "".join(text for text, _ in shown.text_layout.entries[0].lines[0])
        top = shown.text_layout.top(shown.messages[0].id) - shown.scroll_offset.y  # type: ignore[operator]
        await driven.pilot.click(shown, offset=Offset(head.index("›") + 2, top))
        await driven.until(lambda: shown.messages[-1].swipe == 1)
        assert shown.selected == shown.messages[-1].id and shown.messages[-1].swipes == count
        await driven.press("i")
        await driven.write("words")
        await driven.press("left")
        assert shown.messages[-1].swipe == 1, "in a text, an arrow moves the cursor"


async def test_there_is_a_marked_message_as_long_as_letters_act_on_one(home: object) -> None:
    async with open_app() as driven:
        shown = driven.chat.transcript
        await driven.say("One")
        await driven.say("Two")
        await driven.press("escape")
        for key in ("right", "r"):
            last = shown.messages[-1].id
            await driven.press(key)
            await driven.until(lambda last=last: shown.messages[-1].id != last and not driven.chat.busy)
            assert shown.selected == shown.messages[-1].id
        await driven.press("up", "up")
        place = [message.id for message in shown.messages].index(shown.selected)
        await driven.press("D")
        await driven.until(lambda: "Deleted" in driven.told())
        assert [message.id for message in shown.messages].index(shown.selected) == place
        await driven.press("d")
        await driven.until(lambda: shown.selected == shown.messages[-1].id)


async def test_what_happened_stands_above_the_prompt_with_its_undo(home: object) -> None:
    async with open_app((80, 24)) as driven:
        await driven.say("One")
        await driven.say("Two")
        before = driven.contents()
        await driven.press("escape", "up", "up", "d")
        await driven.until(lambda: driven.chat.status.told)
        assert "with 2 that followed" in driven.chat.status.told and not driven.app._notifications
        await click_part(driven, driven.chat.status, "screen.undo")
        await driven.until(lambda: driven.contents() == before)


async def test_what_does_not_fit_above_the_prompt_lies_at_the_top(home: object) -> None:
    async with open_app((80, 24), notices=True) as driven:
        driven.app.notify("word " * 60)
        await driven.until(lambda: driven.app.screen.query("Toast"))
        await driven.settle()
        toast = next(iter(driven.app.screen.query("Toast")))
        assert toast.region.bottom <= driven.chat.prompt.region.y and toast.region.y < 6


async def test_enter_while_a_reply_comes_says_why_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUNALUX_PRACTICE_RATE", "30")
    async with open_app() as driven:
        await driven.write("One")
        await driven.press("enter")
        await driven.until(lambda: driven.chat.transcript.text_layout.stream_text())
        await driven.write("Two")
        await driven.press("enter")
        await driven.until(lambda: "esc stops it" in driven.told())
        assert driven.chat.prompt.text == "Two"
        await driven.press("escape")


async def test_words_typed_among_the_messages_begin_what_the_person_writes(home: object) -> None:
    async with open_app() as driven:
        chat = driven.chat
        await driven.press("escape")
        assert chat.transcript.has_focus
        # H, e and d are keys as long as nothing is written.
        await driven.press("quotation_mark", "H", "e", "d")
        await driven.until(lambda: chat.prompt.text == '"Hed')
        assert chat.prompt.has_focus and not chat.transcript.selected and len(chat.transcript.messages) == 1
        await driven.press("escape", "你")
        assert chat.prompt.has_focus and chat.prompt.text == '"Hed你'
        chat.prompt.fill("")
        await driven.press("escape", "slash")
        await driven.until(lambda: chat.prompt.text == "/" and chat.query_one(SlashList).display)
        chat.prompt.fill("")
        await driven.press("escape")
        await driven.until(lambda: chat.transcript.has_focus)
        chat.transcript.post_message(Paste("two lines\nof a paste"))
        await driven.until(lambda: chat.prompt.text == "two lines\nof a paste")
        assert chat.prompt.has_focus
        chat.prompt.fill("")
        await driven.press("escape", "y")
        assert chat.transcript.has_focus and not chat.prompt.text, "a letter that is a key stays one"
        for character in "(He dares":  # in one burst: all of them wait at the messages already
            chat.transcript.post_message(
                Key("left_parenthesis" if character == "(" else character, character)
            )
        await driven.until(lambda: chat.prompt.text == "(He dares")
        assert not chat.transcript.messages[0].hidden and chat.prompt.has_focus
