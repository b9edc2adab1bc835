"""What a hostile or broken model server can do to the screen: nothing."""

from __future__ import annotations

import os

import pytest
from chat_world import Driven, open_app
from model_server import model_server

HOSTILE = [
    "Plain [red]markup[/red] [@click=app.quit]link[/] ",
    "\x1b[2J\x1b[Hcleared \x1b]0;owned\x07 title \x1b]52;c;aGFja2Vk\x07 clip ",
    "bell\x07 back\x08space \x9b31mC1 \u202edesrever\u202c ",
    "\x1b",
    "[31mcut in two ",
    "[bold",
    "]half a tag",
    "\n\n**strong *open `tick <script>alert(1)</script> <details><summary>s</summary>x",
    "\n\n" + "w" * 5000,
]


async def talk(driven: Driven, url: str, text: str = "Hello") -> None:
    driven.app.change_setting("chat.model", "openai:any")
    await driven.write(text)
    await driven.press("enter")
    await driven.until(lambda: len(driven.contents()) >= 3 and not driven.chat.busy)


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


async def test_nothing_from_a_model_acts_on_the_terminal(
    address: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with model_server(HOSTILE) as url:
        monkeypatch.setitem(os.environ, "OPENAI_BASE_URL", url)
        async with open_app() as driven:
            await talk(driven, url)
            drawn = driven.drawn()
            assert "[red]markup[/red]" in drawn and "[@click=app.quit]link[/]" in drawn
            assert "[bold]half a tag" in drawn and "cut in two" in drawn
            for strip in driven.app.screen._compositor.render_strips():
                for segment in strip:
                    assert not any(ord(sign) < 32 or 127 <= ord(sign) < 160 for sign in segment.text)
                    assert segment.style is None or not segment.style.meta.get("@click")
            assert "alert(1)" not in drawn
            await driven.say("Still alive?")


async def test_a_cut_reply_is_kept_and_marked(address: None, monkeypatch: pytest.MonkeyPatch) -> None:
    async with model_server(["The first half ", "of a reply"], cut=True) as url:
        monkeypatch.setitem(os.environ, "OPENAI_BASE_URL", url)
        async with open_app() as driven:
            await talk(driven, url)
            reply = driven.chat.transcript.messages[-1]
            assert reply.status == "failed" and reply.content.startswith("The first half of a reply")
            assert driven.notes() and "Failed here" in driven.drawn()


async def test_four_megabytes_without_a_line_leave_the_screen_alive(
    address: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with model_server(["x" * 200_000] * 20) as url:
        monkeypatch.setitem(os.environ, "OPENAI_BASE_URL", url)
        async with open_app() as driven:
            await talk(driven, url)
            assert len(driven.drawn()) < 400_000
            await driven.write("I can still type")
            assert driven.chat.prompt.text == "I can still type"
