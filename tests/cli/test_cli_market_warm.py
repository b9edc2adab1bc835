"""A market on disk is searched without a network, a server or an HTTP client."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from cli_program import Program, environment

from lunalux_core.language import Language
from lunalux_core.library.market_cache import MarketCache

HEAVY = {"httpx", "fastapi", "starlette", "boto3", "textual", "pydantic", "rich", "PIL"}


@pytest.fixture
def warm(home: Path) -> None:
    """A fresh list in each language, hot only."""

    async def fill() -> None:
        shelf = MarketCache(home / "cache" / "market.db", "embedded")
        try:
            for lang, name in (("en", "Wolf of the Night"), ("zh", "夜狼")):
                cards = [
                    {"id": f"{lang}{n}", "name": f"{name} {n}", "tags": ["Fantasy"], "likedCount": n}
                    for n in range(30)
                ]
                cards.append({"id": f"{lang}-x", "name": f"{name} x", "tags": ["NSFW", "original"]})
                language: Language = "en" if lang == "en" else "zh"
                await shelf.replace(language, "hot", cards, 3_600_000, None)
        finally:
            shelf.close()

    asyncio.run(fill())


@pytest.mark.usefixtures("warm")
def test_search(program: Program) -> None:
    def ids(*arguments: str) -> list[str]:
        return [one["id"] for one in program("market", "search", *arguments, "--json").json]

    found = program("market", "search", "night WOLF", "--limit", "5", "--json").json
    assert [one["id"] for one in found] == ["en0", "en1", "en2", "en3", "en4"]
    assert {"id", "name", "intro", "tags", "language", "likedCount", "downloadCount", "totalCoinUsed"} <= set(
        found[0]
    )
    assert [one["id"] for one in program("market", "search", "狼 7", "--lang", "zh", "--json").json][:1] == [
        "zh7"
    ]
    assert program("market", "search", "狼", "--json").json == []
    assert [one["id"] for one in program("market", "search", "x", "--nsfw", "only", "--json").json] == [
        "en-x"
    ]
    assert not program("market", "search", "wolf x", "--json").json
    options = ("--nsfw", "include", "--original", "--tag", "nsfw")
    assert [one["id"] for one in program("market", "search", "wolf", *options, "--json").json] == ["en-x"]
    rows = program("market", "search", "wolf").out.splitlines()
    assert len(rows) == 30 and "\t" in rows[0]


@pytest.mark.usefixtures("warm")
def test_list_and_show_from_disk(program: Program) -> None:
    unreachable = {"LUNALUX_API_URL": ""}
    listed = program("market", "list", "--limit", "3", "--json", **unreachable).json
    assert [row["id"] for row in listed] == ["en0", "en1", "en2"]
    assert program("market", "show", "zh3", "--json").json["name"] == "夜狼 3"
    assert program("market", "show", "nobody", "--json", code=5).error["code"] == "CHARACTER_NOT_IN_LISTS"


@pytest.mark.usefixtures("warm")
def test_a_warm_search_loads_nothing_heavy(home: Path) -> None:
    script = (
        "import sys, json; sys.argv = ['lunalux', 'market', 'search', 'wolf', '--json']\n"
        "from lunalux_tui.__main__ import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "print(json.dumps(sorted({m.partition('.')[0] for m in sys.modules})))"
    )
    result = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(home),
        check=True,
    )
    assert not HEAVY & set(json.loads(result.stdout.splitlines()[-1]))
