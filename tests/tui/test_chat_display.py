"""Display scripts on the chat screen: asked once for each card, shown but never stored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from chat_world import Driven, open_app

from lunalux_tui.chat.raw_dialog import RawDialog
from lunalux_tui.chat.scripts_dialog import ScriptsDialog
from lunalux_tui.parts.reader import Reader

STATUS = {
    "id": "1",
    "scriptName": "Status panel",
    "findRegex": "/<hp>(\\d+)<\\/hp>/g",
    "replaceString": "<details><summary>Status of {{char}}</summary><b>$1 points</b></details>",
    "placement": [2],
    "markdownOnly": True,
    "promptOnly": False,
    "minDepth": None,
    "maxDepth": 2,
}
SHOUT = {
    "id": "2",
    "scriptName": "Shout",
    "findRegex": "/hello/gi",
    "replaceString": "HELLO",
    "placement": [1],
    "markdownOnly": True,
}


def card(folder: Path, **data: Any) -> Path:
    document = {
        "spec": "chara_card_v2",
        "spec_version": "2.0",
        "data": {
            "name": "Panel",
            "first_mes": "I am here. <hp>7</hp> {{img::portrait}}",
            "extensions": {"regex_scripts": [STATUS, SHOUT]},
            **data,
        },
    }
    path = folder / "panel.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


async def opened(driven: Driven, path: Path) -> None:
    await driven.chat.objects.files.import_cards([str(path)])
    await driven.until(lambda: driven.chat.character and driven.chat.character.name == "Panel")
    await driven.until(lambda: driven.chat.query("#scripts-question"))


async def test_scripts_of_a_card_ask_first_and_change_what_is_shown_alone(tmp_path: Path) -> None:
    async with open_app() as driven:
        await opened(driven, card(tmp_path))
        assert driven.chat.prompt.has_focus  # the question stops nobody
        await driven.until(lambda: "⋯" in driven.drawn())
        assert "Status" not in driven.drawn() and "img" not in driven.drawn().split("⋯")[0]
        assert "img" in driven.drawn()  # what was left out is named
        await driven.press("alt+y")
        await driven.until(lambda: "Status of Panel" in driven.drawn())
        assert not driven.chat.query("#scripts-question")
        assert driven.contents() == ["I am here. <hp>7</hp> {{img::portrait}}"]
        await driven.say("hello you")
        await driven.until(lambda: "HELLO you" in driven.drawn())
        assert driven.contents()[1] == "hello you"
        await driven.say("and again")  # now the greeting is deeper than the script reaches
        await driven.until(lambda: "Status of Panel" not in driven.drawn())
        kept = await driven.app.runtime.library.characters.get(driven.chat.character.id)  # type: ignore[union-attr]
        assert kept.scripts_allowed is True


async def test_a_refusal_is_kept_and_can_be_taken_back(tmp_path: Path) -> None:
    async with open_app() as driven:
        await opened(driven, card(tmp_path))
        await driven.press("alt+n")
        await driven.until(lambda: not driven.chat.query("#scripts-question"))
        await driven.chat.objects.opener.open_again(new=True)
        await driven.settle()
        assert not driven.chat.query("#scripts-question") and "<hp>" not in driven.drawn()
        assert "Status" not in driven.drawn()
        await driven.press("alt+r")
        await driven.until(lambda: isinstance(driven.app.screen, ScriptsDialog))
        await driven.press("y")
        await driven.until(lambda: "Status of Panel" in driven.drawn())


async def test_the_raw_reply_can_be_read(tmp_path: Path) -> None:
    async with open_app() as driven:
        await driven.say("Hello")
        reply = driven.chat.transcript.messages[-1]
        await driven.press("escape", "v")
        await driven.until(lambda: isinstance(driven.app.screen, RawDialog))
        reader = driven.app.screen.query_one(Reader)
        words = "".join(text for line in reader.lay(4000) for text, _ in line)
        assert reply.raw and " ".join(reply.raw.split())[:60] in " ".join(words.split())
        await driven.press("escape")
        assert driven.chat.transcript.messages[-1] == reply


async def test_ten_pages_back_only_the_window_is_worked_on(tmp_path: Path) -> None:
    async with open_app() as driven:
        await opened(driven, card(tmp_path))
        await driven.press("alt+y")
        await driven.until(lambda: "Status of Panel" in driven.drawn())
        conversation = driven.chat.conversation
        assert conversation is not None
        from lunalux_core.database import Connection
        from lunalux_core.library.conversations import append_message, load_message, new_message

        def fill(connection: Connection) -> None:
            last = load_message(connection, driven.chat.transcript.messages[-1].id)
            for number in range(900):
                last = new_message(conversation.id, last, "user", "Me", f"hello {number}")
                append_message(connection, last)

        await driven.app.runtime.library.database.write(fill)
        await driven.chat.objects.opener.reload(keep_place=False)
        await driven.until(lambda: "HELLO 899" in driven.drawn())
        await driven.press("escape", "home")
        await driven.until(lambda: "HELLO 1\n" in driven.drawn() and "hello" not in driven.drawn())
        assert len(driven.chat.transcript.text_layout.displayed) < 300
