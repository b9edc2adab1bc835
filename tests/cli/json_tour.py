"""Every command with `--json`, run in one library, for what its JSON looks like.

The steps follow each other: what one makes, later ones name. A command may be run several times, so that what
can be empty is seen full, too.
"""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from servers.fake import Fake, running
from servers.fake_llamacpp import LlamaCpp
from servers.fake_ollama import Ollama

from lunalux_core.cards.card import Card
from lunalux_core.cards.export import export_card
from lunalux_tui.cli import run_cli

ROOT = Path(__file__).resolve().parents[2]
VECTORS = ROOT / "tests" / "data" / "vectors"

Seen = list[tuple[str, Any]]
"""Commands without their arguments, e.g. "character list", and one JSON document each printed."""


class Tourist:
    """Runs commands and keeps what they print."""

    def __init__(self, commands: set[str]) -> None:
        self.seen: Seen = []
        self._commands = commands

    def __call__(self, *words: str, code: int = 0, stdin: str = "") -> Any:
        """The document that a command prints; the documents of one that prints lines."""
        out, err, before = io.StringIO(), io.StringIO(), sys.stdin
        sys.stdin = io.StringIO(stdin)
        try:
            with redirect_stdout(out), redirect_stderr(err):
                ended = run_cli([*words, "--json"])
        finally:
            sys.stdin = before
        assert ended == code, (words, ended, out.getvalue()[:300], err.getvalue())
        command = next(" ".join(words[:n]) for n in (3, 2, 1) if " ".join(words[:n]) in self._commands)
        documents = [json.loads(line) for line in out.getvalue().splitlines()]
        self.seen += [(command, document) for document in documents]
        return documents[0] if len(documents) == 1 else documents

    def refused(self, *words: str) -> None:
        """Keep the error of a command that fails, under the name "error"."""
        err = io.StringIO()
        with redirect_stdout(io.StringIO()), redirect_stderr(err):
            assert run_cli([*words, "--json"])
        self.seen.append(("error", json.loads(err.getvalue().splitlines()[-1])))


