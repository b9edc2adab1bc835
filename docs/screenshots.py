"""Makes the pictures of the README from the running app: `python docs/screenshots.py [NAME…]`.

Each picture is the real app on a library of its own with the practice model, driven by keys. They are PNG:
what a reader sees does not depend on fonts. A Chromium draws them, the system's or that of Playwright.
"""

from __future__ import annotations

import asyncio
import html
import io
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual.pilot import Pilot

    from lunalux_tui.app.app import LunaluxApp

FOLDER = Path(__file__).resolve().parent / "pictures"
SIZE = (110, 34)

Scene = Callable[["LunaluxApp", "Pilot[None]"], Awaitable[None]]


async def chat(app: LunaluxApp, pilot: Pilot[None]) -> None:
    """A first exchange with the character that is open."""
    words = {"en": "I saw the light on. Is that lock still bothering you?", "zh": "灯还亮着，我就进来了。"}
    app.chat.prompt.insert(words[app.runtime.settings.lang])
    await pilot.press("f8", "enter")
    await until(pilot, lambda: len(app.chat.transcript.messages) >= 3 and not app.chat.busy)


async def market(app: LunaluxApp, pilot: Pilot[None]) -> None:
    """The starter market with its details."""
    await pilot.press("f3")
    await pilot.pause(3)
    await pilot.press("enter")
    await pilot.pause(1)


async def create(app: LunaluxApp, pilot: Pilot[None]) -> None:
    """The editor of characters."""
    app.edit_character(app.chat.character.id)  # type: ignore[union-attr]
    await pilot.pause(3)


async def user(app: LunaluxApp, pilot: Pilot[None]) -> None:
    """Wallet and account."""
    await pilot.press("f5")
    await pilot.pause(3)


async def settings(app: LunaluxApp, pilot: Pilot[None]) -> None:
    """The settings of the chat."""
    await pilot.press("f6", "down", "down", "down")
    await pilot.pause(2)


SCENES: dict[str, tuple[Scene, str]] = {
    "chat": (chat, "en"),
    "chat.zh": (chat, "zh"),
    "market": (market, "en"),
    "market.zh": (market, "zh"),
    "create": (create, "en"),
    "user": (user, "en"),
    "settings": (settings, "en"),
    "create.zh": (create, "zh"),
    "user.zh": (user, "zh"),
    "settings.zh": (settings, "zh"),
}


async def until(pilot: Pilot[None], condition: Callable[[], object], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await pilot.pause(0.05)


async def take(scene: Scene, language: str) -> str:
    """One picture as SVG."""
    from lunalux_core.config.settings import load_settings
    from lunalux_core.runtime import Runtime
    from lunalux_tui.app.app import LunaluxApp
    from lunalux_tui.app.first_frame import read_opening

    with tempfile.TemporaryDirectory() as home:
        os.environ.update(LUNALUX_HOME=home, LUNALUX_LANG=language, LUNALUX_PRACTICE_RATE="0")
        async with Runtime.open(load_settings()) as runtime:
            app = LunaluxApp(runtime, await read_opening(runtime, ""))
            async with app.run_test(size=SIZE) as pilot:
                await until(pilot, lambda: app.chat.conversation is not None and app.account is not None)
                await scene(app, pilot)
                app.clear_notifications()
                await pilot.pause(0.5)
                return without_foreign_fonts(app.export_screenshot(title="Lunalux"))


def without_foreign_fonts(svg: str) -> str:
    """The picture without fonts that a viewer would have to fetch from elsewhere."""
    svg = re.sub(r'textLength="[\d.]+"([^>]*)>([^<]*)<', _as_wide_as_its_cells, svg)
    svg = re.sub(r"@font-face\s*\{.*?\}\s*", "", svg, flags=re.DOTALL)
    return re.sub(r"font-family:[^;]*;", "font-family: monospace;", svg)


CELL = 12.2
"""Width of a cell in the pictures that Rich writes."""


def _as_wide_as_its_cells(text: re.Match[str]) -> str:
    """A text with the length it has on the terminal: Rich counts letters, not cells."""
    from rich.cells import cell_len

    cells = cell_len(html.unescape(text[2]))
    return f'textLength="{cells * CELL:.1f}"{text[1]}>{text[2]}<'


async def drawn(svg: str) -> bytes:
    """A picture as PNG, in a palette of 128 colours: a terminal has few."""
    from PIL import Image
    from playwright.async_api import async_playwright

    width, height = (float(size) for size in re.findall(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)[0])
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"))
        page = await browser.new_page(viewport={"width": round(width), "height": round(height)})
        await page.set_content(f"<style>body {{ margin: 0 }}</style>{svg}")
        raw = await page.locator("svg").screenshot(omit_background=True)
        await browser.close()
    small = io.BytesIO()
    Image.open(io.BytesIO(raw)).quantize(128).save(small, "png", optimize=True)
    return small.getvalue()


async def main(folder: Path, wanted: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, (scene, language) in SCENES.items():
        if not wanted or name in wanted:
            picture = await drawn(await take(scene, language))
            await asyncio.to_thread((folder / f"{name}.png").write_bytes, picture)
            sys.stdout.write(f"{name}.png\n")


if __name__ == "__main__":
    asyncio.run(main(FOLDER, sys.argv[1:]))
