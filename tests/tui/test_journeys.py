"""The journeys of docs/journeys.toml, driven key by key through the real program in a real terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import tomllib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

if sys.platform == "win32":
    pytest.skip("a pty is needed", allow_module_level=True)

from terminal import ROOT, Terminal

from lunalux_core.cards.card import Card
from lunalux_core.cards.export import export_card

JOURNEYS = {one["id"]: one for one in tomllib.loads((ROOT / "docs" / "journeys.toml").read_text())["journey"]}
KEYS = {
    "enter": "\r",
    "escape": "\x1b",
    "f3": "\x1bOR",
    "f4": "\x1bOS",
    "f5": "\x1b[15~",
    "f6": "\x1b[17~",
    "tab": "\t",
    "space": " ",
    "down": "\x1b[B",
    "right": "\x1b[C",
}
QUICK_REPLIES = {
    "Moves": [
        {"id": 1, "label": "wave", "message": "/send A wave."},
        {"id": 2, "label": "sky", "message": "/sys Stars.", "contextList": [{"set": "Weather"}]},
    ],
    "Weather": [{"id": 1, "label": "rain", "message": "/sys Rain falls, says %%parent%%."}],
}
LINES = ["Good evening", ", and come", " closer to the", " fire."]


class Story(BaseHTTPRequestHandler):
    """A model server with one model, which breaks off in the middle of so many replies at first."""

    to_cut = 0

    def do_GET(self) -> None:
        body = json.dumps({"object": "list", "data": [{"id": "story-9b", "object": "model"}]}).encode()
        self.send_response(200 if self.path == "/v1/models" else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        cut = type(self).to_cut > 0
        type(self).to_cut -= 1
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        if cut:
            self.send_header("Content-Length", "1000000")
        self.end_headers()
        for piece in LINES[: 2 if cut else None]:
            event = {"choices": [{"index": 0, "delta": {"content": piece}}]}
            self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
        if not cut:
            self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the terminal belongs to the journey."""


