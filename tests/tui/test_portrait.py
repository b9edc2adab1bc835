"""The portrait under the list of characters."""

from __future__ import annotations

import io
import json
from base64 import b64encode
from pathlib import Path

import pytest
from chat_world import Driven, open_app
from model_server import model_server
from PIL import Image

from lunalux_core.cards.card import Card
from lunalux_core.library.characters import NewCharacter
from lunalux_tui.chat.portrait import Portrait


def portrait(app: Driven) -> Portrait:
    return app.chat.query_one(Portrait)


async def test_it_shows_who_is_talked_with() -> None:
    async with open_app((120, 40)) as app:
        await app.until(lambda: isinstance(portrait(app).source, Path))
        first = portrait(app).source
        await app.press("ctrl+o", "down", "enter")
        await app.until(lambda: portrait(app).source not in (None, first))
        assert portrait(app).who == app.chat.character_name


async def test_it_takes_no_room_from_a_small_terminal_and_can_be_switched_off() -> None:
    async with open_app((80, 24)) as app:
        await app.until(lambda: app.chat.query(Portrait))
        assert not portrait(app).size.area
        await app.pilot.resize_terminal(120, 40)
        await app.until(lambda: portrait(app).size.height == 15)
        app.app.change_setting("ui.portrait", False)
        await app.until(lambda: not portrait(app).size.area)


def face(colour: str) -> bytes:
    """A small picture of one colour."""
    out = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(out, "PNG")
    return out.getvalue()


def emotion(name: str, colour: str) -> dict[str, str]:
    """An expression whose picture stands in the card itself."""
    uri = f"data:image/png;base64,{b64encode(face(colour)).decode()}"
    return {"type": "emotion", "name": name, "ext": "png", "uri": uri}


async def add_with_faces(app: Driven) -> None:
    card = Card.new("Mira", first_mes="Hi.", assets=[emotion("neutral", "grey"), emotion("smile", "yellow")])
    new = NewCharacter("mira", "Mira", json.dumps(card.document), "hash", spec="v3")
    await app.app.runtime.library.characters.add(new)


async def test_each_reply_calls_for_its_face(monkeypatch: pytest.MonkeyPatch) -> None:
    async with model_server(["She smiles."]) as url, open_app((120, 40)) as app:
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        app.app.change_setting("chat.model", "openai:any")
        await add_with_faces(app)
        app.app.open_character("mira")
        await app.until(lambda: portrait(app).source == face("grey"))
        await app.say("Hello")
        await app.until(lambda: portrait(app).source == face("yellow"))
        await app.say("/sendas name=Mira A neutral look. | /send Hm.")
        await app.until(lambda: portrait(app).source == face("grey"))


async def test_whoever_a_script_lets_speak_is_named() -> None:
    async with open_app((120, 40)) as app:
        await app.until(lambda: portrait(app).who == app.chat.character_name)
        await app.say("/sendas name=Quill Good evening. | /send Good evening.")
        await app.until(lambda: portrait(app).who == "Quill")
