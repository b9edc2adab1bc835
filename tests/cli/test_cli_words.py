"""Talk on stderr is in the person's language; what is printed for programs is not touched by it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_program import Program

CHINESE = re.compile("[\u4e00-\u9fff]")
FOLDER = Path(__file__).resolve().parents[2] / "lunalux_tui"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("market", "list", "--lang", "xx"), 2),
        (("market", "list", "--bogus"), 2),
        (("market", "download", "nobody"), 5),
        (("wallet", "redeem", "NONE"), 1),
        (("account", "signup", "no-address"), 2),
        (("model", "add", "a", "--provider", "x", "--model", "m"), 2),
        (("chat", "nobody", "-m", "hi"), 5),
        (("regex", "test"), 2),
    ],
)
def test_refusals_are_one_line_in_the_persons_language(
    program: Program, arguments: tuple[str, ...], code: int
) -> None:
    chinese = program(*arguments, LUNALUX_LANG="zh", code=code)
    english = program(*arguments, LUNALUX_LANG="en", code=code)
    assert CHINESE.search(chinese.err) and not CHINESE.search(english.err)
    assert len(chinese.err.splitlines()) == 1 and not chinese.out and not english.out


def test_what_is_said_beside_the_data_is_translated_and_the_data_is_not(
    program: Program, make_card: Callable[..., Path]
) -> None:
    card = str(make_card("Ada"))
    english = program("import", card, LUNALUX_LANG="en")
    chinese = program("import", card, LUNALUX_LANG="zh")
    assert "already there" not in chinese.err and CHINESE.search(chinese.err)
    assert english.out.split("\t")[1:2] == chinese.out.split("\t")[1:2]
    keys = [set(program("wallet", "show", "--json", LUNALUX_LANG=lang).json) for lang in ("en", "zh")]
    assert keys[0] == keys[1]


def test_every_sentence_that_commands_say_is_in_the_catalogue() -> None:
    words: dict[str, Any] = json.loads((FOLDER / "locales/en/cli.json").read_text(encoding="utf-8"))["cli"]
    said = set()
    for file in (FOLDER / "cli").glob("*.py"):
        for call in re.findall(r"output\.(?:say|passing)\(([^)\n]*)", file.read_text(encoding="utf-8")):
            said |= set(re.findall(r'"([a-z_]+)"', call.split(",")[0]))
    assert said and said <= set(words)
