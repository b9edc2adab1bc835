"""Every hand-made PNG of the vectors, read as the last column of "PNG cards" says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lunalux_core.cards.card_reader import read_card
from lunalux_core.errors import InvalidInput

# name of the vector -> name of the character, and a word of the warning that has to come with it
READS = {
    "v3only": ("B", ""),
    "both": ("B", ""),
    "both-reversed": ("B", ""),
    "after-idat": ("A", ""),
    "CCV3-upper": ("B", ""),
    "dup-chara": ("A", "several different chara chunks"),
    "other-text-first": ("A", ""),
    "itxt": ("A", ""),
    "itxt-compressed": ("A", ""),
    "ztxt": ("A", ""),
    "itxt-plus-text": ("A", "several different"),
    "bom": ("A", ""),
    "double-base64": ("A", "twice"),
    "raw-json": ("Raw ascii", ""),
    "urlsafe-b64": ("??>>~~ÿþ", ""),
    "b64-no-padding": ("AB", ""),
    "b64-trailing-nul": ("A", ""),
    "utf16-json": ("A", ""),
    "latin1-json": ("\ufffd", "not UTF-8"),
    "lone-surrogate": ("x\ufffdy", ""),
    "escaped-nul": ("a\0b", ""),
    "trailing-data": ("A", ""),
    "no-iend": ("A", "cut off"),
    "nul-in-text": ("A", ""),
    "ccv3-broken-chara-ok": ("A", "ccv3 chunk was passed over"),
    "v1-flat": ("V1", ""),
}
REFUSED = {
    "no-text": "CARD_NO_METADATA",
    "empty-chara": "CARD_BAD_JSON",
    "rcc-encrypted": "CARD_ENCRYPTED",
}


def test_every_vector_has_an_expectation(vectors: Path) -> None:
    cases = json.loads((vectors / "cards.json").read_text("utf-8"))
    assert {case["name"] for case in cases} <= READS.keys() | REFUSED.keys()
    assert {path.stem for path in (vectors / "cards").iterdir()} <= READS.keys() | REFUSED.keys()


@pytest.mark.parametrize("vector", READS)
def test_reads(vectors: Path, vector: str) -> None:
    name, warning = READS[vector]
    data = (vectors / f"cards/{vector}.png").read_bytes()
    loaded = read_card(data, "renamed.jpg")
    assert loaded.card.name == name
    assert loaded.picture is data
    assert (loaded.picture_ext, loaded.source_format) == (".png", "png")
    if warning:
        assert any(warning in text for text in loaded.warnings)
    else:
        assert loaded.warnings == ()


@pytest.mark.parametrize("vector", REFUSED)
def test_refuses_with_a_distinct_code(vectors: Path, vector: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_card((vectors / f"cards/{vector}.png").read_bytes(), f"{vector}.png")
    assert refused.value.code == REFUSED[vector]
    assert refused.value.hint


def test_agrees_with_sillytavern_wherever_it_reads_a_name(vectors: Path) -> None:
    deliberate = {"latin1-json", "lone-surrogate"}  # shown with U+FFFD, kept as they are in the document
    for vector in json.loads((vectors / "cards.json").read_text("utf-8")):
        theirs = vector["1.19.0"].get("name")
        if theirs is not None and vector["name"] not in deliberate:
            data = (vectors / vector["file"]).read_bytes()
            assert read_card(data).card.name == theirs, vector["name"]


def test_a_lone_surrogate_is_shown_as_a_mark_and_exported_as_it_was(vectors: Path) -> None:
    card = read_card((vectors / "cards/lone-surrogate.png").read_bytes()).card
    assert card.document["data"]["name"] == "x\ud83dy"
    card.text.encode()
    json.dumps(card.normalised(), ensure_ascii=False).encode()
    again = read_card(_json(card.export())).card
    assert again.document == card.document


def _json(document: object) -> bytes:
    from lunalux_core.documents.json_text import dump_json

    return dump_json(document).encode()
