"""`lunalux web` in a real browser: the page opens, takes keys without a click, and stores the reply."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from web_app import ROOT, served

pytestmark = pytest.mark.slow
# Without these a browser in a closed network spends its time on looking up its maker's hosts.
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
QUIET += ["--disable-background-networking", "--disable-component-update"]


def test_a_message_typed_into_the_page_is_answered() -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium is installed")
    playwright = pytest.importorskip("playwright.sync_api")
    with served() as address, playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=QUIET)
        page = browser.new_page(viewport={"width": 1200, "height": 760})
        elsewhere: list[str] = []
        page.on("request", lambda asked: elsewhere.append(asked.url))
        page.goto(str(address))
        page.wait_for_selector("body.-first-byte", timeout=60_000)
        page.wait_for_timeout(1500)  # the chat opens behind its first frame
        page.keyboard.type("Hello from the browser")
        page.keyboard.press("Enter")
        told = _wait(lambda: [m for m in _messages() if "Hello from the browser" in m["content"]])
        assert told
        assert _wait(lambda: len(_messages()) >= 3)
        hosts = {url.split("/")[2] for url in elsewhere if url.startswith(("http", "ws"))}
        assert hosts == {f"127.0.0.1:{address.port}"}
        browser.close()


def _messages() -> list[dict[str, str]]:
    listed = json.loads(_lunalux("conversation", "list", "--json"))
    if not listed:
        return []
    shown: list[dict[str, str]] = json.loads(_lunalux("conversation", "show", listed[0]["id"], "--json"))[
        "messages"
    ]
    return shown


def _lunalux(*arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "lunalux_tui", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def _wait(look: Callable[[], object], seconds: float = 60) -> object:
    until = time.monotonic() + seconds
    while not (found := look()) and time.monotonic() < until:
        time.sleep(0.5)
    return found
