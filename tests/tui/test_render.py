"""A message's text as lines: what people see of Markdown, speech, folds and hostile input."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from lunalux_tui.render.layout import GrowingText, lay_out
from lunalux_tui.render.markdown import code_blocks, parse_inline
from lunalux_tui.render.wrap import wrap
from lunalux_tui.theme.styles import BOLD, CODE, ITALIC, NARRATION, SPEECH

PIECES = [
    "word ",
    "longerword",
    "中文",
    "，",
    "“",
    "”",
    '"',
    "*",
    "**",
    "`",
    "\n",
    "\n\n",
    "> ",
    "- ",
    "| a | b |\n",
]
PIECES += [
    "```\n",
    "<b>",
    "</b>",
    "<details>",
    "</details>",
    "# ",
    "[x](y)",
    "😀",
    "|---|---|\n",
    "~~",
    "_",
    "   ",
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)


def plain(text: str, width: int = 40) -> list[str]:
    return ["".join(piece for piece, _ in line) for line in lay_out(text, width).lines]


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ("plain [bold]words[/bold]", [("plain [bold]words[/bold]", 0)]),
        ("*She nods.* Yes", [("She nods.", ITALIC | NARRATION), (" Yes", 0)]),
        ('"Come," he said', [('"Come,"', SPEECH), (" he said", 0)]),
        ("「来」他说", [("「来」", SPEECH), ("他说", 0)]),
        ("**now** `code`", [("now", BOLD), (" ", 0), ("code", CODE)]),
        ("snake_case_name and 5 * 3 * 2", [("snake_case_name and 5 * 3 * 2", 0)]),
        ('a 5" nail', [('a 5" nail', 0)]),
        ("\\*no\\*", [("*no*", 0)]),
        ("*a **b***", [("a ", ITALIC | NARRATION), ("b", BOLD | ITALIC | NARRATION)]),
        ("*open", [("*open", 0)]),
    ],
)
def test_inline_marks(text: str, runs: list[tuple[str, int]]) -> None:
    assert parse_inline(text) == runs


def test_an_open_mark_holds_while_the_text_grows() -> None:
    assert parse_inline("*open", growing=True) == [("open", ITALIC | NARRATION)]


def test_blocks_as_people_write_them() -> None:
    text = "# Title\none\ntwo\n\n> said\n\n- a\n- b\n\n| x | y |\n|---|---|\n| 1 | 中 |\n\n---\n"
    text += "```py\nif a:\n    b\n```"
    assert plain(text) == [
        "Title", "one", "two", "", "▎ said", "", "• a", "• b", "",
        "x │ y", "──┼───", "1 │ 中", "", "─" * 40, "│ if a:", "│     b",
    ]  # fmt: skip
    assert code_blocks(text) == ["if a:\n    b"]


def test_pages_and_details_are_folded_and_open_on_request() -> None:
    text = "before\n<details><summary>Status</summary>\nHP **10**\n</details>\n"
    text += "```html\n<html><body>Hi</body></html>\n```"
    laid = lay_out(text, 40)
    closed = ["".join(piece for piece, _ in line) for line in laid.lines]
    assert "▸ Status" in closed and any(line.startswith("▸ HTML panel") for line in closed)
    assert not any("HP" in line or "Hi" in line for line in closed)
    opened = lay_out(text, 40, opened=dict.fromkeys(laid.folds.values(), 1)).lines
    words = ["".join(piece for piece, _ in line) for line in opened]
    assert "┊ HP 10" in words and "┊ Hi" in words


def test_closing_punctuation_never_begins_a_line() -> None:
    text = "这是一个很长的句子，需要换行。「而且」还有引号！"
    for width in range(8, 40):
        for line in plain(text, width)[1:]:
            assert line[0] not in "，。」！"


@given(TEXTS, st.integers(8, 60))
@settings(max_examples=100, deadline=None)
def test_no_line_is_wider_than_the_view(text: str, width: int) -> None:
    for line in lay_out(text, width).lines:
        assert sum(cell_len(piece) for piece, _ in line) <= width


@given(st.text(alphabet="ab 中，「」“x\u0301😀", max_size=80), st.integers(4, 30))
@settings(max_examples=100, deadline=None)
def test_wrapping_keeps_every_letter(text: str, width: int) -> None:
    lines = wrap([(text[:7], 1), (text[7:], 2)], width)
    assert "".join(piece for line in lines for piece, _ in line).replace(" ", "") == text.replace(" ", "")


@given(TEXTS, st.integers(1, 7))
@settings(max_examples=100, deadline=None)
def test_growing_piece_by_piece_ends_as_the_whole(text: str, step: int) -> None:
    for mark in "<*_~":  # an open mark holds to the end of a growing text only
        text = text.replace(mark, "")
    growing = GrowingText(30)
    for start in range(0, len(text), step):
        growing.add(text[start : start + step])
    whole = lay_out(text, 30, growing=True).lines
    assert [line for line in growing.lines if line] == [line for line in whole if line]


def test_a_reply_without_end_costs_no_more_than_its_limit() -> None:
    growing = GrowingText(80)
    for _ in range(200):
        growing.add("x" * 20_000)
    assert len(growing.lines) < 5_000
    assert len(lay_out("y" * 4_000_000, 80).lines) < 5_000
