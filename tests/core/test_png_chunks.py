"""PNG chunk streams: nothing else moves, nothing hostile gets far."""

from __future__ import annotations

import base64
import json
import struct
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lunalux_core.cards import png
from lunalux_core.cards.card_reader import read_card
from lunalux_core.cards.placeholder_picture import placeholder_png
from lunalux_core.errors import InvalidInput, LimitExceeded

IHDR = png.make_chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
IEND = png.make_chunk(b"IEND", b"")
DOCUMENT = {"spec": "chara_card_v2", "spec_version": "2.0", "data": {"name": "A"}}
CARD = base64.b64encode(json.dumps(DOCUMENT).encode())


def stream(*chunks: bytes) -> bytes:
    return png.SIGNATURE + IHDR + b"".join(chunks) + IEND


def text(keyword: str, value: bytes) -> bytes:
    return png.make_chunk(b"tEXt", keyword.encode() + b"\0" + value)


types = st.sampled_from([b"IDAT", b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"acTL", b"fdAT", b"prIv"])
chunks = st.lists(st.tuples(types, st.binary(max_size=60)), max_size=12)


@settings(max_examples=100, deadline=None)
@given(chunks=chunks, trailing=st.binary(max_size=20), value=st.binary(min_size=1, max_size=50))
def test_writing_moves_nothing_else(chunks: list[tuple[bytes, bytes]], trailing: bytes, value: bytes) -> None:
    written = [png.make_chunk(kind, data) for kind, data in chunks]
    kept = [
        chunk
        for chunk, (kind, data) in zip(written, chunks, strict=True)
        if kind not in (b"tEXt", b"zTXt", b"iTXt") or data.split(b"\0")[0].lower() not in (b"chara", b"ccv3")
    ]
    file = stream(*written) + trailing
    out = png.write_texts(file, [("chara", value)], png.CARD_KEYWORDS)
    assert out == stream(*kept, text("chara", value))
    assert png.write_texts(out, [("chara", value)], png.CARD_KEYWORDS) == out
    assert [found.value for found in png.texts(out, png.CARD_KEYWORDS)] == [value]


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=400))
def test_any_bytes_give_a_card_or_a_clear_error(data: bytes) -> None:
    for file in (data, png.SIGNATURE + data, stream(text("chara", data)), b"PK\x03\x04" + data):
        try:
            read_card(file)
        except InvalidInput as error:
            assert error.code.isupper() and error.message.endswith(".") and error.hint


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_cut_file_is_an_error_or_a_warning(cut: int) -> None:
    file = stream(text("chara", CARD), png.make_chunk(b"IDAT", b"0" * 40))
    loaded = read_card(file[:-cut])
    assert loaded.card.name == "A"
    assert any("cut off" in warning for warning in loaded.warnings)
    repaired = png.write_texts(file[:-cut], [("chara", CARD)], png.CARD_KEYWORDS)
    assert png.layout(repaired).ended


def test_a_declared_size_of_two_gigabytes_allocates_nothing() -> None:
    file = png.SIGNATURE + IHDR + struct.pack(">I", 2**31 - 1) + b"tEXtchara\0" + CARD
    tracemalloc.start()
    with pytest.raises(InvalidInput) as refused:
        read_card(file)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert refused.value.code == "PNG_CUT"
    assert peak < 1_000_000


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt"])
def test_a_bomb_stops_at_the_limit(kind: bytes) -> None:
    packed = zlib.compress(b"A" * (64 * 2**20), 9)
    head = b"chara\0\0" if kind == b"zTXt" else b"chara\0\1\0\0\0"
    tracemalloc.start()
    with pytest.raises(LimitExceeded) as refused:
        read_card(stream(png.make_chunk(kind, head + packed)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert refused.value.code == "PNG_TEXT_TOO_LARGE"
    assert peak < 3 * png.MAX_INFLATED


def test_too_many_chunks_too_much_json_too_large_a_file() -> None:
    many = stream(*[png.make_chunk(b"prIv", b"")] * png.MAX_CHUNKS)
    cases = {
        "PNG_TOO_MANY_CHUNKS": many,
        "JSON_TOO_LARGE": stream(text("chara", base64.b64encode(b" " * (16 * 2**20 + 1)))),
        "FILE_TOO_LARGE": stream(text("chara", CARD)) + b"\0" * (64 * 2**20),
    }
    for code, file in cases.items():
        with pytest.raises(LimitExceeded) as refused:
            read_card(file)
        assert refused.value.code == code


def test_a_bad_checksum_is_a_warning() -> None:
    chunk = text("chara", CARD)
    loaded = read_card(stream(chunk[:-4] + b"\0\0\0\0"))
    assert loaded.card.name == "A" and any("checksum" in warning for warning in loaded.warnings)


def test_an_encrypted_ccv3_does_not_hide_an_open_chara() -> None:
    loaded = read_card(stream(text("chara", CARD), text("ccv3", b"rcc||rccv1||x||y")))
    assert loaded.card.name == "A" and any("encrypted" in warning for warning in loaded.warnings)


def test_a_lorebook_picture_is_told_apart() -> None:
    with pytest.raises(InvalidInput) as refused:
        read_card(stream(text("naidata", base64.b64encode(b"{}"))))
    assert (refused.value.code, refused.value.params["kind"]) == ("NOT_A_CARD", "worldbook")


def test_the_placeholder_is_a_picture() -> None:
    shape = png.layout(placeholder_png())
    assert shape.ended and [chunk.type for chunk in shape.chunks] == [b"IHDR", b"IDAT", b"IEND"]
    from io import BytesIO

    from PIL import Image

    with Image.open(BytesIO(placeholder_png())) as picture:
        picture.load()
        assert picture.size == (400, 600)
