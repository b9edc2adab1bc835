"""Nothing that comes from outside can act on a terminal, and nothing readable is lost."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lunalux_core.text import STRING_LIMIT, StreamCleaner, clean, clean_line, is_blank

FORBIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

hostile = st.text(
    alphabet=st.one_of(
        st.sampled_from("\x1b\x9b\x9d\x90\x9c\x07\x18\r\n\t[]\\;?0123mHc P^_()\u202e\u2066\ud83d\ude00"),
        st.characters(),
    ),
    max_size=40,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain, 你好 🐱\n\tok", "plain, 你好 🐱\n\tok"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x9b1;31mred\x9bm", "red"),
        ("a\x1b]0;title\x07b", "ab"),
        ("a\x1b]52;c;aGk=\x1b\\b", "ab"),
        ("a\x9d8;;http://x\x9clink\x9d8;;\x9cb", "alinkb"),
        ("a\x1bPq#0;2\nxx\x1b\\b", "ab"),
        ("a\x1b]0;never ended", "a0;never ended"),
        ("a\x1b]0;cut\x1b[2Jb", "ab"),
        ("\x1bcreset\x1b(Bset", "resetset"),
        ("bell\x07 del\x7f nul\x00 nel\x85", "bell del nul nel"),
        ("a\r\nb\rc\n\r", "a\nb\nc\n\n"),
        ("evil\u202egnp.exe\u2066x\u2069", "evilgnp.exex"),
        ("half \ud83d pair \ud83d\ude00", "half \ufffd pair 😀"),
        ("\x1b", ""),
        ("שלום \u200fعليكم", "שלום \u200fعليكم"),
        ("👨\u200d👩\u200d👧", "👨\u200d👩\u200d👧"),
    ],
)
def test_clean(text: str, expected: str) -> None:
    assert clean(text) == expected


def test_harmless_text_is_not_copied() -> None:
    text = "很长的故事。A long story.\n" * 1000
    assert clean(text) is text


@settings(max_examples=100)
@given(hostile)
def test_clean_leaves_nothing_that_acts_and_is_stable(text: str) -> None:
    once = clean(text)
    assert FORBIDDEN.search(once) is None
    assert clean(once) == once


@settings(max_examples=100)
@given(hostile, st.lists(st.integers(0, 40), max_size=8))
def test_a_stream_is_cleaned_like_the_whole(text: str, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    cleaner = StreamCleaner()
    pieces = [cleaner.feed(text[a:b]) for a, b in pairwise(edges)]
    assert "".join(pieces) + cleaner.flush() == clean(text)


@pytest.mark.parametrize("size", [STRING_LIMIT - 1, STRING_LIMIT, STRING_LIMIT + 1, STRING_LIMIT + 5])
def test_a_stream_and_the_whole_agree_about_very_long_sequences(size: int) -> None:
    text = "a\x1b]52;" + "x" * (size - 3) + "\x07b"
    cleaner = StreamCleaner()
    pieces = [cleaner.feed(text[start : start + 1000]) for start in range(0, len(text), 1000)]
    assert "".join(pieces) + cleaner.flush() == clean(text)


def test_a_stream_holds_back_only_what_is_uncertain() -> None:
    cleaner = StreamCleaner()
    assert cleaner.feed("Hello \x1b[3") == "Hello "
    assert cleaner.feed("1mworld") == "world"
    assert cleaner.flush() == ""


def test_many_unfinished_sequences_cost_no_more_than_their_length() -> None:
    assert clean("\x9d" * 200_000) == ""
    assert clean("\x1b]x" * 100_000 + "y").endswith("xy")


def test_names_become_one_short_line() -> None:
    assert clean_line("  Al\x1b[2Jice\r\n\tof  Luna ") == "Alice of Luna"
    assert clean_line("x" * 300, 10) == "xxxxxxxxx…"
    assert clean_line("y" * 100_000, 5) == "yyyy…"


@pytest.mark.parametrize(
    "text", ["", " \n", "\u200b", "\u2060\u00ad ", "\u3164", "\ufe0f", "\u2800", "\U000e0100"]
)
def test_what_nobody_can_see_is_blank_and_no_line(text: str) -> None:
    assert is_blank(text) and clean_line(text) == ""


@pytest.mark.parametrize("text", ["a", "\u200bа", "👨\u200d👩", "❤\ufe0f", "-"])
def test_what_can_be_seen_keeps_its_joiners(text: str) -> None:
    assert not is_blank(text) and clean_line(text) == text
