"""CHARX archives: what comes out, what goes along, what is refused."""

from __future__ import annotations

import base64
import json
import zipfile
from io import BytesIO
from typing import Any

import pytest

from lunalux_core.cards import png
from lunalux_core.cards.assets import picture_ext
from lunalux_core.cards.card_reader import read_card
from lunalux_core.cards.charx import MODULE_WARNING, read_charx, read_member
from lunalux_core.cards.export import export_card
from lunalux_core.cards.placeholder_picture import placeholder_png
from lunalux_core.errors import InvalidInput, LimitExceeded

PICTURE = placeholder_png()
JPEG = b"\xff\xd8\xff\xe0" + b"\0" * 100 + b"\xff\xd9"


def document(*assets: dict[str, Any], **data: Any) -> dict[str, Any]:
    listed = {"assets": list(assets)} if assets else {}
    inner = {"name": "Zip", "first_mes": "hi", "group_only_greetings": [], **listed, **data}
    return {"spec": "chara_card_v3", "spec_version": "3.0", "data": inner}


def asset(uri: str, kind: str = "icon", name: str = "main", ext: str = "png") -> dict[str, Any]:
    return {"type": kind, "uri": uri, "name": name, "ext": ext}


def archive(card: object, files: dict[str, bytes] | None = None, prefix: bytes = b"") -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("card.json", card if isinstance(card, bytes) else json.dumps(card))
        for name, content in (files or {}).items():
            target.writestr(name, content)
    return prefix + out.getvalue()


@pytest.mark.parametrize("prefix", [b"", JPEG, b"MZ program" * 50])
def test_an_archive_behind_something_else(prefix: bytes) -> None:
    loaded = read_card(archive(document(), prefix=prefix), "whatever.png")
    assert (loaded.source_format, loaded.card.name) == ("charx", "Zip")
    assert loaded.picture == (JPEG if prefix == JPEG else None)
    assert loaded.picture_ext == (".jpg" if prefix == JPEG else "")


def test_the_choice_of_the_picture() -> None:
    files = {"a/1.png": PICTURE, "a/2.jpg": JPEG, "a/3.webp": b"RIFF\0\0\0\0WEBPxx", "a/4.mp3": b"x"}
    one, two, three = (asset(f"embeded://{path}", "icon", "x") for path in list(files)[:3])
    cases = [
        ([two, {**one, "name": "main"}, three], ".png"),
        ([{**one, "type": "background"}, two], ".jpg"),
        (
            [asset("embeded://a/4.mp3", "x_song", "s", "mp3"), {**three, "type": "emotion", "ext": "webp"}],
            ".webp",
        ),
        ([asset("embedded://a/2.jpg")], ".jpg"),
        ([asset("https://example.com/a.png"), {**one, "type": "background"}], ".png"),
        ([asset("ccdefault:")], ""),
        ([asset("data:image/png;base64," + base64.b64encode(PICTURE).decode())], ".png"),
    ]
    for assets, ext in cases:
        assert read_card(archive(document(*assets), files)).picture_ext == ext, assets


def test_unknown_members_travel_on_and_a_risu_module_is_reported() -> None:
    files = {"module.risum": b"\0binary", "x_meta/0.json": b"{}", "assets/icon/images/main.png": PICTURE}
    data = archive(document(asset("embeded://assets/icon/images/main.png")), files)
    loaded = read_card(data)
    assert MODULE_WARNING in loaded.warnings
    written = export_card(
        loaded.card.with_edits({"data.name": "New"}), "charx", picture=loaded.picture, archive=data
    )
    again = read_charx(written)
    assert again.card.name == "New"
    assert set(again.members) == {"card.json", *files}
    for name, content in files.items():
        assert read_member(written, name) == content


def test_another_picture_becomes_the_main_icon() -> None:
    data = archive(document(asset("embeded://old.png")), {"old.png": PICTURE})
    loaded = read_card(data)
    again = read_card(export_card(loaded.card, "charx", picture=JPEG, archive=data))
    assert again.picture == JPEG and again.picture_ext == ".jpg"


