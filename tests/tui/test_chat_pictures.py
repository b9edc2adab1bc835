"""Pictures on the chat screen: attached by key or dropped, kept with the draft, sent, drawn, taken off."""

from __future__ import annotations

from pathlib import Path

import pytest
from chat_world import Driven, open_app
from PIL import Image
from textual import events
from textual.geometry import Region

from lunalux_core.cards.card import Card
from lunalux_core.cards.export import export_card
from lunalux_core.library.conversations import Message
from lunalux_tui.chat.pictures_bar import PicturesBar

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUNALUX_PRACTICE_RATE", "0")


@pytest.fixture
def red(tmp_path: Path) -> Path:
    Image.new("RGB", (200, 100), "red").save(tmp_path / "a red one.png")
    return tmp_path / "a red one.png"


def waiting(driven: Driven) -> list[str]:
    return [picture.name for picture in driven.chat.open_chat.pictures]


def shown_bar(driven: Driven) -> str:
    bar = driven.chat.query("#pictures-bar")
    return "".join(part.text for part in bar.first().left()) if bar else ""  # type: ignore[attr-defined]


async def drop(driven: Driven, *paths: Path) -> None:
    driven.chat.prompt.post_message(events.Paste(" ".join(f"'{path}'" for path in paths)))
    await driven.pilot.pause()


def said(driven: Driven) -> Message:
    return next(message for message in reversed(driven.chat.transcript.messages) if message.role == "user")


async def test_a_dropped_picture_waits_and_goes_with_the_words(red: Path) -> None:
    async with open_app(notices=True) as driven:
        await drop(driven, red)
        await driven.until(lambda: waiting(driven) and shown_bar(driven))
        assert "a red one.png" in shown_bar(driven) and "200 × 100" in shown_bar(driven)
        await driven.until(lambda: "practice" in driven.told())
        assert driven.chat.prompt.text == ""
        await driven.say("Do you see it?")
        assert [picture.name for picture in said(driven).pictures] == ["a red one.png"]
        assert not waiting(driven) and not shown_bar(driven)
        assert "▣ a red one.png  200 × 100 · 1 KB" in driven.drawn()
        entry = driven.chat.transcript.text_layout.find(said(driven).id)
        assert entry is not None
        await driven.until(lambda: entry.pixels)
        place = min(entry.pixels)
        top = driven.chat.transcript.text_layout.top(entry.id)
        assert top is not None
        strip = driven.chat.transcript.line_at(top + place)
        colours = {
            segment.style.bgcolor.triplet for segment in strip if segment.style and segment.style.bgcolor
        }
        assert any(colour is not None and colour.red > 200 and colour.blue < 50 for colour in colours)
        assert strip.cell_length == driven.chat.transcript.size.width


async def test_a_bar_that_was_just_taken_away_may_be_drawn_once_more(red: Path) -> None:
    async with open_app() as driven:
        await drop(driven, red)
        await driven.until(lambda: driven.chat.query("#pictures-bar"))
        bar = driven.chat.query_one("#pictures-bar", PicturesBar)
        await bar.remove()
        bar.refresh()
        assert len(bar.render_lines(Region(0, 0, 20, 1))) == 1


async def test_a_key_attaches_and_a_key_takes_off(red: Path) -> None:
    async with open_app() as driven:
        await driven.press("alt+p")
        await driven.until(lambda: driven.app.screen is not driven.chat)
        driven.app.screen.query_one("#answer").value = str(red)  # type: ignore[attr-defined]
        await driven.press("enter")
        await driven.until(lambda: waiting(driven))
        await driven.press("alt+u")
        await driven.until(lambda: not waiting(driven) and not shown_bar(driven))
        assert not driven.chat.check_action("detach", ())


async def test_a_picture_may_go_alone(red: Path) -> None:
    async with open_app() as driven:
        await drop(driven, red)
        await driven.until(lambda: waiting(driven))
        count = len(driven.contents())
        await driven.press("enter")
        await driven.until(lambda: len(driven.contents()) == count + 2 and not driven.chat.busy)
        assert said(driven).content == "" and said(driven).pictures
        await driven.press("enter")
        assert len(driven.contents()) == count + 2  # an empty prompt sends nothing


async def test_what_waits_survives_a_restart_and_belongs_to_its_conversation(red: Path) -> None:
    async with open_app() as driven:
        await driven.say("Good evening.")
        await drop(driven, red)
        await driven.until(lambda: waiting(driven))
    async with open_app() as driven:
        await driven.until(lambda: waiting(driven) == ["a red one.png"] and shown_bar(driven))
        await driven.chat.objects.opener.open_again(new=True)
        await driven.until(lambda: not waiting(driven) and not shown_bar(driven))


async def test_a_card_that_is_dropped_is_still_a_card(red: Path, tmp_path: Path) -> None:
    card = tmp_path / "card.png"
    card.write_bytes(export_card(Card.new("Zelda", description="A cook.", first_mes="Hm?"), "png"))
    async with open_app() as driven:
        await drop(driven, card, red)
        await driven.until(lambda: driven.app.screen is not driven.chat)
        assert waiting(driven) == ["a red one.png"]
        await driven.press("enter")
        await driven.until(lambda: driven.chat.character_name == "Zelda")


async def test_what_cannot_be_sent_is_told(tmp_path: Path) -> None:
    Image.new("1", (10_000, 10_000)).save(tmp_path / "huge.png")
    async with open_app() as driven:
        await drop(driven, tmp_path / "huge.png")
        await driven.until(lambda: driven.notes())
        assert "32 million pixels" in driven.notes()[0] and not waiting(driven)


async def test_words_that_nobody_answers_take_the_pictures_along(red: Path) -> None:
    async with open_app() as driven:
        await drop(driven, red)
        await driven.until(lambda: waiting(driven))
        await driven.write("Look at this.")
        driven.chat.perform("store")
        await driven.until(lambda: driven.contents()[-1] == "Look at this.")
        assert said(driven).pictures
        await driven.until(lambda: not waiting(driven) and not shown_bar(driven))
