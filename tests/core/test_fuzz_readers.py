"""Readers of strangers' files and text, a hundred thousand mutated inputs each: nothing is raised but our own
errors, and memory stays bounded. A failure names its seed, which goes into `SEEDS`."""

from __future__ import annotations

import random
import sys
import zipfile
from collections.abc import Callable
from io import BytesIO

import pytest

if sys.platform != "win32":
    import resource

from lunalux_core.cards.card import Card
from lunalux_core.cards.card_pictures import check_picture
from lunalux_core.cards.card_reader import read_card
from lunalux_core.cards.export import export_card
from lunalux_core.cards.file_kind import recognise
from lunalux_core.cards.placeholder_picture import placeholder_png
from lunalux_core.errors import LunaluxError
from lunalux_core.text import StreamCleaner, clean, clean_line
from lunalux_tui.cli.shells import in_bash, in_numbers, in_powershell

SEEDS: tuple[int, ...] = (533,)
"""Inputs that once failed."""

CARD = Card.new("Fuzz", description="d" * 40, first_mes="hi", character_book={"entries": [{"keys": ["k"]}]})
TOKENS = (b"\0", b"\xff" * 4, b"\x7f\xff\xff\xff", b"IEND", b"tEXt", b"zTXt", b"iTXt", b"chara\0", b"ccv3\0",
          b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"{", b"[" * 300, b'"', b"1e999")  # fmt: skip


def mutated(data: bytes, dice: random.Random) -> bytes:
    """A file with a few changes: bytes, pieces cut out or doubled, words of the formats put in."""
    found = bytearray(data)
    for _ in range(dice.randint(1, 6)):
        at = dice.randrange(len(found) + 1)
        match dice.randrange(6):
            case 0 if found:
                found[at % len(found)] = dice.randrange(256)
            case 1:
                found[at:at] = dice.choice(TOKENS)
            case 2:
                del found[at : at + dice.randint(1, 64)]
            case 3:
                found[at:at] = found[at : at + dice.randint(1, 200)]
            case 4:
                del found[at:]
            case _:
                found[at : at + 4] = dice.randbytes(4)
    return bytes(found)


def _picture(kind: str) -> bytes:
    from PIL import Image

    out = BytesIO()
    Image.new("RGB", (6, 5), (9, 8, 7)).save(out, kind)
    return out.getvalue()


def _zip() -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("card.json", export_card(CARD, "json"))
        archive.writestr("assets/a.png", placeholder_png())
    return out.getvalue()


def _text(dice: random.Random) -> str:
    signs = "\x1b\x9b\x9d\x90\x9c\x07\x18\r\n\t[]\\;?0123mHcP^_()\u202e\u2066\ud83d\ude00\u0300az中'\"$`"
    return "".join(dice.choice(signs) for _ in range(dice.randint(0, 60)))


def _clean(data: bytes) -> None:
    dice = random.Random(data)
    text = _text(dice)
    whole = clean(text)
    assert clean(whole) == whole and not any(
        (sign < " " and sign not in "\n\t") or "\x7f" <= sign <= "\x9f" or "\u202a" <= sign <= "\u202e"
        for sign in whole
    )
    stream, pieces, at = StreamCleaner(), [], 0
    while at < len(text):
        step = dice.randint(1, 9)
        pieces.append(stream.feed(text[at : at + step]))
        at += step
    assert "".join(pieces) + stream.flush() == whole
    line = clean_line(text)
    in_bash(line), in_numbers(line), in_powershell(line)


def _drawn(data: bytes) -> None:
    from lunalux_tui.render.picture_drawing import mosaic

    try:
        mosaic(data, 2, 2)
    except ValueError:
        return


READERS: dict[str, tuple[tuple[bytes, ...], Callable[[bytes], object]]] = {
    "png": ((export_card(CARD, "png"),), lambda data: read_card(data, "x.png")),
    "charx": ((export_card(CARD, "charx"), _zip()), lambda data: read_card(data, "x.charx")),
    "json": ((export_card(CARD, "json"),), lambda data: (read_card(data, "x.json"), recognise(data, "x"))),
    "picture": (tuple(map(_picture, ("PNG", "JPEG", "WEBP", "GIF"))), check_picture),
    "drawing": (tuple(map(_picture, ("PNG", "JPEG", "WEBP", "GIF"))), _drawn),
    "text": ((b"0123456789abcdef",), _clean),
}


def hunt(reader: str, seeds: range | tuple[int, ...]) -> None:
    originals, read = READERS[reader]
    for seed in seeds:
        dice = random.Random(seed)
        data = mutated(dice.choice(originals), dice)
        try:
            read(data)
        except LunaluxError as error:
            assert error.code and error.message
        except Exception as error:
            raise AssertionError(f"{reader}, seed {seed}: {type(error).__name__}: {error}") from error


@pytest.mark.parametrize("reader", READERS)
def test_a_little_of_the_hunt(reader: str) -> None:
    hunt(reader, range(400))
    hunt(reader, SEEDS)


@pytest.mark.slow
@pytest.mark.parametrize("reader", READERS)
def test_a_hundred_thousand_inputs_raise_nothing_but_our_errors(reader: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    hunt(reader, range(100_000))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 400 * 1024
