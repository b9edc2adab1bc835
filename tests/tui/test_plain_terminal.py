"""Terminals without Unicode get signs of ASCII that are as wide."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from lunalux_tui.app.plain_terminal import as_ascii


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40))
def test_the_width_stays(text: str) -> None:
    plain = as_ascii(text)
    assert plain.isascii()
    assert cell_len(plain) == sum(cell_len(sign) for sign in text)


def test_frames_and_marks_are_still_read_as_such() -> None:
    assert as_ascii("╭─ ★ ─╮ “hi”… 月") == '+- * -+ "hi". ??'
