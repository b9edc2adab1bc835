"""What the inspector marks between two turns."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lunalux_core.dialogue.turn_record_diff import compare_entries, compare_messages, compare_texts


def message(content: str, slot: str = "chatHistory", id: str = "", role: str = "user") -> dict[str, Any]:
    return {"role": role, "slot": slot, "name": None, "content": content, "message_id": id}


def test_a_slot_with_other_words_is_changed_and_a_message_that_was_cut_is_gone() -> None:
    before = [message("Lore A", "main", role="system"), message("one", id="1"), message("two", id="2")]
    now = [message("Lore B", "main", role="system"), message("two", id="2"), message("three", id="3")]
    comparisons = [(one.mark, one.message["content"]) for one in compare_messages(now, before)]
    assert comparisons == [("changed", "Lore B"), ("gone", "one"), ("same", "two"), ("new", "three")]


MESSAGES = st.lists(
    st.builds(
        message, st.sampled_from("abc"), st.sampled_from(["main", "chatHistory"]), st.sampled_from("123")
    ),
    max_size=8,
)


@given(MESSAGES, MESSAGES)
def test_both_prompts_can_be_read_out_of_the_comparison(
    now: list[dict[str, Any]], before: list[dict[str, Any]]
) -> None:
    comparisons = compare_messages(now, before)
    assert [one.now for one in comparisons if one.now is not None] == now
    assert [one.before for one in comparisons if one.before is not None] == before
    for one in comparisons:
        assert (one.mark == "new") == (one.before is None) and (one.mark == "gone") == (one.now is None)
        assert one.mark != "same" or one.now == {**one.before, "message_id": one.now["message_id"]}  # type: ignore[dict-item, index]


LINES = st.lists(st.sampled_from(["", "a", "b", "the lamp"]), max_size=9).map("\n".join)


@given(LINES, LINES)
def test_both_texts_can_be_read_out_of_their_lines(before: str, now: str) -> None:
    lines = list(compare_texts(before, now))
    assert "\n".join(text for mark, text in lines if mark != "gone") == now
    assert "\n".join(text for mark, text in lines if mark != "new") == before


def test_entries_are_told_apart_by_book_and_number() -> None:
    def record(*entries: tuple[str, int]) -> dict[str, Any]:
        return {"worldbook": {"activated": [{"book": book, "uid": uid} for book, uid in entries]}}

    marks = compare_entries(record(("Lore", 1), ("Lore", 2)), record(("Lore", 2), ("Town", 1)))
    assert marks == {("Lore", "1"): "new", ("Lore", "2"): "same", ("Town", "1"): "gone"}


def test_long_texts_and_prompts_that_repeat_themselves_are_compared_at_once() -> None:
    def spaced(letter: str, count: int) -> list[str]:
        return ["" if number % 2 else f"{letter}{number}" for number in range(count)]

    for old, new in ((2_900, 2_900), (2_900, 199), (199, 2_900)):
        before, now = "\n".join(spaced("a", old)), "\n".join(spaced("b", new))
        lines = list(compare_texts(before, now))
        assert "\n".join(text for mark, text in lines if mark != "gone") == now
        assert "\n".join(text for mark, text in lines if mark != "new") == before
    messages = [
        [message(text or "ok", id=str(n)) for n, text in enumerate(spaced(one, 2_000))] for one in "ab"
    ]
    comparisons = compare_messages(messages[1], messages[0])
    assert {(one.mark, one.message["content"] == "ok") for one in comparisons} == {
        ("same", True),
        ("changed", False),
    }
