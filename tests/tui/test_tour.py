"""The tour of the first start: it follows what the person does, waits for nothing, and can be reset."""

from __future__ import annotations

import pytest
from chat_world import Driven, open_app

from lunalux_core.config.paths import Paths
from lunalux_tui.chat.tour import STATE, TourBar


def tip(app: Driven) -> str:
    """The tip on screen, "" when there is none."""
    for bar in app.chat.query(TourBar):
        return bar.step
    return ""


async def test_doing_what_a_tip_says_leads_to_the_next() -> None:
    async with open_app() as app:
        await app.until(lambda: tip(app) == "talk")
        await app.say("hello")
        await app.until(lambda: tip(app) == "browse")
        await app.press("escape", "i")
        await app.until(lambda: tip(app) == "characters")
        await app.press("ctrl+o", "down", "enter")
        await app.until(lambda: tip(app) == "market")
        await app.press("f3")
        await app.until(lambda: app.app.current_mode == "market")
        await app.press("f2", "ctrl+g")
        await app.until(lambda: tip(app) == "palette")
        await app.press("escape", "ctrl+p")
        await app.until(lambda: tip(app) == "")
        assert await app.app.runtime.library.state.get(STATE) == -1


@pytest.mark.parametrize(
    ("model", "words"),
    [("practice", "nothing leaves this computer"), ("official:003", "sent there.")],
)
async def test_the_first_tip_says_where_the_words_go(paths: Paths, model: str, words: str) -> None:
    paths.config_file.parent.mkdir(parents=True, exist_ok=True)
    paths.config_file.write_text(f'[chat]\nmodel = "{model}"\n', encoding="utf-8")
    async with open_app() as app:
        await app.until(lambda: tip(app) == "talk")
        (bar,) = app.chat.query(TourBar)
        assert words in " ".join("".join(text for text, _ in line) for line in bar._lay(110))


async def test_it_is_ended_by_a_key_and_stays_ended() -> None:
    async with open_app() as app:
        await app.until(lambda: tip(app) == "talk")
        await app.press("f7")
        await app.until(lambda: tip(app) == "browse")
    async with open_app() as app:
        await app.until(lambda: tip(app) == "browse")
        await app.press("f8")
        await app.until(lambda: tip(app) == "")
    async with open_app() as app:
        await app.settle()
        assert tip(app) == ""
        await app.app.action_tour()
        assert tip(app) == "talk"


async def test_what_is_done_early_is_not_told_again() -> None:
    async with open_app() as app:
        await app.until(lambda: tip(app) == "talk")
        await app.press("escape", "i")
        await app.say("hello")
        await app.until(lambda: tip(app) == "characters")


async def test_it_takes_no_keys_from_the_prompt_and_fits_a_small_terminal() -> None:
    async with open_app((50, 15)) as app:
        await app.until(lambda: tip(app) == "talk")
        assert app.chat.query_one(TourBar).size.height <= 3
        await app.write("still typing")
        assert app.chat.prompt.text == "still typing"


async def test_its_keys_are_in_view_on_a_small_terminal() -> None:
    async with open_app((50, 15)) as app:
        for step in ("talk", "browse", "characters", "market", "models", "palette"):
            await app.until(lambda step=step: tip(app) == step)
            await app.pilot.pause()
            bar = app.chat.query_one(TourBar)
            rows = [bar.render_line(y).text for y in range(bar.size.height)]
            assert any("F7 next · F8 end" in row for row in rows), (step, rows)
            assert not any("…" in row for row in rows), (step, rows)
            await app.press("f7")
