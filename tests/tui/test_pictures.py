"""Pictures in full where the terminal keeps them itself, in blocks elsewhere, a monogram without any."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from chat_world import settle
from market_world import NOWHERE, item, signed_in, stock, until
from PIL import Image
from terminal import Terminal
from textual.app import ComposeResult
from textual.screen import Screen

from lunalux_core.config.paths import Paths
from lunalux_core.config.settings import load_settings
from lunalux_core.runtime import Runtime
from lunalux_tui.app.app import LunaluxApp
from lunalux_tui.app.first_frame import read_opening
from lunalux_tui.parts.picture import Picture
from lunalux_tui.parts.picture_support import graphics
from lunalux_tui.render.picture_drawing import Cell, draw

PLACEHOLDER = "\U0010eeee"
PIECE = re.compile(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\")


def red(width: int = 300, height: int = 400) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (width, height), (200, 40, 40)).save(data, "PNG")
    return data.getvalue()


def noise() -> bytes:
    data = io.BytesIO()
    Image.effect_noise((400, 400), 90).convert("RGB").save(data, "PNG")
    return data.getvalue()


@pytest.mark.parametrize(
    ("environ", "best"),
    [
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM": "xterm-ghostty"}, "kitty"),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"}, "kitty"),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1", "TERM_PROGRAM": "vscode"}, "blocks"),
        ({"TERM": "xterm-kitty", "TMUX": "/tmp/tmux-0/default,1,0"}, "blocks"),
        ({"TERM": "foot"}, "blocks"),
        ({"TERM_PROGRAM": "WezTerm"}, "blocks"),
        ({}, "blocks"),
    ],
)
def test_the_environment_tells_how_pictures_are_shown(environ: dict[str, str], best: str) -> None:
    assert graphics(environ) == best


def test_a_terminal_gets_the_picture_in_pieces_and_the_cells_name_it() -> None:
    drawing = draw(noise(), 30, 15, Cell(10, 20))
    pieces = PIECE.findall(drawing.upload)
    assert "".join(f"\x1b_G{head};{text}\x1b\\" for head, text in pieces) == drawing.upload
    assert all(len(text) <= 4096 for _, text in pieces)
    assert [head[-3:] for head, _ in pieces] == ["m=1"] * (len(pieces) - 1) + ["m=0"]
    first = dict(pair.split("=") for pair in pieces[0][0].split(","))
    assert (first["a"], first["U"], first["f"], first["c"], first["r"]) == ("T", "1", "100", "30", "15")
    sent = Image.open(io.BytesIO(base64.b64decode("".join(text for _, text in pieces))))
    assert sent.size == (300, 300)
    number = int(first["i"])
    assert f"i={number}," in drawing.drop
    assert [len(line) for line in drawing.lines] == [30] * 15
    for segment in drawing.lines[3]:
        assert segment.text[0] == "\U0010eeee" and segment.cell_length == 1
        assert segment.style is not None and segment.style.color is not None
        colour = segment.style.color.get_truecolor()
        assert colour.red << 16 | colour.green << 8 | colour.blue == number
    marks = [segment.text[1:] for line in drawing.lines for segment in line]
    assert len(set(marks)) == 30 * 15


def test_a_picture_for_a_dense_screen_is_bounded() -> None:
    drawing = draw(noise(), 60, 40, Cell(20, 44))
    data = base64.b64decode("".join(text for _, text in PIECE.findall(drawing.upload)))
    width, height = Image.open(io.BytesIO(data)).size
    assert width * height <= 360_000


def test_more_cells_than_the_protocol_can_number_are_blocks() -> None:
    drawing = draw(red(), 100, 20, Cell(10, 20))
    assert not drawing.upload and len(drawing.lines) == 20


class Gallery(Screen[None]):
    """One picture."""

    def __init__(self, make: Callable[[], Picture]) -> None:
        super().__init__()
        self._make = make
        self.heard: list[bool] = []

    def compose(self) -> ComposeResult:
        yield self._make()

    def on_picture_drawn(self, event: Picture.Drawn) -> None:
        self.heard.append(event.ok)


async def shown(make: Callable[[], Picture], drive: Callable[[Any, Picture, Gallery], Any]) -> None:
    async with Runtime.open(load_settings()) as runtime:
        app = LunaluxApp(runtime, await read_opening(runtime, "", "", False))
        async with app.run_test(size=(60, 24)) as pilot:
            gallery = Gallery(make)
            await app.push_screen(gallery)
            await pilot.pause()
            await drive(pilot, gallery.query_one(Picture), gallery)


def text_of(picture: Picture) -> str:
    return "\n".join(strip.text for strip in picture.render_lines(picture.size.region))


async def test_a_picture_from_a_file_from_bytes_and_none(paths: Paths, tmp_path: Path) -> None:
    file = tmp_path / "portrait.png"
    file.write_bytes(red())

    async def drive(pilot: Any, picture: Picture, gallery: Gallery) -> None:
        await until(pilot, lambda: gallery.heard == [True])
        (style,) = {segment.style for strip in picture.render_lines(picture.size.region) for segment in strip}
        assert style is not None and style.bgcolor is not None
        assert style.bgcolor.get_truecolor().red > 180
        picture.source = b"no picture"
        await until(pilot, lambda: gallery.heard == [True, False])
        assert "M" in text_of(picture)
        picture.source = noise()
        await until(pilot, lambda: gallery.heard == [True, False, True])
        assert "M" not in text_of(picture)
        picture.source = tmp_path / "gone.png"
        await until(pilot, lambda: len(gallery.heard) == 4)
        picture.show(None, who="Vex")
        await pilot.pause()
        assert "V" in text_of(picture)

    await shown(lambda: Picture(file, who="Mirelle"), drive)


async def test_pictures_switched_off_leave_the_monogram(paths: Paths) -> None:
    paths.config.mkdir(parents=True, exist_ok=True)
    paths.config_file.write_text('[ui]\npictures = "off"\n', encoding="utf-8")

    async def drive(pilot: Any, picture: Picture, gallery: Gallery) -> None:
        await settle(pilot)
        assert "M" in text_of(picture) and gallery.heard == []

    await shown(lambda: Picture(red(), who="Mirelle"), drive)


async def test_kitty_is_sent_the_picture_and_told_to_forget_it(
    home: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real program in a pty that says it is Kitty: a market card's picture arrives whole."""
    monkeypatch.setenv("LUNALUX_API_URL", NOWHERE)
    url = "http://127.0.0.1:9/thumbs/one.webp"
    await stock(paths, {("en", "hot"): [item(1, "Mirelle", thumbnailUrl=url)]})
    await signed_in(paths)
    kept = paths.cache / "thumbnails" / hashlib.sha256(url.encode()).hexdigest()[:32]
    kept.parent.mkdir(parents=True)
    kept.write_bytes(red(400, 400))
    environ = {
        "LUNALUX_HOME": str(home),
        "LUNALUX_API_URL": NOWHERE,
        "TERM": "xterm-kitty",
        "TERM_PROGRAM": "",
        "TMUX": "",
        "STY": "",
    }
    terminal = Terminal([], environ)
    try:
        terminal.wait("Type a message")
        terminal.send("\x1bOR")  # f3
        terminal.wait("Mirelle")
        terminal.wait(PLACEHOLDER)
        (head, _), *_ = PIECE.findall(terminal.raw.decode("utf-8", "replace"))
        number = dict(pair.split("=") for pair in head.split(","))["i"]
        terminal.send("\x11")  # ctrl+q
        assert terminal.ended() == 0
        assert f"\x1b_Ga=d,d=I,i={number},".encode() in terminal.raw
    finally:
        terminal.close()
