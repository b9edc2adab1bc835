"""The cards of the package: whole, flawless, light, and made from the sources that lie beside the painter."""

from __future__ import annotations

import hashlib
import re
import sys
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lunalux_core.cards import png
from lunalux_core.cards.card_reader import read_card
from lunalux_core.cards.card_warnings import card_warnings
from lunalux_core.cards.validation import validate
from lunalux_core.macros.expansion import MacroContext, expander
from lunalux_core.starter import cards, market_cards
from lunalux_core.worldbook.book_reader import read_book
from lunalux_core.worldbook.engine import (
    ActiveBook,
    ScanContext,
    ScanMessage,
    Tools,
    WorldbookSettings,
    activate,
)

if TYPE_CHECKING:
    from lunalux_core.cards.card import Card

EVERY = pytest.mark.parametrize("path", market_cards(), ids=lambda path: path.stem)
ROOT = Path(__file__).resolve().parents[2]


def texts(card: Card) -> list[str]:
    """Everything of a card that a model or a person reads."""
    entries = (card.character_book or {})["entries"]
    return [
        card.description,
        card.personality,
        card.scenario,
        *card.greetings,
        card.mes_example,
        card.creator_notes,
        card.user_description,
        *(entry["content"] for entry in entries),
    ]


def fired(card: Card, text: str) -> set[int | str]:
    """The worldbook entries that a message of these words brings into the prompt."""
    book = read_book(card.character_book, card.name).book
    tools = Tools(
        expand=lambda words: words, count_tokens=len, random=lambda: 0.5, match_regex=lambda *_: None
    )
    found = activate(
        [ActiveBook(book)],
        [ScanMessage("", text, is_user=True)],
        WorldbookSettings.read({}),
        ScanContext(max_context=1_000_000),
        tools,
    )
    return {entry.uid for entry in found.fired}


@EVERY
def test_a_card_of_the_package(path: Path) -> None:
    data = path.read_bytes()
    assert len(data) <= 200 * 1024
    assert validate(data, path.name) == []
    loaded = read_card(data, path.name)
    assert loaded.warnings == () and card_warnings(loaded.card) == ()
    card = loaded.card
    for text in (card.description, card.scenario, card.first_mes, card.creator_notes):
        assert len(text) > 60
    assert len(re.split("[,、]", card.personality)) >= 6
    assert card.spec == "v3" and card.user_description and card.creator and card.character_version
    assert len(card.tags) >= 3
    assert len(card.greetings) >= 3 and len(set(card.greetings)) == len(card.greetings)
    assert card.mes_example.count("<START>") >= 3
    assert card.character_book is not None
    entries = card.character_book["entries"]
    assert sum(bool(entry["keys"]) for entry in entries) >= 8
    assert any(entry["constant"] for entry in entries)
    assert len({entry["extensions"]["position"] for entry in entries}) >= 3
    assert len({entry["comment"] for entry in entries}) == len(entries)


@EVERY
def test_every_greeting_brings_lore_and_every_key_its_entry(path: Path) -> None:
    card = read_card(path.read_bytes()).card
    entries = (card.character_book or {})["entries"]
    constant = {entry["id"] for entry in entries if entry["constant"]}
    for greeting in card.greetings:
        assert len(fired(card, greeting) - constant) >= 2, greeting[:60]
    for entry in entries:
        for key in entry["keys"]:
            assert entry["id"] in fired(card, f"({key})"), key
    assert fired(card, "…") == constant


@EVERY
def test_the_macros_of_a_card_are_filled_in_whole(path: Path) -> None:
    card = read_card(path.read_bytes()).card
    expand = expander(MacroContext(user="Ada", char=card.name))
    for text in texts(card):
        assert set(re.findall(r"\{\{(.*?)\}\}", text)) <= {"user", "char"}
        assert not re.search(r"[{}]", expand(text))
    assert all("{{user}}" in text for text in card.greetings)
    assert "{{user}}" in card.scenario and "{{char}}" in card.scenario


@EVERY
def test_a_card_is_written_in_its_language(path: Path) -> None:
    card = read_card(path.read_bytes()).card
    chinese = path.stem.endswith(".zh")
    for text in texts(card):
        without = re.sub(r"\{\{\w+\}\}|<START>", "", text)
        share = len(re.findall(r"[\u3400-\u9fff]", without)) / len(without)
        assert share > 0.6 if chinese else share == 0, text[:60]
        if chinese:  # an English comma or quotation mark within Chinese
            assert not re.search(r"[\u3400-\u9fff][,.!?;\"]", without), text[:60]
        assert text.count("“") == text.count("”"), text[:60]
        assert text.count("*") % 2 == 0 and (chinese or text.count('"') % 2 == 0), text[:60]


