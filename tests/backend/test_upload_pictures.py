"""Strangers' pictures: judged before they are decoded, stripped, and decoded in a process of its own (S5)."""

import io
import struct
import zlib

import pytest
from PIL import Image

from lunalux_core.backend.pictures import SIGNATURE, inspect
from lunalux_core.backend.thumbnails import Thumbnailer
from lunalux_core.errors import InvalidInput


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
