"""Directing a story on screen: instructions, rewritten replies, lines of others, versions, profiles."""

from __future__ import annotations

import pytest
from chat_world import Driven, open_app
from textual.events import Paste
from textual.geometry import Region
from textual.widgets import Input

from lunalux_core.library.conversations import Message
from lunalux_core.library.profiles import Profile, ProfilePlace
from lunalux_tui.chat.action_declarations import ChatTranscript
from lunalux_tui.chat.turn_display import TurnDisplay
from lunalux_tui.parts.ask_dialog import AskDialog
from lunalux_tui.parts.pick_dialog import PickDialog
from lunalux_tui.parts.screen import START

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUNALUX_PRACTICE_RATE", "0")


def last(driven: Driven) -> Message:
    return driven.chat.transcript.messages[-1]


async def settled(driven: Driven, count: int) -> None:
    """Wait for so many messages and nobody writing."""
    await driven.until(lambda: len(driven.contents()) == count and not driven.chat.busy)


async def recorded(driven: Driven) -> str:
    """The newest prompt that was sent."""
    records, place = driven.app.runtime.library.records, driven.chat.conversation
    assert place is not None
    newest, *_ = await records.list(place.id)
    return str(await records.get(newest.number))


async def test_an_instruction_among_the_words_is_sent_and_not_kept() -> None:
    async with open_app() as driven:
        await driven.say("Good evening ((be curt, {{char}}))")
        assert driven.contents()[-2] == "Good evening"
        assert "be curt" in await recorded(driven) and all("curt" not in one for one in driven.contents())
        await driven.say("And?")
        assert "be curt" not in await recorded(driven)


async def test_an_out_of_character_note_is_set_from_the_palette_and_by_command() -> None:
    async with open_app() as driven:
        driven.chat.perform("out_of_character")
        await driven.until(lambda: isinstance(driven.app.screen, AskDialog))
        await driven.press(*"be brief", "enter")
        await driven.until(lambda: driven.app.screen is driven.chat)
        await driven.say("Good evening")
        assert "[OOC: be brief]" in await recorded(driven)
        await driven.write("/ooc be wordy")
        await driven.press("enter")
        await driven.until(lambda: driven.chat.prompt.text == "" and not driven.chat.busy)
        await driven.say("And now?")
        assert "[OOC: be wordy]" in await recorded(driven)
        driven.chat.perform("out_of_character")
        await driven.until(lambda: isinstance(driven.app.screen, AskDialog))
        assert driven.app.screen.query_one("#answer", Input).value == "be wordy"
        await driven.press("ctrl+u", "enter")
        await driven.until(lambda: driven.app.screen is driven.chat)
        await driven.say("So?")
        assert "OOC" not in await recorded(driven) and all("OOC" not in one for one in driven.contents())


async def test_my_words_are_written_in_the_person_that_i_choose() -> None:
    async with open_app() as driven:
        driven.chat.perform("in_person")
        await driven.until(lambda: isinstance(driven.app.screen, PickDialog))
        await driven.press("down", "enter")
        await driven.until(lambda: driven.chat.prompt.text != "" and not driven.chat.busy)
        assert "second person" in await recorded(driven)


async def test_an_instruction_alone_asks_for_a_reply() -> None:
    async with open_app() as driven:
        before = len(driven.contents())
        await driven.write("((speak of the sea))")
        await driven.press("enter")
        await settled(driven, before + 1)
        assert last(driven).role == "assistant" and driven.chat.prompt.text == ""
        assert "speak of the sea" in await recorded(driven)


async def test_a_key_asks_for_the_instruction_and_it_can_be_repeated() -> None:
    async with open_app() as driven:
        await driven.say("Good evening")
        count = len(driven.contents())
        await driven.press("alt+d", *"shorter", "enter")
        await driven.until(lambda: last(driven).swipes == 2 and not driven.chat.busy)
        assert "shorter" in await recorded(driven)
        await driven.chat.run_action("repeat_instruction")
        await driven.until(lambda: last(driven).swipes == 3 and not driven.chat.busy)
        assert "shorter" in await recorded(driven) and len(driven.contents()) == count


async def test_a_reply_is_rewritten_as_a_version() -> None:
    async with open_app() as driven:
        await driven.say("Good evening")
        old = last(driven).content
        await driven.press("alt+w", *"sadder", "enter")
        await driven.until(lambda: last(driven).swipes == 2 and not driven.chat.busy)
        sent = await recorded(driven)
        assert "sadder" in sent and old.split("\n")[0][:30] in sent
        await driven.chat.run_action("swipe(-1)")
        await driven.until(lambda: last(driven).content == old)


async def test_an_outline_is_written_out_and_undo_brings_it_back() -> None:
    async with open_app() as driven:
        await driven.write("I leave, sadly")
        await driven.press("alt+x")
        await driven.until(lambda: not driven.chat.busy and driven.chat.prompt.text != "I leave, sadly")
        assert driven.chat.prompt.text and "I leave, sadly" in await recorded(driven)
        driven.chat.prompt.undo()
        assert driven.chat.prompt.text == "I leave, sadly"


