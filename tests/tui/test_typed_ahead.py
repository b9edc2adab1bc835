"""Keys typed before the app has done what the first of them asks for: each goes where it was meant."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from chat_world import open_app
from terminal import Terminal
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.widgets import Input, OptionList

from lunalux_core.config.paths import Paths
from lunalux_tui.app import typed_ahead
from lunalux_tui.app.typed_ahead import TypedAhead

pty_only = pytest.mark.skipif(sys.platform == "win32", reason="a pty is needed")

Open = Callable[..., Terminal]


@pytest.fixture
def open_terminal(home: Path) -> Iterator[Open]:
    opened: list[Terminal] = []

    def start(*arguments: str) -> Terminal:
        environ = {"LUNALUX_HOME": str(home), "LUNALUX_LANG": "en", "LUNALUX_PRACTICE_RATE": "0"}
        opened.append(Terminal(arguments, environ, 120, 40))
        return opened[-1]

    yield start
    for terminal in opened:
        terminal.close()


# -- a real terminal: all keys of a step in one write ----------------------------------------------


@pty_only
def test_words_typed_before_the_first_frame_and_just_before_leaving_are_kept(open_terminal: Open) -> None:
    terminal = open_terminal()
    terminal.send("half a thought")
    terminal.wait("│ half a thought")
    terminal.send(" and its end\x11")  # ctrl+q
    assert terminal.ended() == 0
    again = open_terminal()
    again.wait("│ half a thought and its end")
    again.wait("4 characters")  # also those that the first start had not come to


@pty_only
def test_words_follow_the_keys_to_places_searches_and_dialogs(open_terminal: Open) -> None:
    terminal = open_terminal()
    terminal.wait("‹1/3›")
    terminal.send("\x1bOR/dusk")  # f3: the market, where d downloads, s sorts and k goes up
    terminal.wait(r"\n dusk")
    terminal.send("\x1b[17~/seed")  # f6: the settings
    terminal.wait(r"▸ Search")
    terminal.wait(r"  seed")
    terminal.send("\x1bOQhello there")  # f2: the chat
    terminal.wait("│ hello there")
    terminal.send("\x06bell")  # ctrl+f
    terminal.wait("╭─ Search")
    terminal.wait(r"│  bell")
    terminal.send("\x1b")
    terminal.gone("╭─ Search")
    terminal.send("\x10langua")  # ctrl+p
    terminal.wait("🔎 langua")
    terminal.send("\x1b")
    terminal.gone("🔎")
    terminal.send("\x0fsol\rahoy")  # ctrl+o: somebody of the list, whose talk opens with enter
    terminal.wait("The liner Amaranth")
    terminal.wait("│ ahoy")
    terminal.send("\x1bonobody\x13and so on")  # alt+o: the note, stored by ctrl+s
    terminal.wait("│ ahoyand so on")


@pty_only
def test_a_message_and_the_next_one_typed_at_once(open_terminal: Open) -> None:
    terminal = open_terminal()
    terminal.wait("‹1/3›")
    terminal.send("First wards\x7f\x7f\x7f\x7fords\rthe next")
    terminal.wait(r"First words")
    terminal.wait(r"│ the next")
    terminal.send("\x1b[H>> \x1b[F!")  # home and end
    terminal.wait(r"│ >> the next!")


# -- the app with a pilot --------------------------------------------------------------------------


def typed(*keys: str) -> list[events.Key]:
    return [events.Key(key, key if len(key) == 1 else None) for key in keys]


async def test_words_to_look_for_go_into_the_field_and_not_to_the_list(paths: Paths) -> None:
    async with open_app() as driven:
        driven.chat.roster.rows.focus()
        await driven.pilot.pause()
        for key in typed("slash", "d", "e"):  # in the list "d" deletes and "e" edits
            driven.app.post_message(key)
        await driven.until(lambda: [field.value for field in driven.chat.roster.query(Input)] == ["de"])
        assert driven.app.screen is driven.chat and driven.chat.prompt.text == ""


async def test_a_paste_and_a_click_keep_their_place_among_the_keys(paths: Paths) -> None:
    async with open_app() as driven:
        driven.chat.roster.rows.focus()
        await driven.pilot.pause()
        where = driven.chat.prompt.region.offset
        click = (where.x + 1, where.y, 0, 0, 1, False, False, False, where.x + 1, where.y)
        for event in (
            *typed("slash", "d"),
            events.Paste("uck"),
            *typed("s"),
            events.MouseDown(None, *click),
            events.MouseUp(None, *click),
            *typed("e"),
        ):
            driven.app.post_message(event)
        await driven.until(lambda: driven.chat.prompt.text == "e")
        assert [field.value for field in driven.chat.roster.query(Input)] == ["ducks"]


# -- how long keys wait ----------------------------------------------------------------------------


class Waiting(App[None]):
    """A list and a field; f2 begins work that may move the focus, and never does."""

    BINDINGS = [Binding("f2", "begin('dialog')"), Binding("f3", "begin('turn')"), Binding("escape", "stop")]  # noqa: RUF012
    stopped = False

    def __init__(self) -> None:
        super().__init__()
        self.typed_ahead = TypedAhead(self, super().on_event, lambda key: key == "escape")

    def compose(self) -> ComposeResult:
        yield OptionList("one", "two")
        yield Input()

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, typed_ahead.TYPED) and not event.is_forwarded:
            await self.typed_ahead.read(event)
        else:
            await super().on_event(event)

    def action_begin(self, group: str) -> None:
        self.run_worker(asyncio.Event().wait(), group=group)

    def action_stop(self) -> None:
        self.stopped = True


async def until(condition: Callable[[], bool]) -> None:
    """Look now and then; `Pilot.pause` would wait for the work too."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(("key", "shortest"), [("f2", typed_ahead.PATIENCE * 0.9), ("f3", 0.0)])
async def test_work_that_never_ends_holds_keys_up_for_a_moment_only(key: str, shortest: float) -> None:
    async with Waiting().run_test() as pilot:
        app = pilot.app
        app.query_one(Input).focus()
        await pilot.pause()
        began = time.monotonic()
        for event in typed(key, "a", "b"):
            app.post_message(event)
        await until(lambda: app.query_one(Input).value == "ab")
        assert time.monotonic() - began >= shortest
        app.workers.cancel_all()


async def test_a_key_that_stops_is_not_held_up_and_comes_behind_what_was_typed_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(typed_ahead, "PATIENCE", 3600.0)
    monkeypatch.setattr(typed_ahead, "LONGEST", 3600.0)
    app = Waiting()
    async with app.run_test() as pilot:
        app.query_one(Input).focus()
        await pilot.pause()
        for event in typed("f2", "a", "escape"):
            app.post_message(event)
        await until(lambda: app.stopped)
        assert app.query_one(Input).value == "a"
        app.workers.cancel_all()
