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


def test_commands_that_open_no_library_speak_the_persons_language(program: Program, tmp_path: Path) -> None:
    """Worldbook and script tests, whose reasons are words of a list for programs."""
    (tmp_path / "b.json").write_text(
        json.dumps(
            {
                "entries": {
                    "0": {"uid": 0, "key": ["灯塔"], "content": "灯塔", "order": 1},
                    "1": {"uid": 1, "key": ["海"], "content": "海", "order": 1},
                }
            }
        )
    )
    (tmp_path / "r.json").write_text(
        json.dumps(
            [
                {"scriptName": "粗体", "findRegex": "/a/g", "replaceString": "", "placement": [2]},
                {"scriptName": "坏", "findRegex": "/(/g", "replaceString": "", "placement": [6]},
                {
                    "scriptName": "x",
                    "findRegex": "/a/gx",
                    "replaceString": "",
                    "placement": [6],
                    "disabled": True,
                },
            ]
        )
    )
    (tmp_path / "broken.json").write_bytes(b"[1,\xff")
    for command in (
        ("worldbook", "test", "b.json", "--text", "看灯塔"),
        ("regex", "test", "r.json", "--text", "x", "--placement", "6"),
        ("regex", "test", "broken.json", "--text", "x"),
        *((noun, "test", "--scenarios", "broken.json") for noun in ("group", "template", "script", "macro")),
        *((noun, "test", "--scenarios", "broken.json") for noun in ("worldbook", "regex", "preset")),
    ):
        said = program(*command, LUNALUX_LANG="zh", code=None).err
        lines = said.splitlines()
        assert lines and all(CHINESE.search(line) for line in lines), said
        assert not re.search(r"no_key|placement|disabled|invalid|[A-Za-z]{3,} [a-z]{2,} ", said), said
        assert not CHINESE.search(program(*command, code=None).err.replace("粗体", "").replace("坏", ""))


def test_a_script_that_a_turn_skips_is_told_with_its_reason_in_chinese(
    program: Program, tmp_path: Path, ada: str
) -> None:
    script = {"scriptName": "坏", "findRegex": "/(/g", "replaceString": "", "placement": [1, 2]}
    (tmp_path / "r.json").write_text(json.dumps(script))
    program("regex", "import", "r.json")
    said = program("chat", ada, "-m", "hello", "--model", "practice", LUNALUX_LANG="zh").err
    assert "无法使用正则表达式：括号不成对" in said and "regular" not in said


MISTAKES = [
    b"[ui\n",
    b"[[ui]\n",
    b"ui\n",
    b"a = \n",
    b"a = 1 2\n",
    b"a = 1\na = 2\n",
    b"[a]\n[a]\n",
    b'a = "x\n',
    b'a = "\\q"\n',
    b'a = "\\uD800"\n',
    b'a = "\\uXXXX"\n',
    b"a = [1\n",
    b"a = {b = 1\n",
    b"a = {b = 1, b = 2}\n",
    b"a = {b = 1}\na.c = 2\n",
    b"a = 2024-13-45\n",
    b"a = \x01\n",
    b"# \x01\n",
    b"= 1\n",
    b'a = """x',
    b'a = "\xff"\n',
    b"a = " + b"9" * 5000,
    b"a = " + b"[" * 3000,
]


@pytest.mark.parametrize("written", MISTAKES, ids=lambda written: repr(written[:12]))
def test_mistakes_in_toml_are_told_in_chinese(
    written: bytes, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the words of the file, and not of Python's parser."""
    from lunalux_core.config.config_file import set_value
    from lunalux_core.config.settings import load_settings
    from lunalux_core.errors import LunaluxError
    from lunalux_core.lab.experiment_file import read_experiment
    from lunalux_tui import i18n
    from lunalux_tui.theme.theme_files import read_theme

    path = tmp_path / "x.toml"
    path.write_bytes(written)
    told: list[str] = []
    for read in (read_experiment, read_theme, lambda path: set_value(path, "ui.bell", True)):
        with pytest.raises(LunaluxError) as caught:
            read(path)
        i18n.use("zh")
        told.append(i18n.tell(caught.value)[0])
        i18n.use("en")
        assert "codec" not in caught.value.message
    config = load_settings().paths.config_file
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_bytes(written)
    (problem,) = load_settings().problems
    i18n.use("zh")
    told.append(i18n.tell(problem)[0])
    i18n.use("en")
    for sentence in told:
        assert sentence.endswith("。") and not re.search(r"[A-Za-z]{2,} [a-z]{2,}", sentence), sentence
