"""Coming from elsewhere: SillyTavern is found and offered, paths complete, an import ends in a page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from chat_world import Driven, open_app
from textual.widgets import Input

from lunalux_core.cards.card import Card
from lunalux_core.cards.export import export_card
from lunalux_core.importing.moving_in import count, find, places
from lunalux_tui.chat.questions import QuestionBar
from lunalux_tui.parts.imported_dialog import ImportedDialog
from lunalux_tui.parts.path_dialog import PathDialog, fitting, longest
from lunalux_tui.parts.read_dialog import ReadDialog
from lunalux_tui.parts.told import Told


def silly_tavern(folder: Path) -> Path:
    """A data folder with two characters, three chats and a book."""
    for name in ("characters", "chats/Ada", "chats/Ben", "worlds", "thumbnails"):
        (folder / name).mkdir(parents=True)
    for name in ("Ada", "Ben"):
        card = Card.new(name, first_mes="Hello.")
        (folder / "characters" / f"{name}.png").write_bytes(export_card(card, "png"))
    head = json.dumps({"user_name": "You", "character_name": "Ada", "chat_metadata": {}})
    line = json.dumps({"name": "Ada", "is_user": False, "mes": "Hello.", "send_date": "2024-01-01"})
    for chat in ("Ada/1", "Ada/2", "Ben/1"):
        (folder / "chats" / f"{chat}.jsonl").write_text(f"{head}\n{line}\n")
    book = {"entries": {"0": {"uid": 0, "key": ["moon"], "content": "Green.", "comment": "Moon"}}}
    (folder / "worlds" / "Night.json").write_text(json.dumps(book))
    return folder


@pytest.mark.parametrize(
    ("platform", "where", "environ"),
    [
        ("linux", "SillyTavern/data/default-user", {}),
        ("linux", ".local/share/SillyTavern/data/me", {}),
        ("darwin", "Library/Application Support/SillyTavern/data/default-user", {}),
        ("darwin", "Documents/SillyTavern/data/default-user", {}),
        ("win32", "SillyTavern-Launcher/SillyTavern/data/default-user", {}),
        ("win32", "Roaming/SillyTavern/data/default-user", {"APPDATA": "Roaming"}),
        ("linux", "SillyTavern/public", {}),
    ],
)
def test_data_is_found_where_each_system_keeps_it(
    platform: str, where: str, environ: dict[str, str], tmp_path: Path
) -> None:
    folder = silly_tavern(tmp_path / where)
    environ = {name: str(tmp_path / value) for name, value in environ.items()}
    (found,) = (one for one in find(tmp_path, environ, platform) if tmp_path in one.path.parents)
    assert found.path == folder and (found.characters, found.chats, found.books) == (2, 3, 1)
    assert len(list(places(tmp_path, environ, platform))) > 20


def test_a_folder_without_anything_in_it_is_not_offered(tmp_path: Path) -> None:
    (tmp_path / "SillyTavern" / "data" / "default-user" / "characters").mkdir(parents=True)
    assert count(tmp_path / "SillyTavern" / "data" / "default-user") is None


async def test_the_first_start_offers_it_with_numbers_and_one_key_imports_it(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    silly_tavern(tmp_path / "SillyTavern" / "data" / "default-user")
    async with open_app() as driven:
        await driven.until(lambda: driven.chat.query("#moving-in"))
        (bar,) = driven.chat.query(QuestionBar)
        assert "2 characters, 3 chats, 1 worldbooks" in "".join(part.text for part in bar.question.words())
        await driven.press("y")
        assert driven.chat.prompt.text == "y", "a letter of what is being written answers nothing"
        await driven.press("alt+y")
        await driven.until(lambda: isinstance(driven.app.screen, ImportedDialog))
        library = driven.app.runtime.library
        assert {"Ada", "Ben"} <= {one.name for one in await library.characters.list()}
        rows = driven.app.screen.query_one("#choices").rows  # type: ignore[attr-defined]
        place = next(at for at, row in enumerate(rows) if row.right == "worldbook")
        await driven.press(*["down"] * place, "enter")
        await driven.until(lambda: "on: " in driven.app.screen.query_one("#choices").rows[place].detail)  # type: ignore[attr-defined]
        (stored,) = await library.worldbooks.list()
        assert stored.enabled
        await driven.press(*"ben", "enter")
        await driven.until(lambda: driven.chat.character_name == "Ben")
    async with open_app() as driven:
        await driven.settle()
        assert not driven.chat.query("#moving-in")


def test_what_fits_a_path(tmp_path: Path) -> None:
    for name in ("Moon.png", "moonlight.png", "other.json", ".hidden"):
        (tmp_path / name).touch()
    (tmp_path / "mooring").mkdir()
    head = f"{tmp_path}/"
    assert [one.name for one in fitting(head)] == ["mooring", "Moon.png", "moonlight.png", "other.json"]
    assert [one.name for one in fitting(head + "MOONL")] == ["moonlight.png"]
    assert [one.name for one in fitting(head + ".h")] == [".hidden"]
    assert longest(fitting(head + "ot"), head + "ot") == head + "other.json"
    assert longest(fitting(head + "moor"), head + "moor") == head + "mooring/"
    assert longest(fitting(head + "moo"), head + "moo") == head + "moo"
    assert not fitting(head + "nothing/") and not fitting("~nobody-here/")


async def path_dialog(driven: Driven) -> PathDialog:
    await driven.until(lambda: isinstance(driven.app.screen, PathDialog))
    screen = driven.app.screen
    assert isinstance(screen, PathDialog)
    return screen


async def test_tab_completes_the_path_of_an_import_and_the_folder_is_remembered(
    home: Path, tmp_path: Path
) -> None:
    cards = tmp_path / "cards"
    cards.mkdir()
    (cards / "Wren.png").write_bytes(export_card(Card.new("Wren", first_mes="Hello."), "png"))
    async with open_app((80, 24)) as driven:
        driven.chat.perform("import_cards")
        dialog = await path_dialog(driven)
        for letter in f"{tmp_path}/ca":
            await driven.pilot.press("slash" if letter == "/" else letter)
        await driven.until(lambda: [row.title for row in dialog.rows.rows] == ["cards"])
        await driven.press("tab")
        await driven.until(lambda: [row.title for row in dialog.rows.rows] == ["Wren.png"])
        await driven.press("tab", "enter")
        await driven.until(lambda: driven.chat.character_name == "Wren")
        driven.chat.perform("import_cards")
        dialog = await path_dialog(driven)
        await driven.until(lambda: dialog.rows.rows and dialog.rows.rows[0].title == f"{cards}/")
        await driven.press("tab")
        assert dialog.query_one("#answer", Input).value == f"{cards}/"


async def test_failures_stand_first_in_the_page_and_a_broken_zip_is_one_of_them(
    home: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "cards"
    folder.mkdir()
    (folder / "broken.zip").write_bytes(b"PK\x03\x04 no archive at all")
    (folder / "Wren.png").write_bytes(export_card(Card.new("Wren", first_mes="Hello."), "png"))
    async with open_app((80, 24)) as driven:
        driven.chat.run_worker(driven.chat.objects.files.import_cards([str(folder)]), group="dialog")
        await driven.until(lambda: isinstance(driven.app.screen, ImportedDialog))
        await driven.until(lambda: len(driven.app.screen.query_one("#choices").rows) == 2)  # type: ignore[attr-defined]
        rows = driven.app.screen.query_one("#choices").rows  # type: ignore[attr-defined]
        assert rows[0].mark == "✗" and rows[0].detail and rows[1].title == "Wren"
        await driven.press("enter")  # a row cuts the reason off, so it can be read whole
        await driven.until(lambda: isinstance(driven.app.screen, ReadDialog))
        assert rows[0].detail == str(driven.app.screen.query_one("#reading Told", Told).content)
        await driven.press("escape")
        await driven.until(lambda: isinstance(driven.app.screen, ImportedDialog))
        await driven.press("escape")
        await driven.until(lambda: driven.chat.character_name == "Wren")
