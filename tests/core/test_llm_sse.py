"""Server-sent events: the same events however the bytes are cut, and never without bound."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lunalux_core.llm.servers.sse import EventParser, EventTooLong, NamedEventParser


def parsed(*chunks: bytes) -> list[str]:
    parser = EventParser()
    events = [event for chunk in chunks for event in parser.feed(chunk)]
    return events + parser.close()


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: one\n\ndata: two\n\n", ["one", "two"]),
        (b"data:one\r\n\r\ndata:two\r\n\r\n", ["one", "two"]),
        (b"data: one\r\rdata: two\r\r", ["one", "two"]),
        (b": comment\n\ndata: one\n\n", ["one"]),
        (b"event: x\nid: 7\nretry: 10\ndata: one\n\n", ["one"]),
        (b"data: one\ndata: two\n\n", ["one\ntwo"]),
        (b"data:  kept blank\n\n", [" kept blank"]),
        (b"\xef\xbb\xbfdata: after a byte order mark\n\n", ["after a byte order mark"]),
        (b"data: unfinished", ["unfinished"]),
        (b"error: {}\n\n", ['{"error": {}}']),
        (b"nonsense\n\n\n\n", []),
        ("data: 潮汐\n\n".encode(), ["潮汐"]),
        (b"data: broken \xff byte\n\n", ["broken � byte"]),
    ],
)
def test_reads_what_servers_send(stream: bytes, events: list[str]) -> None:
    assert parsed(stream) == events


@settings(max_examples=100, deadline=None)
@given(
    texts=st.lists(st.text(st.characters(exclude_characters="\r\n"), min_size=1), min_size=1, max_size=5),
    newline=st.sampled_from(["\n", "\r\n", "\r"]),
    cuts=st.lists(st.integers(0, 400), max_size=8),
)
def test_cuts_between_reads_do_not_matter(texts: list[str], newline: str, cuts: list[int]) -> None:
    whole = "".join(f"data: {text}{newline}{newline}" for text in texts).encode("utf-8", "replace")
    places = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    pieces = [whole[a:b] for a, b in pairwise(places)]
    assert parsed(*pieces) == parsed(whole)
    assert len(parsed(whole)) == len(texts)


def test_an_endless_line_is_refused_before_it_fills_the_memory() -> None:
    parser = EventParser(limit=1000)
    with pytest.raises(EventTooLong):
        for _ in range(100):
            parser.feed(b"data: " + b"x" * 100)


def test_an_endless_event_of_short_lines_is_refused() -> None:
    parser = EventParser(limit=1000)
    with pytest.raises(EventTooLong):
        for _ in range(100):
            parser.feed(b"data: " + b"x" * 100 + b"\n")


def test_four_megabytes_on_one_line_pass() -> None:
    parser = EventParser()
    text = b"x" * 65_536
    parser.feed(b"data: ")
    for _ in range(64):
        assert parser.feed(text) == []
    assert [len(event) for event in parser.feed(b"\n\n")] == [4 * 1024 * 1024]


def test_an_empty_read_between_the_halves_of_a_line_end_is_nothing() -> None:
    parser = EventParser()
    assert parser.feed(b"data:\r") + parser.feed(b"") + parser.feed(b"\n {}\r\n\r\n") == ["\n{}"]


def test_events_keep_their_names_and_one_without_its_end_is_not_told() -> None:
    parser = NamedEventParser()
    stream = b'event: delta\ndata: {"text": "a"}\n\n: alive\n\ndata: plain\n\nevent: done\ndata: {}\n'
    told = [event for at in range(len(stream)) for event in parser.feed(stream[at : at + 1])]
    assert told == [("delta", '{"text": "a"}'), ("", "plain")]
    assert parser.feed(b"\n") == [("done", "{}")]