async def test_a_version_that_is_stored_beside_a_reply_draws_its_heading_alone() -> None:
    async with open_app() as driven:
        await driven.say("Good evening")
        transcript, shown = driven.chat.transcript, last(driven)
        await driven.app.runtime.chat.edits.edit_as_branch(shown.id, "Another one", shown=False)
        drawn: list[int] = []
        refresh = transcript.refresh

        def refreshed(*regions: Region, **more: bool) -> ChatTranscript:
            drawn.append(sum(region.height for region in regions) or transcript.size.height)
            return refresh(*regions, **more)

        transcript.refresh = refreshed  # type: ignore[method-assign, assignment]
        await TurnDisplay(driven.chat.open_chat, driven.chat.pane).version_stored(2, 2)
        assert drawn == [1] and (last(driven).swipe, last(driven).swipes) == (0, 2)
        assert "1/2" in driven.drawn() and shown.content == last(driven).content


async def test_what_stands_behind_a_dialog_is_laid_out_no_second_time_when_it_goes() -> None:
    async with open_app() as driven:
        # What comes after the first frame (a picture, a tip) is laid out, too.
        await driven.until(lambda: not any(worker.group == START for worker in driven.app.workers))
        await driven.press("alt+v")
        await driven.until(lambda: isinstance(driven.app.screen, PickDialog))
        layouts: list[int] = []
        driven.chat.screen_layout_refresh_signal.subscribe(driven.chat, lambda _: layouts.append(1))
        await driven.press("escape")
        await driven.until(lambda: driven.app.screen is driven.chat and not driven.app.leaving)
        await driven.pilot.pause()
        assert layouts == []  # nothing behind it has moved
        await driven.press("alt+v", "escape")
        await driven.say("Still drawn")
        assert driven.contents()[-2] == "Still drawn"


async def test_several_replies_are_versions_of_one() -> None:
    async with open_app() as driven:
        before = len(driven.contents())
        await driven.write("Good evening")
        await driven.press("alt+v", "enter")
        await driven.until(lambda: len(driven.contents()) == before + 2 and last(driven).swipes == 3)
        await driven.until(lambda: not driven.chat.busy)
        assert (last(driven).swipe, driven.chat.prompt.text) == (0, "")


async def test_lines_are_stored_without_an_answer() -> None:
    async with open_app() as driven:
        before = len(driven.contents())
        for number, action in enumerate(("store", "narrate"), 1):
            await driven.write(f"Line {number}")
            await driven.chat.run_action(action)
            await settled(driven, before + number)
            assert driven.chat.prompt.text == ""
        await driven.write("Boo!")
        await driven.chat.run_action("speak_as")
        await driven.until(lambda: driven.app.screen is not driven.chat)
        await driven.press("ctrl+u", *"Ghost", "enter")
        await settled(driven, before + 3)
        stored = [(one.role, one.content) for one in driven.chat.transcript.messages[-3:]]
        assert stored == [("user", "Line 1"), ("system", "Line 2"), ("assistant", "Boo!")]
        assert last(driven).name == "Ghost" and "Ghost" in driven.drawn()
        await driven.chat.run_action("answer")
        await settled(driven, before + 4)


async def test_the_beginning_of_replies_is_kept_with_the_chat() -> None:
    async with open_app() as driven:
        await driven.chat.run_action("begin_with")
        await driven.until(lambda: driven.app.screen is not driven.chat)
        await driven.press(*"Well,", "ctrl+s")
        await driven.until(lambda: driven.app.screen is driven.chat)
        await driven.say("Good evening")
        assert last(driven).content.startswith("Well,")


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (60, 16)])
async def test_a_profile_is_chosen_for_the_chat(size: tuple[int, int]) -> None:
    async with open_app(size) as driven:
        profiles = driven.app.runtime.library.profiles
        await driven.chat.run_action("profiles")
        await driven.settle()
        assert driven.app.screen is driven.chat, "without a profile there is nothing to choose"
        saved, _ = await profiles.save(Profile("Loud", model="openai:loud", sampling={"temperature": 1.5}))
        await driven.chat.run_action("profiles")
        await driven.until(lambda: driven.app.screen is not driven.chat)
        await driven.press("enter")
        await driven.settle()
        await driven.press(*"loud", "enter")
        await driven.until(lambda: driven.app.screen is driven.chat)
        place = driven.chat.conversation
        assert place is not None
        assert await profiles.uses() == {ProfilePlace("conversation", place.id): saved.id}
        await driven.until(lambda: driven.chat.header.model == "openai:loud")


async def test_lines_that_are_pasted_into_a_question_come_in_whole() -> None:
    async with open_app() as driven:
        await driven.say("Good evening")
        await driven.press("alt+d")
        await driven.until(lambda: driven.app.screen.query("#answer"))
        field = driven.app.screen.query_one("#answer", Input)
        await driven.until(lambda: field.has_focus)
        field.post_message(Paste("be brief\r\nand \x1b[1mkind\x1b[0m\n"))
        await driven.until(lambda: field.value == "be brief and kind")
