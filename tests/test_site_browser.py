"""The site of docs/ in a real browser, opened as a file: its search finds English and Chinese words."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[1]
QUIET = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]


def test_the_search_finds_words_of_both_languages_without_a_server(tmp_path: Path) -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium is installed")
    pytest.importorskip("mkdocs")
    playwright = pytest.importorskip("playwright.sync_api")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=120)
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=QUIET)
        page = browser.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto((tmp_path / "spec" / "design.html").as_uri())
        page.fill("#rtd-search-form input", "keyring locked")
        page.press("#rtd-search-form input", "Enter")
        page.wait_for_selector("#mkdocs-search-results article")
        assert "faq.html" in page.inner_html("#mkdocs-search-results")
        page.fill("#mkdocs-search-query", "密钥环")
        page.wait_for_function("document.querySelector('#mkdocs-search-results a').href.includes('.zh.html')")
        page.click("#mkdocs-search-results a")
        page.wait_for_url("**/*.zh.html*")
        page.goto((tmp_path / "search.html").as_uri() + "?q=nowherewritten")
        page.wait_for_function("document.body.innerText.includes('No results found')")
        browser.close()
    assert asked and all(url.startswith(("file:", "data:")) for url in asked)
