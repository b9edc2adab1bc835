"""Work of the app that is called off while something goes away from the screen: the app stays."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path

import pytest
from chat_world import Driven, open_app

import lunalux_tui
from lunalux_core.config.paths import Paths
from lunalux_tui.chat.questions import Question, QuestionBar
from lunalux_tui.parts.ask_dialog import ConfirmDialog
from lunalux_tui.parts.pick_dialog import PickDialog
from lunalux_tui.parts.removal import removal
from lunalux_tui.parts.rows import Row

TURNS = 40
"""Turns of the event loop within which a dialog or a bar has gone for certain on a quiet machine."""


async def call_off(driven: Driven, work: Callable[[], Coroutine[None, None, None]], turns: int) -> None:
    """Begin something, cancel it some turns of the event loop later, and use the app after that."""
    worker = driven.app.run_worker(work, exit_on_error=False)
    for _ in range(turns):
        await asyncio.sleep(0)
    worker.cancel()
    await driven.pilot.pause()
    assert worker.error is None or isinstance(worker.error, asyncio.CancelledError)
    assert driven.app.is_running, turns


async def test_a_dialog_that_is_called_off_while_another_goes_does_not_end_the_app(paths: Paths) -> None:
    async with open_app() as driven:
        app = driven.app

        async def ask() -> None:
            await app.push_screen_wait(ConfirmDialog("Second", "Really?"))

        for turns in range(TURNS):
            first = ConfirmDialog("First", "Really?")
            await app.push_screen(first)
            first.dismiss(False)
            await call_off(driven, ask, turns)
            if isinstance(app.screen, ConfirmDialog):  # it had come, and nobody waits for its answer
                await driven.press("escape")
            await driven.until(lambda: app.screen is driven.chat)


async def test_a_dialog_may_go_before_it_has_come(paths: Paths) -> None:
    async with open_app() as driven:
        for turns in range(TURNS):
            dialog = PickDialog("Which?", [Row("a", "A")])
            driven.app.push_screen(dialog)
            for _ in range(turns):
                await asyncio.sleep(0)
            if driven.app.screen is dialog:
                dialog.dismiss(None)
            await driven.until(lambda dialog=dialog: dialog not in driven.app.screen_stack)  # type: ignore[misc]
            assert driven.app.is_running, turns
        await driven.say("Hello")


@pytest.mark.parametrize("turns", range(0, TURNS, 4))
async def test_the_app_may_be_left_while_a_dialog_comes(home: Path, turns: int) -> None:
    async with open_app() as driven:
        driven.app.push_screen(PickDialog("Which?", [Row("a", "A")]))
        for _ in range(turns):
            await asyncio.sleep(0)
    assert not list(home.rglob("crash-*"))


async def test_work_that_waits_until_a_bar_has_gone_can_be_called_off(paths: Paths) -> None:
    async with open_app() as driven:
        pane = driven.chat.query_one("#main")

        for turns in range(TURNS):
            bar = QuestionBar(Question("subject", list, ()))
            await pane.mount(bar, before="#prompt")
            gone = bar.remove()
            await call_off(driven, partial(removal, gone), turns)
            await driven.until(lambda: not driven.chat.query(QuestionBar))


def test_nothing_waits_for_a_removal_in_another_way() -> None:
    """`await widget.remove()` in a worker ends the app when the worker is cancelled."""
    found = []
    for path in Path(lunalux_tui.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Await(
                    value=ast.Call(func=ast.Attribute(attr="remove" | "remove_children" | "dismiss"), args=[])
                ):
                    found.append(f"{path.name}:{node.lineno}")
    assert found == []
