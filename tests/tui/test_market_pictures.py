"""Pictures of market cards: drawn from real bytes, brought from a real server, never in the way."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from market_world import item, market, stock, until
from PIL import Image
from rich.segment import Segment

from lunalux_core.config.paths import Paths
from lunalux_tui.render.picture_drawing import LARGEST, Lines, mosaic


def encoded(picture: Image.Image, kind: str = "PNG") -> bytes:
    data = io.BytesIO()
    picture.save(data, kind)
    return data.getvalue()


def colours(picture: Lines) -> set[tuple[int, int, int]]:
    found = set()
    for line in picture:
        for _, style, _ in line:
            assert style is not None and style.bgcolor is not None
            found.add(tuple(style.bgcolor.get_truecolor()))
    return found


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG", "GIF"])
def test_a_picture_fills_its_cells(kind: str) -> None:
    picture = mosaic(encoded(Image.new("RGB", (300, 400), (200, 40, 40)), kind), 10, 5)
    assert [sum(len(segment.text) for segment in line) for line in picture] == [10] * 5
    for red, green, blue in colours(picture):
        assert red > 180 and green < 60 and blue < 60


def test_four_pixels_stand_in_a_cell() -> None:
    picture = Image.new("RGB", (80, 80))
    picture.paste((255, 255, 255), (0, 0, 40, 40))  # the upper left quarter
    assert [[segment.text for segment in line] for line in mosaic(encoded(picture), 2, 1)] == [["▀", " "]]


def test_what_is_transparent_lies_on_dark_ground() -> None:
    (colour,) = colours(mosaic(encoded(Image.new("RGBA", (40, 40), (255, 255, 255, 0))), 4, 2))
    assert max(colour) < 40


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no picture at all",
        encoded(Image.new("RGB", (400, 400), (9, 9, 9)))[:200],
        encoded(Image.new("1", (LARGEST // 1000 + 1, 1000))),
        b"\x89PNG\r\n\x1a\n" + b"\0" * 64,
    ],
)
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        mosaic(data, 10, 5)


class Pictures(BaseHTTPRequestHandler):
    """Serves one good picture, one that breaks off, and nothing else."""

    def do_GET(self) -> None:
        good = encoded(Image.new("RGB", (400, 400), (10, 220, 10)), "WEBP")
        body = good if "good" in self.path else good[:40] if "cut" in self.path else b""
        self.send_response(200 if body else 404)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Pictures)
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()


async def test_good_pictures_come_and_broken_ones_leave_the_monogram(
    paths: Paths, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUNALUX_API_URL", server)
    cards = [
        item(1, "Good", thumbnailUrl=f"{server}/good.webp?signature=1"),
        item(2, "Cut", thumbnailUrl=f"{server}/cut.webp?signature=1"),
        item(3, "Gone", thumbnailUrl=f"{server}/gone.webp"),
        item(4, "Bare"),
    ]
    await stock(paths, {("en", "hot"): cards}, place=server)
    async with market((80, 24)) as (screen, pilot):
        thumbnails = screen.grid.thumbnails
        assert thumbnails is not None
        good, *others = screen.grid.cards
        await until(pilot, lambda: thumbnails.get(good) is not None)
        green = [segment for line in screen.grid.render_lines(screen.grid.size.region) for segment in line]
        assert any(_is_green(segment) for segment in green)
        assert [thumbnails.get(card) for card in others] == [None, None, None]
    assert len(list((paths.cache / "thumbnails").iterdir())) >= 1


def _is_green(segment: Segment) -> bool:
    colour = segment.style.bgcolor if segment.style is not None else None
    return colour is not None and colour.triplet is not None and tuple(colour.triplet)[1] > 180


async def test_pictures_can_be_switched_off(
    paths: Paths, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUNALUX_API_URL", server)
    paths.config.mkdir(parents=True)
    paths.config_file.write_text('[ui]\npictures = "off"\n', encoding="utf-8")
    await stock(paths, {("en", "hot"): [item(1, "Good", thumbnailUrl=f"{server}/good.webp")]}, place=server)
    async with market((80, 24)) as (screen, _):
        assert screen.grid.thumbnails is None
