"""The starter characters: whole, flawless, light, and made from the sources beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lunalux_core.cards import png
from lunalux_core.cards.read import read_card
from lunalux_core.cards.validation import validate
from lunalux_core.starter import cards


@pytest.mark.parametrize("path", cards(), ids=lambda path: path.stem)
def test_a_starter_card(path: Path) -> None:
    data = path.read_bytes()
    assert len(data) <= 200 * 1024
    assert validate(data, path.name) == []
    loaded = read_card(data, path.name)
    assert loaded.warnings == ()
    card = loaded.card
    for text in (card.description, card.personality, card.scenario, card.first_mes, card.creator_notes):
        assert len(text) > 30
    assert (
        card.spec == "v3" and card.user_description and card.tags and card.creator and card.character_version
    )
    assert len(card.alternate_greetings) >= 2 and card.mes_example.count("<START>") >= 2
    assert card.character_book is not None
    entries = card.character_book["entries"]
    assert 4 <= len(entries) <= 6
    assert any(entry["constant"] for entry in entries) and any(entry["keys"] for entry in entries)
    assert len({entry["extensions"]["position"] for entry in entries}) >= 3


def test_two_in_english_and_two_in_chinese() -> None:
    assert sorted(path.stem.rpartition(".")[2] for path in cards()) == ["en", "en", "zh", "zh"]


def test_the_cards_say_what_their_sources_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """The text only: another version of the picture library may compress the same pixels differently."""
    yaml = pytest.importorskip("yaml")
    monkeypatch.syspath_prepend(Path(__file__).resolve().parents[2])
    from tools.starter_art.pack import SCENES, SOURCES, card_from

    for path in cards():
        source = SOURCES / f"{path.stem}.yaml"
        expected = card_from(yaml.safe_load(source.read_text("utf-8")))
        assert read_card(path.read_bytes()).card.document["data"] == expected.document["data"]
        assert path.stem in SCENES


def test_the_pictures_are_upright_portraits() -> None:
    from PIL import Image

    for path in cards():
        with Image.open(path) as picture:
            picture.load()
            assert picture.size == (400, 600)
        assert png.layout(path.read_bytes()).ended
