"""Cards as people have them: nothing is lost between import and export."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lunalux_core.cards import png
from lunalux_core.cards.card import Card
from lunalux_core.cards.card_reader import LoadedCard, read_card
from lunalux_core.cards.export import export_card
from lunalux_core.cards.png_card import decode_payload
from lunalux_core.errors import InvalidInput

PNGS = ("CodingSensei.png", "FluxTheCat.png", "Seraphina.png", "Skynet_v2.png", "risu_yuzu.png")
FILES = (*PNGS, "other/ccv3_like.json", "other/ooba_example.yaml", "other/test_character.charx")


def load(shared: Path, name: str) -> tuple[LoadedCard, bytes]:
    data = (shared / "cards" / name).read_bytes()
    return read_card(data, name), data


@pytest.mark.parametrize("name", FILES)
def test_json_export_is_the_document(shared: Path, name: str) -> None:
    loaded, _ = load(shared, name)
    again = read_card(export_card(loaded.card, "json"))
    assert again.card.document == loaded.card.document


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("target", ["png", "charx", "json"])
def test_every_export_reads_back_as_the_same_character(shared: Path, name: str, target: str) -> None:
    loaded, data = load(shared, name)
    archive = data if loaded.source_format == "charx" else None
    written = export_card(loaded.card, target, picture=loaded.picture, archive=archive)  # type: ignore[arg-type]
    again = read_card(written)
    assert again.source_format == target
    assert again.card.card_hash == loaded.card.card_hash
    ours, theirs = loaded.card.export("v3")["data"], again.card.export("v3")["data"]
    for document in (ours, theirs):
        document.pop("assets", None)
    assert ours == theirs


@pytest.mark.parametrize("name", PNGS)
def test_png_export_leaves_every_other_chunk_alone(shared: Path, name: str) -> None:
    loaded, data = load(shared, name)
    written = export_card(loaded.card, "png", picture=data)

    def others(file: bytes) -> list[bytes]:
        return [
            file[chunk.start : chunk.end]
            for chunk in png.layout(file).chunks
            if (png.keyword_of(file, chunk) or "").lower() not in png.CARD_KEYWORDS
        ]

    assert others(written) == others(data)
    texts = list(png.texts(written, png.CARD_KEYWORDS))
    assert [text.keyword for text in texts] == ["chara", "ccv3"]
    assert all(text.intact and text.kind == "tEXt" for text in texts)
    assert [chunk.type for chunk in png.layout(written).chunks][-3:] == [b"tEXt", b"tEXt", b"IEND"]
    chara, ccv3 = (json.loads(decode_payload(text.value).text) for text in texts)
    assert (chara["spec"], chara["spec_version"]) == ("chara_card_v2", "2.0")
    assert (ccv3["spec"], ccv3["spec_version"]) == ("chara_card_v3", "3.0")
    for document in (chara, ccv3):  # SillyTavern's copy at top level
        assert document["name"] == document["data"]["name"] == loaded.card.name
        del document["spec"], document["spec_version"]
    assert ccv3["data"].pop("group_only_greetings") == chara["data"].pop("group_only_greetings", [])
    assert chara == ccv3


def test_v2_export_of_a_png_has_no_ccv3_that_readers_would_prefer(shared: Path) -> None:
    loaded, data = load(shared, "Seraphina.png")
    again = read_card(export_card(loaded.card, "png", spec="v2", picture=data))
    assert again.card.spec == "v2"
    assert again.card.document["data"] == loaded.card.document["data"]


@pytest.mark.parametrize("name", FILES)
def test_unknown_keys_survive_an_edit_of_the_name(shared: Path, name: str) -> None:
    loaded, _ = load(shared, name)
    document = {
        **loaded.card.document,
        "their_own": {"a": [1, None, {"b": 0.5}]},
        "data": {**loaded.card.document.get("data", {}), "x_unknown": ["kept"]},
    }
    if "data" not in loaded.card.document:
        del document["data"]
    edited = Card.of(document).with_edits({"data.name": "改名 \U0001f319"})
    assert edited.name == "改名 \U0001f319"
    again = read_card(export_card(edited, "json")).card
    assert again.document["their_own"] == document["their_own"]
    for holder, before in (
        (again.document, document),
        (again.document.get("data", {}), document.get("data", {})),
    ):
        for key, value in before.items():
            if key not in ("name", "data"):
                assert holder[key] == value


def test_a_v2_card_keeps_its_mirror_in_step(shared: Path) -> None:
    loaded, _ = load(shared, "Seraphina.png")
    edited = loaded.card.with_edits({"data.name": "S", "data.tags": ["a"], "data.creator_notes": "n"})
    document = edited.document
    assert (document["name"], document["creatorcomment"]) == ("S", "n")
    assert "tags" not in document, "only copies that the card has are kept in step"
    assert loaded.card.name == "Seraphina"


def test_the_views_of_real_cards(shared: Path) -> None:
    expected = {
        "CodingSensei.png": ("Coding Sensei", "v2"),
        "Seraphina.png": ("Seraphina", "v2"),
        "Skynet_v2.png": ("Skynet", "v1"),
        "risu_yuzu.png": ("Yuzu, the shy cat girl maid", "v1"),
        "other/ccv3_like.json": ("Diana", "v3"),
        "other/ooba_example.yaml": ("Chiharu Yamada", "v2"),
        "other/test_character.charx": ("Test Character", "v3"),
    }
    for name, (character, spec) in expected.items():
        card = load(shared, name)[0].card
        assert (card.name, card.spec) == (character, spec)
        assert card.first_mes and card.description
    diana = load(shared, "other/ccv3_like.json")[0].card
    assert diana.nickname == "Princess D"
    assert diana.group_only_greetings == ("Warriors, we stand together!", "My allies, the battle begins.")
    assert diana.character_book is not None and len(diana.character_book["entries"]) == 1


def test_the_archive_s_picture_and_assets(shared: Path) -> None:
    loaded, data = load(shared, "other/test_character.charx")
    assert loaded.picture is not None and loaded.picture_ext == ".png" and png.is_png(loaded.picture)
    assert [(asset.type, asset.where) for asset in loaded.assets] == [("icon", "member")]
    again = read_card(export_card(loaded.card, "charx", picture=loaded.picture, archive=data))
    assert again.card.document == loaded.card.export("v3")
    assert again.picture == loaded.picture


@pytest.mark.parametrize("name", ["preset_Default.json", "regex_Marinara.json", "worldinfo_Eldoria.json"])
def test_other_files_are_told_what_they_are(shared: Path, name: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        load(shared, f"other/{name}")
    assert refused.value.code == "NOT_A_CARD"
    assert refused.value.params["kind"] == name.split("_")[0].replace("worldinfo", "worldbook")
    assert "lunalux" in refused.value.hint