def test_assets_move_between_archive_and_png_and_back() -> None:
    files = {"assets/icon/images/main.png": PICTURE, "assets/emotion/images/joy.webp": b"RIFF\0\0\0\0WEBPjoy"}
    data = archive(
        document(
            asset("embeded://assets/icon/images/main.png"),
            asset("embeded://assets/emotion/images/joy.webp", "emotion", "joy", "webp"),
            asset("https://example.com/x.png", "background", "far"),
        ),
        files,
    )
    loaded = read_card(data)
    as_png = export_card(loaded.card, "png", picture=loaded.picture, archive=data)
    in_png = read_card(as_png)
    assert [(one.name, one.where) for one in in_png.assets] == [
        ("main", "default"), ("joy", "chunk"), ("far", "remote"),
    ]  # fmt: skip
    back = export_card(in_png.card, "charx", picture=as_png)
    again = read_card(back)
    joy = next(one for one in again.assets if one.name == "joy")
    assert read_member(back, joy.key) == files["assets/emotion/images/joy.webp"]
    assert again.picture is not None and picture_ext(again.picture) == ".png"
    assert not list(png.texts(again.picture, png.CARD_KEYWORDS)), (
        "the picture in the archive is only a picture"
    )
    assert again.card.card_hash == loaded.card.card_hash


@pytest.mark.parametrize(
    "name", ["../evil.png", "/etc/passwd", "a/../../b", "..\\evil", "C:\\x", "a/b/../c", "\\\\host\\share"]
)
def test_paths_that_leave_the_archive_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_card(archive(document(), {name: b"x"}))
    assert refused.value.code == "CHARX_UNSAFE"


def test_a_link_is_refused() -> None:
    out = BytesIO(archive(document()))
    with zipfile.ZipFile(out, "a") as target:
        link = zipfile.ZipInfo("assets/main.png")
        link.external_attr = 0o120777 << 16
        target.writestr(link, "/etc/passwd")
    with pytest.raises(InvalidInput) as refused:
        read_card(out.getvalue())
    assert refused.value.code == "CHARX_UNSAFE"


def test_bombs_are_refused_before_they_are_unpacked() -> None:
    for data in (
        archive(document(), {"zeros.bin": b"\0" * (8 * 2**20)}),
        archive(b" " * (17 * 2**20)),
        _declaring(archive(document(), {"a.bin": b"x" * 100}), 600 * 2**20),
    ):
        with pytest.raises(LimitExceeded) as refused:
            read_card(data)
        assert refused.value.code == "CHARX_TOO_LARGE"


def _declaring(data: bytes, size: int) -> bytes:
    """The archive with another unpacked size in the last entry of its table of contents."""
    entry = data.rfind(b"PK\x01\x02")
    return data[: entry + 24] + size.to_bytes(4, "little") + data[entry + 28 :]


def test_too_many_files() -> None:
    with pytest.raises(LimitExceeded) as refused:
        read_card(archive(document(), {str(number): b"" for number in range(10_001)}))
    assert refused.value.code == "CHARX_TOO_MANY_FILES"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"PK\x03\x04" + b"\0" * 100, "CHARX_DAMAGED"),
        (archive(document())[:-30], "CHARX_DAMAGED"),
        (archive(b"[1, 2]"), "CARD_NOT_OBJECT"),
        (archive(b"{nope"), "CARD_BAD_JSON"),
    ],
)
def test_damaged_archives(data: bytes, code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_card(data)
    assert refused.value.code == code


def test_archives_of_other_programs() -> None:
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as target:
        target.writestr("readme.txt", "x")
    with pytest.raises(InvalidInput) as refused:
        read_card(out.getvalue())
    assert refused.value.code == "CARD_NO_METADATA"
    with zipfile.ZipFile(out, "w") as target:
        target.writestr("manifest.json", "{}")
        target.writestr("characters/1/character.json", "{}")
    with pytest.raises(InvalidInput) as refused:
        read_card(out.getvalue())
    assert (refused.value.code, refused.value.params["kind"]) == ("CARD_NO_METADATA", "byaf")


def test_a_damaged_member_is_an_error_not_a_crash() -> None:
    data = bytearray(archive(document(), {"x": b"y" * 50}))
    data[60] ^= 0xFF
    with pytest.raises(InvalidInput):
        read_card(bytes(data))


@pytest.mark.parametrize("packing", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_member_is_told_whatever_packed_it(packing: int) -> None:
    out = BytesIO()
    with zipfile.ZipFile(out, "w", packing) as target:
        target.writestr("card.json", json.dumps(document(description="a long tale " * 500)))
    data = bytearray(out.getvalue())
    data[45:90] = b"\xff" * 45
    with pytest.raises(InvalidInput) as refused:
        read_card(bytes(data))
    assert refused.value.code == "CHARX_DAMAGED"


def test_writing_is_reproducible() -> None:
    card = read_card(json.dumps(document()).encode()).card
    assert export_card(card, "charx", picture=PICTURE) == export_card(card, "charx", picture=PICTURE)
    with pytest.raises(InvalidInput, match="V3"):
        export_card(card, "charx", spec="v2")
    with pytest.raises(InvalidInput, match="PNG"):
        export_card(card, "png", picture=JPEG)