@contextmanager
def serving(*fakes: Fake) -> Iterator[None]:
    """The fakes in an event loop of a thread: every command has a loop of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    servers = running(*fakes)
    asyncio.run_coroutine_threadsafe(servers.__aenter__(), loop).result(20)
    try:
        yield
    finally:
        asyncio.run_coroutine_threadsafe(servers.__aexit__(None, None, None), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(20)


def tour(run: Tourist, folder: Path) -> None:
    """The whole way. `folder` is empty, and the folder of the process."""
    card = _card(folder / "ada.png", "Ada")
    book = _json(folder / "book.json", {"entries": {"0": _ENTRY}, "name": "Reef"})
    for part in (_library, _stories, _shelves, _texts):
        part(run, folder, card, book)
    with serving(ollama := Ollama(loaded=0), plain := LlamaCpp(window=8192)):
        _models(run, folder, ollama.url, plain.url)
        _lab(run, folder)
        _memories(run, folder)
    _community(run, folder, card)
    _operators(run)
    _program(run, folder)


def _card(path: Path, name: str, **fields: Any) -> Path:
    fields = {"description": f"{name} keeps a lighthouse.", "first_mes": f"I am {name}.", **fields}
    path.write_bytes(export_card(Card.new(name, **fields), path.suffix[1:]))  # type: ignore[arg-type]
    return path


def _json(path: Path, document: Any) -> Path:
    path.write_text(json.dumps(document), "utf-8")
    return path


_ENTRY = {
    "uid": 0,
    "key": ["reef"],
    "content": "It is sharp.",
    "comment": "The reef",
    "position": 4,
    "depth": 2,
}
_SCRIPT = {
    "scriptName": "Loud",
    "findRegex": "/sea/g",
    "replaceString": "SEA",
    "placement": [1, 2],
    "disabled": False,
    "minDepth": 3,
}


def _library(run: Tourist, folder: Path, card: Path, book: Path) -> None:
    (folder / "bad.json").write_text("[]", "utf-8")
    scripted = {"extensions": {"regex_scripts": [_SCRIPT]}, "tags": ["coast"], "intro": ""}
    _card(folder / "bo.json", "Bo", **scripted)
    run("import", str(card), str(book), str(folder / "bad.json"), "--dry-run", code=7)
    run("import", str(card), str(folder / "bo.json"), str(folder / "bad.json"), code=7)
    run("import", str(card))
    run("import", str(card), "--on-duplicate", "replace")
    run("character", "list")
    run("tag", "add", "To read", "Ada", "Bo")
    run("tag", "list", "--cards")
    run("tag", "folder", "To read", "closed")
    run("tag", "rename", "To read", "later")
    run("tag", "remove", "later", "Bo")
    run("character", "list", "--tag", "later")
    run("character", "show", "Ada")
    run("character", "export", "Ada", "out.png")
    run("character", "validate", "out.png", "bad.json", code=7)
    run("character", "allow-scripts", "Bo")
    run("character", "show", "Bo")
    run("tag", "delete", "later", "--yes")
    run("character", "delete", "Bo", "--yes")
    run.refused("character", "show", "nobody")
    run.refused("character", "list", "--bogus")


def _stories(run: Tourist, folder: Path, card: Path, book: Path) -> None:
    _card(folder / "cy.png", "Cy")
    run("import", "cy.png")
    told = run("chat", "Ada", "-m", "The sea is loud.")
    run("chat", "Ada", "-m", "Quiet.", "--replies", "2")
    run("chat", "Ada", "-m", "Rain.", "--narrator", "--no-reply")
    run("chat", "Ada", "--impersonate")
    run("chat", "Ada", "-m", "Well?", "--show-prompt")
    run("chat", "Ada", "-m", "Well?", "--official", "002")
    place = told["conversation_id"]
    run("conversation", "list")
    run("conversation", "pin", place)
    run("conversation", "override", place, "--scenario", "Ten years later.")
    run("conversation", "mark", place, "--name", "before the storm")
    run("conversation", "show", place)
    run("conversation", "export", place, "a.jsonl")
    run("conversation", "import", "a.jsonl", "--character", "Ada")
    run(
        "conversation",
        "delete",
        run("conversation", "import", "a.jsonl", "--character", "Ada")["id"],
        "--yes",
    )
    lines = [{"src": {"is_human": True}, "text": "hi"}, {"src": {"is_human": False}, "text": "yo"}]
    several = _json(folder / "cai.json", {"histories": {"histories": [{"msgs": lines}, {"msgs": lines[:1]}]}})
    run("conversation", "import", str(several), "--character", "Ada")
    run("conversation", "group", "The watch", "Ada", "Cy")
    run("chat", "The watch", "-m", "Ada, Cy, are you there?")
    run("conversation", "list")
    for words in (
        ("list",),
        ("show", "The watch"),
        ("create", "Two", "Ada", "Cy"),
        ("set", "Two", "--order", "list"),
        ("remove", "Two", "Cy"),
        ("add", "Two", "Cy"),
        ("mute", "Two", "Cy"),
        ("unmute", "Two", "Cy"),
        ("delete", "Two", "--yes"),
        ("test", "--scenarios", str(VECTORS / "groups.json")),
    ):
        run("group", *words)
    run("tag", "add", "pairs", "--group", "The watch")
    run("group", "list", "--tag", "pairs")
    run("tag", "remove", "pairs", "--group", "The watch")
    run("note", "set", place, "--text", "Slow.", "--depth", "2")
    run("note", "show", place)
    run("persona", "add", "Robin", "--description", "A cartographer.")
    run("persona", "edit", "Robin", "--name", "Robin A")
    run("persona", "use", "Robin")
    run("persona", "use", "Robin", "--conversation", place)
    run("persona", "list")
    run("persona", "show", "Robin")


def _shelves(run: Tourist, folder: Path, card: Path, book: Path) -> None:
    run("worldbook", "import", str(book), "bad.json", code=7)
    run("worldbook", "list")
    run("worldbook", "own-settings", "Reef")
    run("worldbook", "bind", "Reef", "--character", "Ada")
    run("worldbook", "bind", "Reef", "--persona", "Robin")
    run("persona", "list")
    run("worldbook", "enable", "Reef")
    run("worldbook", "disable", "Reef")
    run("worldbook", "export", "Reef", "reef.json")
    run("worldbook", "test", str(book), "--text", "the reef")
    run("worldbook", "test", str(book), "--text", "the open water")
    run("worldbook", "test", "--scenarios", str(VECTORS / "worldinfo.json"))
    run("worldbook", "delete", "Reef", "--yes")
    script = _json(folder / "loud.json", _SCRIPT)
    run("regex", "import", str(script))
    run("regex", "list")
    run("regex", "disable", "Loud")
    run("regex", "enable", "Loud")
    run("regex", "export", "Loud", "loud2.json")
    run("regex", "test", str(script), "--text", "the sea", "--depth", "9")
    run("regex", "test", str(script), "--text", "the sea", "--depth", "0")
    run("regex", "test", "--scenarios", str(VECTORS / "regex.json"))
    run("regex", "delete", "Loud", "--yes")
    run("preset", "export", "novel_king", "p.json")
    run("preset", "import", "p.json", "--name", "Mine")
    run("preset", "list")
    run("preset", "enable", "Mine")
    run("preset", "show", "Mine")
    run("preset", "disable", "Mine")
    run("preset", "enable", "default")
    run("preset", "delete", "Mine", "--yes")
    run("preset", "test", "--scenarios", str(VECTORS / "prompt.json"))
    run("macro", "test", "--scenarios", str(VECTORS / "macros.json"))


def _texts(run: Tourist, folder: Path, card: Path, book: Path) -> None:
    instruct = {"name": "Mine", "input_sequence": "U:", "output_sequence": "A:", "wrap": True}
    context = {"name": "Mine", "story_string": "{{description}}", "chat_start": "***"}
    master = _json(folder / "master.json", {"instruct": instruct, "context": context})
    run("template", "import", str(_json(folder / "chat.json", instruct)))
    run("template", "import", str(master))
    run("template", "list")
    run("template", "show", "ChatML", "--kind", "instruct")
    run("template", "show", "master")
    run("template", "export", "Mine", "mine.json", "--kind", "instruct")
    run("template", "export", "master", "master2.json")
    run("template", "test", "--scenarios", str(VECTORS / "text.json"))
    run("template", "delete", "master", "--yes")
    run("template", "delete", "Mine", "--yes")
    menu = [{"set": "Dice", "isChained": False}]
    reply = {"id": 1, "label": "d6", "message": "/add 1 2", "contextList": menu}
    replies = {"version": 2, "name": "Dice", "qrList": [reply]}
    run("quickreply", "import", str(_json(folder / "dice.json", replies)))
    run("quickreply", "list")
    run("quickreply", "export", "Dice", "dice2.json")
    run("quickreply", "use", "Dice", "--character", "Ada")
    run("quickreply", "run", "Dice", "d6")
    run("quickreply", "delete", "Dice", "--yes")
    run("script", "run", "-", stdin="/setvar key=a 1 | /echo hello")
    run("script", "run", "-", stdin="/nothing", code=1)
    run("script", "test", "--scenarios", str(VECTORS / "stscript.json"))


def _models(run: Tourist, folder: Path, ollama: str, plain: str) -> None:
    added = ("--base-url", ollama, "--model", "m", "--price", "1,0.5,2")
    run("model", "add", "local", "--provider", "ollama", *added)
    run("model", "add", "other", "--provider", "llamacpp", "--base-url", plain, "--model", "m")
    run("model", "add", "gone", "--provider", "openai", "--model", "m", "--key-stdin", stdin="k\n")
    run("model", "list")
    run("model", "show", "practice")
    run("model", "test", "local")
    run("model", "load", "local")
    run("chat", "Ada", "-m", "And now?", "--model", "local")
    run("chat", "Ada", "-m", "And now?", "--model", "other")
    run("chat", "Ada", "-m", "Well?", "--model", "local", "--show-request")
    whole = ("--mode", "text", "--template", "ChatML")
    run("model", "add", "whole", "--provider", "llamacpp", "--base-url", plain, "--model", "m", *whole)
    run("chat", "Ada", "-m", "Well?", "--model", "whole", "--show-prompt")
    run("model", "show", "local")
    run("model", "show", "other")
    run("model", "unload", "local")
    run("model", "use", "local")
    run("model", "list")
    run("model", "remove", "gone", "--yes")
    run("profile", "add", "Quick", "--model", "local", "--start-with", "Well,", "--set", "temperature=1")
    run("profile", "use", "Quick")
    run("profile", "use", "Quick", "--character", "Ada")
    run("profile", "list")
    run("profile", "show", "Quick")
    run("profile", "use", "none")
    run("profile", "delete", "Quick", "--yes")
    profiles = {"connectionManager": {"profiles": [{"id": "1", "mode": "cc", "name": "Far", "model": "m"}]}}
    run("profile", "import", str(_json(folder / "settings.json", {"extension_settings": profiles})))
    run("model", "use", "practice")


_LAB = """
[[turns]]
card = "ada.png"
say = "Is the reef near?"
[[variants]]
name = "now"
model = "practice"
worldbooks = ["book.json"]
[[variants]]
name = "other"
model = "practice"
set = {top_p = 0.5}
[[checks]]
name = "sharp"
variants = ["other", "now"]
contains = "submarine"
tokens_max = 9000
"""


def _lab(run: Tourist, folder: Path) -> None:
    (folder / "voice.toml").write_text(_LAB, "utf-8")
    run("lab", "run", "voice.toml", "--only", "/now", "--only", "/other", code=1)
    run("lab", "run", "voice.toml", code=1)
    run("lab", "show", "voice.toml")
    run("lab", "show")
    run("lab", "delete", "voice.toml", "--yes")


def _memories(run: Tourist, folder: Path) -> None:
    place = next(row["id"] for row in run("conversation", "list") if row["character"] == "Ada")
    kept = run("memory", "add", place, "--kind", "fact", "--text", "The reef is sharp.", "--keyword", "reef")
    run("memory", "write", place, "--all", "--model", "local", code=7)  # its words are not of the story
    run("memory", "list", place)
    run("memory", "show", place, kept["id"])
    run("memory", "edit", place, kept["id"], "--text", "The reef is very sharp.")
    run("memory", "pin", place, kept["id"])
    run("memory", "search", place, "reef")
    run("memory", "scene", place)
    run("memory", "export", place, "memories.json")
    run("memory", "import", place, "memories.json")
    run("memory", "delete", place, kept["id"], "--yes")
    run("tracker", "list", place, "--templates")
    run("tracker", "add", place, "--template", "clothes", "--value", "a coat")
    run("tracker", "add", place, "Health", "--instruction", "Wounds.", "--run", "command")
    run("tracker", "list", place)
    run("tracker", "run", place, "Health", "--model", "local")
    run("tracker", "show", place, "Clothes")
    run("tracker", "show", place, "Clothes", "--values")
    run("tracker", "edit", place, "Clothes", "--value", "a cloak")
    run("tracker", "delete", place, "Health", "--yes")
    (folder / "rules.md").write_text("# Rules\n\nNobody swims at night.\n", "utf-8")
    run("bank", "add", "rules.md", "--character", "Ada")
    run("bank", "list")
    run("bank", "search", "who swims", "--character", "Ada")
    run("bank", "delete", "rules", "--yes", "--character", "Ada")


def _community(run: Tourist, folder: Path, card: Path) -> None:
    run("account", "show")
    run("account", "username", "ada")
    published = run("market", "publish", str(card), "--lang", "en", "--intro", "A keeper.", "--tag", "sea")
    shelf = folder / "many"
    shelf.mkdir()
    shutil.copy(folder / "cy.png", shelf / "cy.png")
    rows = [{"path": "cy.png", "lang": "en", "intro": "Cy."}, {"path": "no.png", "lang": "en", "intro": "N."}]
    _json(shelf / "manifest.json", rows)
    run("market", "publish", str(shelf), code=7)
    run("market", "mine")
    run("market", "edit", published["id"], "--intro", "A keeper of lights.", "--tag", "sea")
    run("admin", "rank", "--lang", "en")
    listed = run("market", "list", "--refresh", "--lang", "en")
    run("market", "search", listed[0]["name"], "--lang", "en")
    run("market", "show", listed[0]["id"])
    run("market", "like", published["id"])
    run("market", "download", listed[0]["id"])
    run("character", "list")
    run("market", "report", published["id"], "--reason", "It is too loud.")
    run("admin", "market", "reports")
    run("admin", "market", "hide", published["id"])
    run("admin", "market", "restore", published["id"])
    run("market", "withdraw", published["id"], "--yes")
    run("admin", "coupon", "create", "GIFT", "--currency", "star", "--amount", "5")
    run("wallet", "redeem", "GIFT")
    run("wallet", "show")
    run("wallet", "history")
    run("wallet", "invites")
    run("wallet", "settle")


def _operators(run: Tourist) -> None:
    me = run("account", "show")["profile"]["id"]
    run("admin", "status")
    run("admin", "provision", "--dry-run")
    run("admin", "provision")
    run("admin", "adopt", "--dry-run")
    run("admin", "migrate-sk")
    run("admin", "reconcile")
    run("admin", "coupon", "list")
    run("admin", "coupon", "show", "GIFT")
    run("admin", "coupon", "create", "LATER", "--currency", "luna", "--amount", "5", "--claims", "3")
    run("admin", "coupon", "revoke", "LATER", "--yes")
    priced = ("--name", "Muse", "--type", "practice", "--model", "practice", "--luna-cost", "2")
    run("admin", "model", "put", "009", *priced)
    run("admin", "model", "list")
    run("admin", "model", "delete", "009", "--yes")
    run("admin", "user", "list")
    run("admin", "user", "show", me)
    run("admin", "user", "history", me)
    run("admin", "user", "credit", me, "--star", "7")
    run("admin", "user", "lux", me, "1")
    mine = run("market", "publish", "cy.png", "--lang", "en", "--intro", "Cy again.")
    run("admin", "market", "remove", mine["id"], "--yes")
    secret = "correct horse battery\n"
    run("account", "logout")
    run("account", "signup", "bo@example.org", "--password-stdin", stdin=secret)
    run("account", "login", "bo@example.org", "--password-stdin", stdin=secret)
    run("admin", "user", "erase", "bo@example.org", "--yes")
    run("account", "login")
    run("account", "erase", "--yes")


_PLUGIN = """
from lunalux_core.plugins.api import Command, Outcome, hook

class Echo:
    api_version = 1

    @hook
    def commands(self):
        return [Command("say", "Say", lambda scene: Outcome(notice="said", typed=scene.typed), "Says it.")]

plugin = Echo()
"""


def _program(run: Tourist, folder: Path) -> None:
    paths = run("paths")
    Path(paths["plugins"]).mkdir(parents=True, exist_ok=True)
    (Path(paths["plugins"]) / "echo.py").write_text(_PLUGIN, "utf-8")
    run("plugin", "list")
    run("plugin", "enable", "echo")
    run("plugin", "run", "echo")
    run("plugin", "run", "echo", "say", "hello")
    run("plugin", "disable", "echo")
    run("settings", "list")
    run("settings", "get", "chat.model")
    run("settings", "set", "chat.reply_words", "200")
    run("doctor")
    run("persona", "delete", "Robin", "--yes")
    run("mirror", "mirrored")
    (folder / "mirrored" / "presets").mkdir(exist_ok=True)
    (folder / "mirrored" / "presets" / "broken.json").write_text("{", "utf-8")
    run("mirror", "mirrored", code=7)
    run("backup", "all.zip")
    run("backup", "all", "--format", "sillytavern")
    run("restore", "all.zip")
