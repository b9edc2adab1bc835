"""Widths in cells: what a terminal takes for a text, and texts cut to fit."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from lunalux_tui.render.wrap import fit


@pytest.mark.parametrize(
    ("text", "cells"),
    [("abc", 3), ("你好", 4), ("e\u0301", 1), ("🐱a", 3), ("👨\u200d👩\u200d👧", 2), ("👍🏽", 2), ("🇬🇧🇨🇳", 4),
     ("❤\ufe0f", 2), ("한글", 4), ("ｱ", 1), ("", 0), ("\u1112\u1161\u11ab", 2), ("ก็", 1)],
)  # fmt: skip
def test_widths_are_those_of_a_terminal(text: str, cells: int) -> None:
    assert cell_len(text) == cells


@settings(max_examples=100)
@given(st.text(max_size=30), st.integers(0, 12))
def test_truncated_text_fits(text: str, width: int) -> None:
    cut = fit(text, width)
    assert cell_len(cut) <= width or cut == text == ""
    assert cut == text or cell_len(text) > width


def test_truncation_never_cuts_a_wide_character() -> None:
    assert fit("你好世界", 5) == "你好…"
    assert fit("你好世界", 4) == "你…"
    assert fit("abc", 0) == ""