def test_a_library_begins_with_two_of_each_language_and_a_market_with_at_least_eight() -> None:
    languages = [path.stem.rpartition(".")[2] for path in cards()]
    assert sorted(languages) == ["en", "en", "zh", "zh"]
    market = [path.stem.rpartition(".")[2] for path in market_cards()]
    assert market.count("en") >= 8 and market.count("zh") >= 8
    assert market_cards()[: len(cards())] == cards()
    assert len({read_card(path.read_bytes()).name for path in market_cards()}) == len(market)


def test_the_cards_of_a_language_are_of_different_kinds() -> None:
    for language in ("en", "zh"):
        first = [
            read_card(path.read_bytes()).card.tags[0].casefold()
            for path in market_cards()
            if path.stem.endswith(language)
        ]
        assert len(set(first)) >= 7, first


def test_the_cards_say_what_their_sources_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """The text only: another version of the picture library may compress the same pixels differently."""
    yaml = pytest.importorskip("yaml")
    monkeypatch.syspath_prepend(ROOT)
    from tools.starter_art.pack import SCENES, SOURCES, card_from

    assert set(SCENES) == {path.stem for path in market_cards()} == {path.stem for path in SOURCES.iterdir()}
    for path in market_cards():
        source = SOURCES / f"{path.stem}.yaml"
        expected = card_from(yaml.safe_load(source.read_text("utf-8")))
        assert read_card(path.read_bytes()).card.document["data"] == expected.document["data"]


def test_a_picture_is_painted_the_same_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of them, for the time it takes: all are painted with the same brushes, whose chance is seeded."""
    from PIL import Image, ImageChops

    monkeypatch.syspath_prepend(ROOT)
    from tools.starter_art.pack import SCENES

    for name in ("wren-halloran.en", "kang-jiuniang.zh"):
        first, second = SCENES[name](), SCENES[name]()
        assert first.tobytes() == second.tobytes() and first.getpalette() == second.getpalette()
        with Image.open(next(path for path in market_cards() if path.stem == name)) as kept:
            apart = ImageChops.difference(kept.convert("RGB"), first.convert("RGB")).convert("L")
        # Another version of the picture library may round a pixel otherwise.
        assert sum(value * count for value, count in enumerate(apart.histogram())) / (400 * 600) < 2


def test_the_pictures_are_upright_portraits_each_of_its_own() -> None:
    from PIL import Image

    seen = set()
    for path in market_cards():
        with Image.open(path) as picture:
            picture.load()
            assert picture.size == (400, 600)
            seen.add(hashlib.sha256(picture.convert("RGB").resize((8, 12)).tobytes()).digest())
        assert png.layout(path.read_bytes()).ended
    assert len(seen) == len(market_cards())


def test_the_small_pictures_are_what_publishing_would_make_of_the_cards() -> None:
    from PIL import Image, ImageChops

    from lunalux_core.backend.market.thumbnail_worker import SIZE, thumbnail

    for path in market_cards():
        kept = path.with_suffix(".webp").read_bytes()
        with Image.open(BytesIO(kept)) as small, Image.open(BytesIO(thumbnail(path.read_bytes()))) as made:
            assert small.format == "WEBP" and small.size == SIZE and not small.getexif()
            apart = ImageChops.difference(small.convert("RGB"), made.convert("RGB")).convert("L")
        assert sum(value * count for value, count in enumerate(apart.histogram())) / (400 * 400) < 2


def test_what_the_cards_add_to_a_download_stays_small() -> None:
    files = [file for path in market_cards() for file in (path, path.with_suffix(".webp"))]
    assert sum(file.stat().st_size for file in files) < 3.6 * 2**20
    added = [file for file in files if file.with_suffix(".png") not in cards()]
    assert sum(file.stat().st_size for file in added) < 3 * 10**6
    assert {file.name for file in files} == {
        file.name for file in cards()[0].parent.iterdir() if file.suffix in (".png", ".webp")
    }


def test_a_program_that_only_starts_does_not_read_the_cards() -> None:
    """The four are copied once, into a new library; the others are read by a new market."""
    import subprocess

    code = "import sys, lunalux_core.starter as s; s.market_cards(); print('PIL' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