@pytest.fixture
def story_server() -> Iterator[str]:
    """The address of a model server."""
    Story.to_cut = 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), Story)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twenty cards."""
    root = tmp_path / "cards"
    root.mkdir()
    for number in range(1, 21):
        card = Card.new(f"Keeper {number}", first_mes=f"I keep light {number}.")
        (root / f"{number}.png").write_bytes(export_card(card, "png"))
    return root


def lunalux(home: Path, *arguments: str) -> Any:
    environ = {**os.environ, "LUNALUX_HOME": str(home)}
    result = subprocess.run(
        [sys.executable, "-m", "lunalux_tui", *arguments],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        check=True,
    )
    return json.loads(result.stdout) if "--json" in arguments else result.stdout.decode()


@pytest.mark.parametrize("journey", JOURNEYS)
def test_a_journey_leads_where_it_should(
    journey: str, home: Path, folder: Path, request: pytest.FixtureRequest
) -> None:
    environ = {"LUNALUX_HOME": str(home), "LUNALUX_LANG": "en", "LUNALUX_PRACTICE_RATE": "300"}
    script = JOURNEYS[journey]
    words = {"folder": str(folder), "coupon": "MOON-2026-STAR"}
    if "model" in script:
        words["server"] = request.getfixturevalue("story_server")
    if script.get("model") == "cut":
        Story.to_cut = 1
        environ["OPENAI_BASE_URL"] = words["server"]
        lunalux(home, "settings", "set", "chat.model", "openai:story")
    if "coupon" in journey:
        lunalux(home, "admin", "coupon", "create", "MOON-2026-STAR", "--currency", "star", "--amount", "50")
    if journey == "quick-replies":
        for name, listed in QUICK_REPLIES.items():
            (folder / "set.json").write_text(json.dumps({"name": name, "qrList": listed}), "utf-8")
            lunalux(home, "quickreply", "import", str(folder / "set.json"))
        lunalux(home, "quickreply", "use", "Moves")
    terminal = Terminal([], environ, 100, 30)
    try:
        for step in script["steps"]:
            take(terminal, step, words)
    finally:
        terminal.close()
    HOLDS[journey](home)


def take(terminal: Terminal, step: dict[str, str], words: dict[str, str]) -> None:
    ((kind, value),) = step.items()
    match kind:
        case "press":
            for key in value.split():
                terminal.send(sequence(key))
                terminal.pump(0.3)
        case "type":
            terminal.send(value.format(**words))
            terminal.pump(0.3)
        case "wait":
            terminal.wait(value, 60)
        case "gone":
            terminal.gone(value, 60)


def sequence(key: str) -> str:
    """What a terminal sends for a key."""
    if key.startswith("alt+"):
        return "\x1b" + key.removeprefix("alt+")
    return KEYS.get(key) or (chr(ord(key[-1]) - 96) if key.startswith("ctrl+") else key)


def replies(home: Path) -> list[dict[str, Any]]:
    """The replies of the latest conversation."""
    latest = lunalux(home, "conversation", "list", "--json")[0]["id"]
    shown = lunalux(home, "conversation", "show", latest, "--json")["messages"]
    return [one for one in shown if one["role"] == "assistant"][1:]


def three_replies(home: Path) -> None:
    assert len(replies(home)) == 3


def imported(home: Path) -> None:
    names = {one["name"] for one in lunalux(home, "character", "list", "--json")}
    assert {f"Keeper {number}" for number in range(1, 21)} <= names


def published(home: Path) -> None:
    listed = lunalux(home, "market", "list", "--lang", "en", "--sort", "new", "--refresh", "--json")
    assert sum(row["name"] == "Marigold Finch" for row in listed) == 2
    assert lunalux(home, "character", "show", "Captain Sol Varga", "--json")["marketBinding"]["active"]


def redeemed(home: Path) -> None:
    assert lunalux(home, "wallet", "show", "--json")["starCoin"] == 150


def chinese(home: Path) -> None:
    assert 'language = "zh"' in (home / "config" / "config.toml").read_text()


def recovered(home: Path) -> None:
    (reply,) = replies(home)
    assert reply["content"] == "".join(LINES)


def created(home: Path) -> None:
    card = lunalux(home, "character", "show", "Wren", "--json")
    assert card["card"]["data"]["description"] == "Keeps the lamp of the last harbour."
    assert len(replies(home)) == 1


def tagged(home: Path) -> None:
    (tag,) = lunalux(home, "tag", "list", "--json")
    assert (tag["name"], tag["characters"]) == ("evening", 2)
    assert len(lunalux(home, "character", "list", "--tag", "evening", "--json")) == 2


def reworded(home: Path) -> None:
    (reply,) = replies(home)
    assert "So it begins." in reply["content"]


def written_for_me(home: Path) -> None:
    assert len(replies(home)) == 1


def found(home: Path) -> None:
    listed = lunalux(home, "conversation", "list", "--json")
    assert len(listed) == 2


def begun_anew(home: Path) -> None:
    assert len(replies(home)) == 1


def shown(home: Path) -> None:
    assert len(lunalux(home, "character", "list", "--json")) == 4


def looked_at(home: Path) -> None:
    assert lunalux(home, "wallet", "show", "--json")["starCoin"] == 100


def remembered(home: Path) -> None:
    latest = lunalux(home, "conversation", "list", "--json")[0]["id"]
    (fact,) = lunalux(home, "memory", "list", latest, "--json")
    assert (fact["text"], fact["pinned"]) == ("The lamp is never put out.", False)


def storied(home: Path) -> None:
    assert len(replies(home)) == 1  # the model wrote on in its own passage


def own_texts(home: Path) -> None:
    place = lunalux(home, "conversation", "list", "--json")[0]["id"]
    held = lunalux(home, "conversation", "override", place, "--json")
    assert held["scenario"] == "Ten years later."


def connected(home: Path) -> None:
    listed = lunalux(home, "model", "list", "--json")["own"]
    assert [row["name"] for row in listed if row["in_use"]] == ["story-9b"]
    (reply,) = replies(home)
    assert (reply["content"], reply["model"]) == ("".join(LINES), "story-9b")


def messages(home: Path) -> list[dict[str, Any]]:
    """The messages of the latest conversation."""
    latest = lunalux(home, "conversation", "list", "--json")[0]["id"]
    shown: list[dict[str, Any]] = lunalux(home, "conversation", "show", latest, "--json")["messages"]
    return shown


def directed(home: Path) -> None:
    (reply,) = replies(home)
    assert (reply["swipe"], reply["swipes"]) == (1, 2)
    assert all("curt" not in one["content"] for one in messages(home))


def side_by_side(home: Path) -> None:
    (reply,) = replies(home)
    assert (reply["swipe"], reply["swipes"]) == (1, 3)


def rolled(home: Path) -> None:
    _, dice, line, reply = messages(home)
    assert "rolls 2d6+3" in dice["content"] and line["content"] == "The lamp goes out."
    assert reply["role"] == "assistant" and reply["content"]


def quick_replies_used(home: Path) -> None:
    assert [one["content"] for one in messages(home)[1:]] == ["A wave.", "Rain falls, says sky."]


HOLDS: dict[str, Callable[[Path], None]] = {
    "third-reply": three_replies,
    "import-and-find": imported,
    "publish-and-download": published,
    "coupon": redeemed,
    "language": chinese,
    "lost-connection": recovered,
    "create": created,
    "order": tagged,
    "reword": reworded,
    "write-for-me": written_for_me,
    "find-words": found,
    "greeting": begun_anew,
    "reasons": shown,
    "wallet": looked_at,
    "remember": remembered,
    "story-mode": storied,
    "own-texts": own_texts,
    "connect-model": connected,
    "direct": directed,
    "side-by-side": side_by_side,
    "dice": rolled,
    "quick-replies": quick_replies_used,
}


AT_MOST = {
    "reword": 3,
    "write-for-me": 3,
    "find-words": 4,
    "greeting": 2,
    "reasons": 1,
    "wallet": 2,
    "connect-model": 6,
    "create": 18,
    "import-and-find": 5,
    "publish-and-download": 8,
    "coupon": 3,
    "third-reply": 4,
    "order": 10,
}
"""Keys beside letters that a journey may take: the shortest way that people who compared asked for."""


@pytest.mark.parametrize("journey", AT_MOST)
def test_a_journey_takes_no_more_keys_than_it_must(journey: str) -> None:
    keys = sum(len(step["press"].split()) for step in JOURNEYS[journey]["steps"] if "press" in step)
    assert 0 < keys <= AT_MOST[journey]
