"""Every screen as text, in two sizes and both languages, compared with the frames in tests/data/frames.

`LUNALUX_RENEW=1 pytest tests/tui/test_frames.py` writes them anew; read the difference before it is kept.
Digits and scroll bars are masked: they tell the time of the run, and the length of what is not seen. Pictures
are off: how they come out in blocks depends on the version of the library that scales them.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from difflib import unified_diff
from pathlib import Path

import pytest
from chat_world import Driven, open_app
from market_world import NOWHERE, item, signed_in, stock

from lunalux_core.config.paths import Paths
from lunalux_core.library.memories import Memory, add_memory
from lunalux_tui.app import places
from lunalux_tui.app.help_dialog import HelpDialog
from lunalux_tui.chat.memory.memory_dialog import MemoryDialog
from lunalux_tui.chat.memory.window_bar import WindowBar
from lunalux_tui.chat.portrait import Portrait
from lunalux_tui.settings.screen import SettingsScreen

FRAMES = Path(__file__).resolve().parents[1] / "data" / "frames"
SIZES = ((80, 24), (120, 40))
SCREENS = ("chat", "market", "create", "user", "settings", "help", "memory")


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("screen", SCREENS)
async def test_the_screen_looks_as_it_did(
    screen: str, size: tuple[int, int], language: str, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUNALUX_LANG", language)
    monkeypatch.setenv("LUNALUX_API_URL", NOWHERE)
    paths.config.mkdir(parents=True)
    (paths.config / "config.toml").write_text('[ui]\npictures = "off"\n', encoding="utf-8")
    lamp = item(1, "Mirelle", "A lamp in the harbour.", ["cosy"])
    cards = [lamp, item(2, "夜灯", "海港里的一盏灯。", ["日常"])]
    await stock(paths, {("en", "hot"): cards, ("zh", "hot"): cards})
    await signed_in(paths)
    path = FRAMES / f"{screen}-{size[0]}x{size[1]}-{language}.txt"
    async with open_app(size) as driven:
        await driven.app.action_tour_end()
        await show(driven, screen)
        if os.environ.get("LUNALUX_RENEW"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(frame(driven), encoding="utf-8")
        wanted = path.read_text("utf-8")
        with suppress(TimeoutError):  # the line of keys follows what can be done a moment later
            await driven.until(lambda: frame(driven) == wanted, 20)
        now = frame(driven)
    difference = "\n".join(unified_diff(wanted.splitlines(), now.splitlines(), "wanted", "now", lineterm=""))
    assert now == wanted, f"if this is meant: LUNALUX_RENEW=1 pytest tests/tui/test_frames.py\n{difference}"


async def show(driven: Driven, screen: str) -> None:
    """Go to a screen and wait until it stands still."""
    app = driven.app
    if screen == "help":
        app.action_help()
        await driven.until(lambda: isinstance(app.screen, HelpDialog))
    elif screen == "memory":
        await show_memory(driven)
    elif screen == places.FIRST:
        await driven.until(lambda: any(widget.source for widget in app.screen.query(Portrait)))
    else:
        app.action_go(screen)
        await driven.until(lambda: getattr(app.screen, "PLACE", "") == screen)
    if isinstance(app.screen, SettingsScreen):
        app.action_settings("presets")
        await driven.until(lambda: app.screen.ready and app.screen.section_view.rows)  # type: ignore[attr-defined]
    await driven.until(lambda: not fetching(driven))
    before = ""
    for _ in range(100):
        await driven.pilot.pause(0.1)
        if not fetching(driven) and before == (before := frame(driven)):
            return


async def show_memory(driven: Driven) -> None:
    """The memory pane over a conversation that has some, after a reply."""
    await driven.say("Good evening.")
    library, conversation = driven.app.runtime.library, driven.chat.conversation
    assert conversation is not None
    messages = await library.conversations.page(conversation.id)
    for memory in (
        Memory("", conversation.id, "fact", "Mirelle fears the sea.", keywords=("sea",), pinned=True),
        Memory("", conversation.id, "marked", messages[1].content, first=messages[1].id),
        Memory("", conversation.id, "summary", "They meet and greet.", "The greeting", first=messages[0].id),
    ):
        await library.memories.add(memory)
    await library.database.write(
        lambda c: add_memory(
            c,
            Memory(
                "",
                conversation.id,
                "summary",
                "",
                last=messages[2].id,
                state="failed",
                reason="language: No.",
            ),
        )
    )
    driven.chat.perform("memory")
    await driven.until(lambda: isinstance(driven.app.screen, MemoryDialog))
    dialog = driven.app.screen
    assert isinstance(dialog, MemoryDialog)
    await driven.until(lambda: dialog.query(WindowBar) and len(dialog.tab.rows.rows) == 4)


def fetching(driven: Driven) -> bool:
    """Whether the screen waits for the backend, or its head does not stand yet."""
    heads = driven.app.screen.query("MarketHead, AccountHead")
    place = getattr(driven.app.screen, "PLACE", "")
    busy = any(getattr(head, "busy", False) or getattr(head, "fetching", False) for head in heads)
    return busy or (place in {"market", "user"} and not heads)


def frame(driven: Driven) -> str:
    """The screen as lines of text."""
    strips = driven.app.screen._compositor.render_strips()
    text = "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)
    text = re.sub(r"\d", "0", text)
    lines = re.sub("[▁▂▃▄▅▆▇]", " ", text).splitlines()  # scroll bars tell how long the rest is
    return "\n".join(line.rstrip() for line in lines).rstrip() + "\n"
