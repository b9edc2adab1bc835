"""What is between the marks of a paste is text: in any pieces, whatever it holds."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual import events
from textual.message import Message

from lunalux_core.text import clean
from lunalux_tui.app.pasted_text import PasteCleaner, PasteParser, with_clean_pastes

BEGIN, END = "\x1b[200~", "\x1b[201~"
HOSTILE = st.text(st.sampled_from("ab\r\n\t\x1b[]201~;mM\x07\x00\x9b\u202e灯"), max_size=60)
ORDINARY = st.text(st.characters(exclude_characters="\x1b", exclude_categories=["Cs"]), max_size=30)


def pieces(text: str, cuts: list[int]) -> Iterator[str]:
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    return (text[a:b] for a, b in itertools.pairwise(places))


def heard(parser: PasteParser, text: str, cuts: list[int]) -> list[Message]:
    return [event for piece in pieces(text, cuts) for event in parser.feed(piece)]


@given(
    parts=st.lists(st.tuples(ORDINARY, HOSTILE.filter(lambda text: END not in text + END[:-1])), max_size=4),
    cuts=st.lists(st.integers(0, 400), max_size=12),
)
def test_pastes_are_cleaned_and_the_rest_is_as_it_was(parts: list[tuple[str, str]], cuts: list[int]) -> None:
    sent = "".join(f"{typed}{BEGIN}{pasted}{END}" for typed, pasted in parts)
    given_on = "".join(f"{typed}{BEGIN}{clean(pasted)}{END}" for typed, pasted in parts)
    cleaner = PasteCleaner()
    assert "".join(map(cleaner.feed, pieces(sent, cuts))) == given_on
    assert not cleaner.in_paste


@given(pasted=HOSTILE.filter(lambda text: END not in text + END[:-1]), cuts=st.lists(st.integers(0, 80)))
def test_a_paste_presses_no_key(pasted: str, cuts: list[int]) -> None:
    events_heard = heard(PasteParser(), f"a{BEGIN}{pasted}{END}b", cuts)
    assert [event.key for event in events_heard if isinstance(event, events.Key)] == ["a", "b"]
    texts = [event.text for event in events_heard if isinstance(event, events.Paste)]
    assert texts in ([clean(pasted)], [] if not clean(pasted) else [clean(pasted)])


@given(text=HOSTILE, cuts=st.lists(st.integers(0, 80)))
def test_nothing_outside_of_a_paste_is_held_back(text: str, cuts: list[int]) -> None:
    cleaner = PasteCleaner()
    for piece in pieces(text, cuts):
        assert cleaner.feed(piece) == piece


def test_a_paste_whose_end_never_comes_gives_the_keyboard_back(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("lunalux_tui.app.pasted_text.get_time", lambda: now[0])
    parser = PasteParser()
    assert not heard(parser, f"{BEGIN}one \x1b[31mtwo", [])
    assert not list(parser.tick())
    now[0] += 11
    after = [*parser.tick(), *heard(parser, "x", [])]
    assert [event.text for event in after if isinstance(event, events.Paste)] == ["one two"]
    assert [event.key for event in after if isinstance(event, events.Key)] == ["x"]


def test_the_drivers_of_textual_read_with_it() -> None:
    """Textual makes its parser by this name; another one would bring the keys of pastes back."""
    from textual.drivers import linux_driver

    with_clean_pastes(linux_driver.LinuxDriver)
    assert linux_driver.XTermParser is PasteParser  # type: ignore[comparison-overlap]
