"""Pictures of a character and its expressions, from real archives and cards."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lunalux_core.cards.assets import Asset
from lunalux_core.cards.card import Card
from lunalux_core.cards.charx import write_charx
from lunalux_core.config.paths import Paths
from lunalux_core.importing import import_files
from lunalux_core.library.portraits import Gallery, read_gallery
from lunalux_core.runtime import Runtime


def png(colour: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(out, "PNG")
    return out.getvalue()


def asset(kind: str, name: str, path: str) -> dict[str, str]:
    return {"type": kind, "name": name, "ext": "png", "uri": f"embeded://{path}"}


@pytest.fixture
def charx(tmp_path: Path) -> Path:
    """A character with three faces, one of them missing from its archive."""
    document = Card.new("Mira", first_mes="Hi.").as_v3() if hasattr(Card, "as_v3") else {}
    document = document or {
        "spec": "chara_card_v3",
        "spec_version": "3.0",
        "data": {"name": "Mira", "first_mes": "Hi.", "description": "", "extensions": {}},
    }
    document["data"]["assets"] = [
        asset("icon", "main", "assets/main.png"),
        asset("emotion", "neutral", "assets/neutral.png"),
        asset("emotion", "Smile.png", "assets/smile.png"),
        asset("emotion", "生气", "assets/angry.png"),
        asset("emotion", "lost", "assets/not-there.png"),
    ]
    files = {"assets/main.png": png("white"), "assets/neutral.png": png("grey")}
    files |= {"assets/smile.png": png("yellow"), "assets/angry.png": png("red")}
    path = tmp_path / "mira.charx"
    path.write_bytes(write_charx(document, files))
    return path


async def test_faces_of_an_imported_archive_follow_the_words(charx: Path, paths: Paths) -> None:
    async with Runtime.open() as runtime:
        (result,) = import_files(runtime.library, paths, [charx])
        character = await runtime.library.characters.get(result.id)
        gallery = read_gallery(
            runtime.library.characters.pictures,
            character.id,
            character.summary.picture,
            Card.parse(character.document),
        )
        assert set(gallery.expressions) == {"neutral", "smile", "生气"}
        assert gallery.expression("She smiles, and says nothing.") == "smile"
        assert gallery.expression("一丝微笑。她生气了。") == "生气"
        assert gallery.expression("She smiled; then she was neutral again.") == "neutral"
        assert gallery.expression("Nothing of that kind.") == "neutral"
        assert gallery.picture("smile") == png("yellow")
        assert gallery.picture("lost") == gallery.main
        assert gallery.main is not None and gallery.main.exists()


def test_a_card_without_faces_has_its_picture(tmp_path: Path) -> None:
    gallery = read_gallery(tmp_path, "x", "x.png", Card.new("X"))
    assert gallery.expression("She smiles.") == ""
    assert gallery.picture("") == tmp_path / "x.png"
    assert read_gallery(tmp_path, "x", "", Card.new("X")).picture("") is None


def test_a_damaged_archive_shows_the_main_picture(charx: Path, tmp_path: Path) -> None:
    card = Card.parse('{"spec":"chara_card_v3","data":{"name":"M","assets":[]}}')
    (tmp_path / "x.charx").write_bytes(charx.read_bytes()[:200])
    assert read_gallery(tmp_path, "x", "x.png", card).picture("smile") == tmp_path / "x.png"


@given(st.text(max_size=80), st.sets(st.sampled_from(["joy", "anger", "neutral", "笑"]), max_size=4))
def test_the_expression_is_one_there_is(text: str, names: set[str]) -> None:
    faces = {name: Asset("emotion", name, "png", "", "data") for name in names}
    chosen = Gallery(None, None, faces).expression(text)
    assert chosen in names or (chosen == "" and "neutral" not in names)
