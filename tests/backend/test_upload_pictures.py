"""Strangers' pictures: judged before they are decoded, stripped, and decoded in a process of its own."""

import io
import json
import struct
import tracemalloc
import zlib
from pathlib import Path

import pytest
from PIL import Image

from lunalux_core.backend.market import thumbnails
from lunalux_core.backend.market.png_inspection import inspect
from lunalux_core.backend.market.thumbnails import Thumbnailer
from lunalux_core.cards.png import SIGNATURE
from lunalux_core.errors import InvalidInput, LimitExceeded


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def header(width: int, height: int, depth: int = 8, colour: int = 2) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))


def png(width: int = 2, height: int = 3, *extra: bytes) -> bytes:
    pixels = zlib.compress((b"\0" + b"\x80\x20\x20" * width) * height)
    return SIGNATURE + header(width, height) + b"".join(extra) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def test_only_the_picture_is_kept() -> None:
    dirty = png(
        2,
        3,
        chunk(b"tEXt", b"chara\0e30="),
        chunk(b"eXIf", b"MM\0*"),
        chunk(b"acTL", b"\0\0\0\1\0\0\0\0"),
        chunk(b"prVt", b"secret"),
    )
    picture = inspect(dirty + b"PK\x03\x04 a zip behind the end <script>")
    assert (picture.width, picture.height) == (2, 3)
    assert picture.bare == png(2, 3)


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"GIF89a",
        SIGNATURE,
        b"\xff\xd8\xff\xe0 a jpeg",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        SIGNATURE + chunk(b"IDAT", b"") + chunk(b"IEND", b""),
        SIGNATURE + header(2, 2) + chunk(b"IEND", b""),
        SIGNATURE + header(0, 2) + chunk(b"IDAT", b"x") + chunk(b"IEND", b""),
        SIGNATURE + header(2, 2, depth=3) + chunk(b"IDAT", b"x") + chunk(b"IEND", b""),
        SIGNATURE + header(2, 2, colour=5) + chunk(b"IDAT", b"x") + chunk(b"IEND", b""),
        SIGNATURE + header(2, 2) + header(2, 2) + chunk(b"IDAT", b"x") + chunk(b"IEND", b""),
        png()[:-1],
        png()[:-13],
        png().replace(b"IDAT", b"IDAX"),
        SIGNATURE + header(2, 2) + b"\xff\xff\xff\xffIDAT",
        png(2, 2, chunk(b"IDAT", b"x"), chunk(b"tRNS", b"")),
    ],
)
def test_what_is_no_well_formed_png_is_refused(bad: bytes) -> None:
    with pytest.raises(InvalidInput) as caught:
        inspect(bad)
    assert caught.value.code == "INVALID_CARD"


@pytest.mark.parametrize(("width", "height"), [(30_000, 30_000), (4097, 1), (1, 4097), (2**31, 2**31)])
def test_a_bomb_is_refused_by_its_header(width: int, height: int) -> None:
    with pytest.raises(InvalidInput, match="larger than"):
        inspect(SIGNATURE + header(width, height) + chunk(b"IDAT", b"x") + chunk(b"IEND", b""))


def test_too_much_text_and_too_many_parts_are_refused() -> None:
    with pytest.raises(InvalidInput):
        inspect(png(2, 2, chunk(b"tEXt", b"Comment\0" + b"x" * 5_000_000)))
    with pytest.raises(InvalidInput):
        inspect(png(2, 2, *[chunk(b"tEXt", b"a\0b")] * 9000))


async def test_the_thumbnail_is_a_small_square_webp_without_metadata() -> None:
    picture = Image.new("RGB", (300, 700), "red")
    picture.paste("blue", (0, 400, 300, 700))
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x010E] = "where I live"
    picture.save(out, "PNG", exif=exif)
    webp = await Thumbnailer().make(out.getvalue())
    with Image.open(io.BytesIO(webp)) as made:
        assert (made.format, made.size) == ("WEBP", (400, 400))
        assert not made.getexif()
        red, _, blue = made.convert("RGB").getpixel((200, 20))  # type: ignore[misc]
        assert red > 200 and blue < 60  # the upper part is kept


@pytest.mark.parametrize(
    "bad",
    [
        b"not a picture",
        SIGNATURE + header(4000, 4000) + chunk(b"IDAT", zlib.compress(b"short")) + chunk(b"IEND", b""),
        SIGNATURE + header(2, 2) + chunk(b"IDAT", b"not zlib") + chunk(b"IEND", b""),
    ],
)
async def test_a_picture_that_cannot_be_decoded_is_an_invalid_card(bad: bytes) -> None:
    with pytest.raises(InvalidInput) as caught:
        await Thumbnailer().make(bad)
    assert caught.value.code == "INVALID_CARD"


async def test_a_worker_that_overruns_its_time_is_ended() -> None:
    with pytest.raises(InvalidInput):
        await Thumbnailer(timeout_s=0.001).make(png())


def _ztxt(keyword: bytes, text: bytes) -> bytes:
    return chunk(b"zTXt", keyword + b"\0\0" + zlib.compress(text, 9))


def _itxt(keyword: bytes, text: bytes) -> bytes:
    return chunk(b"iTXt", keyword + b"\0\1\0\0\0" + zlib.compress(text, 9))


BIG = b"A" * (15 * 1024 * 1024)  # 15 KB in the file


@pytest.mark.parametrize(
    "chunks",
    [
        [_ztxt(b"chara", BIG)] * 120,
        [_itxt(b"ccv3", BIG)] * 120,
        [_ztxt(b"Comment", BIG)] * 120,
        [_itxt(b"Comment", b"A" * 600_000)] * 8,
        [_ztxt(b"Chara", b"e30=")] * 9,
        [chunk(b"tEXt", b"chara\0e30=")] * 9,
        [chunk(b"tEXt", b"Comment\0" + b"A" * 1_100_000)] * 4,
    ],
    ids=["zTXt", "iTXt", "other-zTXt", "sum-of-iTXt", "nine-zTXt", "nine-tEXt", "sum-of-tEXt"],
)
def test_the_texts_of_a_file_have_one_budget_unpacked(chunks: list[bytes]) -> None:
    data = png(2, 3, *chunks)
    tracemalloc.start()
    try:
        with pytest.raises(LimitExceeded) as refused:
            inspect(data)
        assert tracemalloc.get_traced_memory()[1] < 12 * 1024 * 1024
    finally:
        tracemalloc.stop()
    assert refused.value.code == "INVALID_CARD"


def test_texts_within_the_budget_pass() -> None:
    inspect(png(2, 3, _ztxt(b"chara", b"A" * 1_000_000), _itxt(b"ccv3", b"A" * 1_000_000)))
    inspect(png(2, 3, chunk(b"zTXt", b"chara\0\0 not zlib at all")))


async def test_who_opens_strangers_pictures_knows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """The decoder's own environment, told by a decoder of this test's: every variable that it was given."""
    monkeypatch.setenv("SESSION_SECRET", "do-not-tell-0123456789")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-do-not-tell")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "do-not-tell")
    monkeypatch.setattr(thumbnails, "WORKER", Path(__file__).with_name("teller.py"))
    told = json.loads(await Thumbnailer().make(b""))
    assert "PATH" in told and not [value for value in told.values() if "do-not-tell" in value]
