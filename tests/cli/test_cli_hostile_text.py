"""Strangers' text on its way through every command to a terminal: the bytes of a pty, plain and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_program import Program, on_a_terminal
from hostile_text import HOSTILE, PAYLOADS, acting, hostile_backend

from lunalux_core.cards.card import Card
from lunalux_core.cards.export import export_card
from lunalux_core.client.backend_failures import refusal
from lunalux_core.errors import LunaluxError
from lunalux_tui import i18n


@pytest.fixture
def hostile(program: Program, tmp_path: Path, home: Path) -> dict[str, str]:
    """A library in which every text is hostile; ids by noun."""
    entry = {"keys": [HOSTILE], "content": HOSTILE, "comment": HOSTILE, "name": HOSTILE}
    card = Card.new(
        f"Eve {HOSTILE}",
        description=HOSTILE,
        first_mes=HOSTILE,
        personality=HOSTILE,
        scenario=HOSTILE,
        creator_notes=HOSTILE,
        creator=HOSTILE,
        tags=list(PAYLOADS),
        character_book={"name": HOSTILE, "entries": [entry]},
        extensions={"regex_scripts": [{"scriptName": HOSTILE, "findRegex": "/(a+)+$/g", "placement": [2]}]},
    )
    (tmp_path / "eve.json").write_bytes(export_card(card, "json"))
    (tmp_path / "bad \x1b]0;PWNED\x07\u202e.json").write_text('{"name": "\x1b[2J')
    (tmp_path / "book.json").write_text(
        json.dumps({"name": HOSTILE, "entries": {"0": {"key": ["a"], "content": "b", "comment": HOSTILE}}})
    )
    (tmp_path / "script.json").write_text(
        json.dumps({"scriptName": HOSTILE, "findRegex": "/a/g", "replaceString": HOSTILE, "placement": [2]})
    )
    (tmp_path / "preset.json").write_text(
        json.dumps({"prompts": [{"identifier": "main", "name": HOSTILE, "content": HOSTILE}]})
    )
    done = program("import", *(str(path) for path in tmp_path.glob("*.json")), code=7)
    assert "4 imported" in done.err, done.err
    eve = program("character", "list", "--json").json[0]["id"]
    program("chat", eve, "-m", f"hi {HOSTILE}".replace("\x00", ""))
    plugins = Path(program("paths", "--json").json["plugins"])
    plugins.mkdir(parents=True, exist_ok=True)
    (plugins / "loud.py").write_text(f"raise ValueError({HOSTILE!r})\n")
    (plugins / "b\x1b]0;PWNED\x07d.py").write_text("x = 1\n")
    program("plugin", "enable", "loud", code=None)
    config = Path(program("paths", "--json").json["config"])
    config = config if config.suffix else config / "config.toml"
    config.parent.mkdir(parents=True, exist_ok=True)
    quoted = json.dumps(HOSTILE, ensure_ascii=True)
    kept = config.read_text() if config.exists() else ""
    config.write_text(f'{kept}\n[chat]\nuser_name = {quoted}\n[keys]\n{quoted} = "x"\n')
    return {
        "character": eve,
        "conversation": program("conversation", "list", "--json").json[0]["id"],
        **{noun: program(noun, "list", "--json").json[0]["id"] for noun in ("worldbook", "regex", "preset")},
    }


def ways(hostile: dict[str, str], bad: str) -> list[tuple[str, ...]]:
    """Every command that shows something of the library."""
    card, chat = hostile["character"], hostile["conversation"]
    return [
        ("character", "list"),
        ("character", "show", card),
        ("character", "validate", "eve.json", bad),
        ("character", "export", card, f"{HOSTILE[:20]}.json".replace("\x00", "")),
        ("chat", card, "-m", "again"),
        ("chat", card, "-m", "again", "--show-prompt"),
        ("conversation", "list"),
        ("conversation", "show", chat),
        ("import", bad, "eve.json", "--on-duplicate", "copy"),
        ("worldbook", "list"),
        ("worldbook", "test", "book.json", "--text", "a"),
        ("worldbook", "enable", hostile["worldbook"]),
        ("regex", "list"),
        ("regex", "test", "script.json", "--text", "a"),
        ("preset", "list"),
        ("preset", "show", hostile["preset"]),
        ("model", "list"),
        ("model", "use", HOSTILE),
        ("settings", "list"),
        ("settings", "get", HOSTILE),
        ("plugin", "list"),
        ("plugin", "run", "loud"),
        ("plugin", "run", HOSTILE),
        ("paths",),
        ("doctor",),
        ("market", "list"),
        ("character", "show", HOSTILE),
        ("conversation", "show", HOSTILE),
        (HOSTILE,),
        ("chat", card, "-m", "x", "--model", f"openai:{HOSTILE}"),
        ("restore", bad),
        ("character", "delete", card),
    ]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_nothing_in_the_library_acts_through_a_command(
    hostile: dict[str, str], tmp_path: Path, home: Path, lang: str
) -> None:
    bad = next(path.name for path in tmp_path.glob("bad*"))
    found = {}
    for words in ways(hostile, bad):
        words = tuple(word.replace("\x00", "") for word in words)
        for form in ((), ("--json",)) if lang == "en" else ((),):
            raw = on_a_terminal(home, tmp_path, *words, *form, LUNALUX_LANG=lang)
            if bad_bytes := acting(raw):
                found[(*words[:2], *form)] = bad_bytes[:3]
    assert not found


def test_no_refusal_of_a_backend_acts_or_shows_the_session(
    tmp_path: Path, home: Path, program: Program
) -> None:
    from lunalux_core.client.session_key import SessionKey  # noqa: F401

    program("character", "list")
    found = {}
    with hostile_backend() as url:
        for words in (
            ("market", "list"),
            ("market", "search", "x"),
            ("market", "show", "abc"),
            ("market", "download", "abc"),
            ("market", "like", "abc"),
            ("account", "show", "--refresh"),
            ("account", "login", "ada@example.org"),
            ("account", "signup", "ada@example.org"),
            ("wallet", "show"),
            ("wallet", "redeem", "CODE"),
            ("chat", "Marigold", "-m", "x", "--model", "official:abc"),
            ("doctor",),
        ):
            for form in ((), ("--json",)):
                raw = on_a_terminal(home, tmp_path, *words, *form, LUNALUX_API_URL=url)
                if bad_bytes := acting(raw):
                    found[(*words, *form)] = bad_bytes[:3]
    assert not found


def test_a_refusal_tells_neither_orders_nor_the_session() -> None:
    token = "abcdef0123456789-token"
    for split in ("", "\x1b[0m", "\x9c", "\u202e"):
        said = refusal(
            "MAINTENANCE\x1b[2J", f"{HOSTILE} {split.join(token)} sk-aaaabbbbccccdddd", secrets=[token]
        )
        for text in (said.code, said.message, *i18n.tell(said), str(said.params)):
            assert token not in text and not acting(text.encode("utf-8", "replace")), text
    assert token not in refusal("X", f"you sent {token}", secrets=[token]).message
    assert "sk-" not in refusal("X", "key sk-aaaabbbbccccdddd").message


@pytest.mark.parametrize("language", ["en", "zh"])
def test_whatever_an_error_is_made_of_is_told_in_one_harmless_line(language: str) -> None:
    before = i18n.language()
    i18n.use(language)
    try:
        codes = [*i18n.error_sentences("zh"), "NO_SUCH_CODE", "THEME_INVALID", "PLUGIN_FAILED"]
        for code in codes:
            names = ("name", "path", "reason", "value", "kind", "said", "detail", "place", "where")
            for kind in (HOSTILE, code.partition("@")[2]):
                params = {
                    **dict.fromkeys(names, HOSTILE),
                    "kind": kind,
                    "path": Path(HOSTILE.replace("\x00", "")),
                }
                told = i18n.tell(LunaluxError(code.partition("@")[0], HOSTILE, HOSTILE, **params))
                for text in told:
                    assert not acting(text.encode("utf-8", "replace")) and "\n" not in text, (code, text)
        assert not acting(i18n.t("cli.warning", text=HOSTILE).encode())
    finally:
        i18n.use(before)
