"""Story mode: the tree as one page of prose, written on at its end or at a passage."""

from __future__ import annotations

import pytest
from chat_world import Driven, open_app

from lunalux_core.config.settings import load_settings
from lunalux_tui.render.message import header

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUNALUX_PRACTICE_RATE", "0")


def names(driven: Driven) -> list[str]:
    """Names of those whose passages have a header on the page."""
    text_layout = driven.chat.transcript.text_layout
    width = text_layout.text_width
    return [
        entry.message.name
        for entry in text_layout.entries
        if entry.message and entry.lines[:1] == [header(entry.message, width, text_layout.today, None)]
    ]


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (60, 16)])
async def test_the_page_has_no_names_and_goes_back_to_a_chat(size: tuple[int, int]) -> None:
    async with open_app(size) as driven:
        await driven.say("I ring the bell.")
        chat, before = driven.drawn(), driven.contents()
        assert len(names(driven)) >= 2
        await driven.press("alt+t")
        await driven.until(lambda: driven.chat.transcript.text_layout.prose)
        page = driven.drawn()
        assert names(driven) == [] and "I ring the bell." in page and driven.contents() == before
        assert len(page.splitlines()) < len(chat.splitlines())
        assert load_settings().prose
        await driven.say("I wait.")
        assert driven.contents()[-2] == "I wait." and names(driven) == []
        await driven.press("alt+t")
        await driven.until(lambda: not driven.chat.transcript.text_layout.prose)
        assert len(names(driven)) >= 2


async def test_continue_appends_to_the_page_and_answers_the_persons_own_passage() -> None:
    async with open_app() as driven:
        await driven.press("alt+t")
        await driven.say("I ring the bell.")
        last = driven.contents()[-1]
        await driven.press("alt+c")
        await driven.until(lambda: driven.contents()[-1] != last and not driven.chat.busy)
        assert driven.contents()[-1].startswith(last)
        await driven.write("It rains.")
        driven.chat.perform("store")
        await driven.until(lambda: driven.contents()[-1] == "It rains.")
        before = len(driven.contents())
        await driven.press("alt+c")
        await driven.until(lambda: len(driven.contents()) == before + 1 and not driven.chat.busy)


async def test_writing_goes_on_at_a_passage_that_is_chosen_and_the_rest_stays_as_a_branch() -> None:
    async with open_app() as driven:
        await driven.press("alt+t")
        await driven.say("First.")
        await driven.say("Second.")
        conversation = driven.chat.conversation
        assert conversation is not None
        conversations = driven.app.runtime.library.conversations
        nodes = len(await conversations.tree(conversation.id))
        at = driven.chat.transcript.messages[-3]
        driven.chat.transcript.selected = at.id
        driven.chat.action_focus_prompt()
        assert driven.chat.transcript.selected == at.id and driven.chat.prompt.has_focus
        await driven.write("Otherwise.")
        await driven.press("enter")
        await driven.until(lambda: "Otherwise." in driven.contents() and not driven.chat.busy)
        await driven.settle()
        contents = driven.contents()
        assert contents[-3:-1] == [at.content, "Otherwise."] and "Second." not in contents
        assert len(await conversations.tree(conversation.id)) == nodes + 2
        driven.chat.transcript.selected = at.id
        driven.chat.action_focus_prompt()
        await driven.press("escape")
        assert driven.chat.transcript.selected == "" and driven.chat.prompt.has_focus


async def test_the_page_is_switched_while_it_is_being_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUNALUX_PRACTICE_RATE", "40")
    async with open_app() as driven:
        await driven.write("Go on.")
        await driven.press("enter")
        await driven.until(lambda: driven.chat.transcript.text_layout.stream_text())
        await driven.press("alt+t")
        await driven.until(lambda: driven.chat.transcript.text_layout.prose)
        assert driven.chat.busy and names(driven) == []
        await driven.pilot.click("#transcript", offset=(4, 2))
        await driven.press("escape")
        await driven.until(lambda: not driven.chat.busy)
        assert names(driven) == []
