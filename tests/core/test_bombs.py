"""Files that weigh more than they seem to: each is refused or read within a bound of memory and time."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import zipfile
import zlib
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("limits of addresses are set the Unix way", allow_module_level=True)

import resource

from lunalux_core.cards.card import Card
from lunalux_core.cards.export import export_card
from lunalux_core.cards.placeholder_picture import placeholder_png
from lunalux_core.cards.png import CARD_KEYWORDS, MAX_INFLATED_TOGETHER, make_chunk, texts, write_texts
from lunalux_core.cards.png_card import read_png
from lunalux_core.cards.validation import validate
from lunalux_core.errors import LimitExceeded
from lunalux_core.importing.sources import Room

ROOT = Path(__file__).resolve().parents[2]
MEMORY = 700 * 1024 * 1024
"""Bytes of addresses a reader may have, with the interpreter and its libraries."""


def bounded(code: str, *arguments: str, memory: int = MEMORY, seconds: float = 40) -> str:
    """Run some lines in a process that may have so much memory; what it prints."""
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=seconds,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (memory, memory)),
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    return result.stdout.strip()


def packed_text(keyword: str, size: int) -> bytes:
    """A zTXt chunk of a few kilobytes that grows to `size` bytes."""
    return make_chunk(b"zTXt", keyword.encode() + b"\0\0" + zlib.compress(b"{" + b" " * size, 9))


def bomb(count: int, keyword: str = "chara", size: int = 15 * 1024 * 1024) -> bytes:
    picture = placeholder_png()
    return picture[:-12] + packed_text(keyword, size) * count + picture[-12:]


READ = """
    import sys, pathlib
    from lunalux_core.cards.card_reader import read_card
    from lunalux_core.errors import LunaluxError
    data = pathlib.Path(sys.argv[1]).read_bytes()
    try:
        print(read_card(data, "x").name)
    except LunaluxError as error:
        print(error.code)
"""


@pytest.mark.parametrize("keyword", CARD_KEYWORDS)
def test_six_hundred_texts_that_grow_are_one_budget(tmp_path: Path, keyword: str) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(bomb(600, keyword))
    assert bounded(READ, str(path), memory=400 * 1024 * 1024) == "PNG_TEXT_TOO_LARGE"
    with pytest.raises(LimitExceeded):
        list(texts(path.read_bytes(), CARD_KEYWORDS))
    assert any(departure.level == "error" for departure in validate(path.read_bytes(), "bomb.png"))


def test_the_first_good_card_ends_the_search() -> None:
    good = export_card(Card.new("Ada", description="Good."), "png")
    at = len(good) - 12
    data = good[:at] + packed_text("chara", 15 * 1024 * 1024) * 300 + good[at:]
    read = read_png(data)
    assert read.card.name == "Ada" and read.keyword == "ccv3"


def test_compressed_cards_are_read_as_before() -> None:
    card = Card.new("Zipped", description="x" * 100_000)
    plain = next(iter(texts(export_card(card, "png"), ["ccv3"]))).value
    picture = write_texts(placeholder_png(), [], CARD_KEYWORDS)
    chunk = make_chunk(b"zTXt", b"chara\0\0" + zlib.compress(plain))
    assert read_png(picture[:-12] + chunk * 2 + picture[-12:]).card.name == "Zipped"
    assert MAX_INFLATED_TOGETHER >= 24 * 1024 * 1024


def test_pictures_within_archives_are_bounded(tmp_path: Path) -> None:
    card = Card.new("Arc")
    document = dict(card.document)
    document["data"]["assets"] = [{"type": "icon", "name": "main", "uri": "embeded://p.png", "ext": "png"}]
    path = tmp_path / "big.charx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(
            "card.json", json.dumps({"spec": "chara_card_v3", "spec_version": "3.0", **document})
        )
        archive.writestr("p.png", b"\x89PNG\r\n\x1a\n" + b"x" * (80 * 1024 * 1024))
    assert bounded(READ, str(path)) == "CHARX_TOO_LARGE"


DRAW = """
    import sys, pathlib
    from lunalux_core.errors import LunaluxError
    from lunalux_core.cards.card_pictures import check_picture
    from lunalux_tui.render.picture_drawing import draw
    data = pathlib.Path(sys.argv[1]).read_bytes()
    for read in (lambda: check_picture(data), lambda: draw(data, 20, 10)):
        try:
            read()
            print("shown", end=" ")
        except LunaluxError as error:
            print(error.code, end=" ")
        except ValueError:
            print("refused", end=" ")
"""


@pytest.mark.parametrize(
    ("size", "told"),
    [
        ((1, 16_000_000), "PICTURE_TOO_LARGE refused"),
        ((16_000_000, 1), "PICTURE_TOO_LARGE refused"),
        ((40_000, 40_000), "PICTURE_TOO_LARGE refused"),
        ((4000, 4000), "shown shown"),
        ((2, 16_000), "shown shown"),
    ],
)
def test_pictures_of_every_shape_are_drawn_or_refused(
    tmp_path: Path, size: tuple[int, int], told: str
) -> None:
    import struct

    width, height = size
    row = b"\0" + b"\x7f" * (width * 4)
    packer, body = zlib.compressobj(9), b""
    if max(size) <= 16_384 and width * height <= 16_000_000:  # the others are judged by their header
        body = b"".join(packer.compress(row) for _ in range(height))
    body += packer.flush()
    header = make_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0))
    path = tmp_path / "picture.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + make_chunk(b"IDAT", body) + make_chunk(b"IEND", b""))
    assert bounded(DRAW, str(path), memory=600 * 1024 * 1024) == told


IMPORT = """
    import asyncio, sys
    from lunalux_core.importing import gather, import_files
    from lunalux_core.library import Library
    from lunalux_core.config.paths import Paths
    paths = Paths.find()
    library = Library(paths)
    codes = sorted({one.error.code if one.error else one.status
                    for one in import_files(library, paths, gather(sys.argv[1:]))})
    library.close()
    print(*codes)
"""


def test_an_archive_of_large_members_is_imported_within_its_room(tmp_path: Path) -> None:
    path = tmp_path / "many.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for number in range(4):
            archive.writestr(f"{number}.json", b"[" + b"0," * (30 * 1024 * 1024) + b"0]")
            archive.writestr(f"{number}.png", b"\x89PNG\r\n\x1a\n" + b"\0" * (100 * 1024 * 1024))
    told = bounded(IMPORT, str(path), memory=1100 * 1024 * 1024, seconds=120)
    assert set(told.split()) <= {"ARCHIVE_TOO_LARGE", "JSON_TOO_LARGE", "FILE_TOO_LARGE", "NOT_A_CARD"}, told


def test_a_chat_of_a_million_lines_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    path.write_text('{"user_name":"a","character_name":"b"}\n' + '{"name":"a","mes":"x"}\n' * 900_000)
    assert bounded(IMPORT, str(path), seconds=30) == "CHAT_TOO_LONG"


def test_the_room_of_an_import_lets_one_in_at_a_time_that_fills_it() -> None:
    import threading

    room, inside, most = Room(100), 0, 0
    lock = threading.Lock()

    def work(size: int) -> None:
        nonlocal inside, most
        with room.taken(size):
            with lock:
                inside += min(size, 100)
                most = max(most, inside)
            threading.Event().wait(0.01)
            with lock:
                inside -= min(size, 100)

    threads = [threading.Thread(target=work, args=(size,)) for size in (60, 60, 30, 30, 500, 10, 90) * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert most <= 100 and inside == 0
