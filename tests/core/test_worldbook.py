"""The worldbook engine against SillyTavern's recorded results, and against hostile books."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lunalux_core.cards.card import Card
from lunalux_core.errors import InvalidInput
from lunalux_core.scenarios.worldbook import replay, trial
from lunalux_core.worldbook.book_reader import (
    entry_from_world_info,
    read_book,
    write_character_book,
    write_world_info,
)
from lunalux_core.worldbook.engine import (
    Activation,
    ActiveBook,
    ScanContext,
    ScanMessage,
    TimedState,
    Tools,
    WorldbookSettings,
    activate,
)

DEVIATIONS = {
    "group-multi": "Inclusion groups: an entry of several groups blocks each of them",
    "group-already-activated-multi": "Inclusion groups: the same",
    "group-multi-splice-loses-unrelated": "Inclusion groups: no unrelated entry is lost",
    "cb-enabled-missing": "Worldbook departures: a missing `enabled` means enabled, and is told",
}


def test_every_vector_comes_out_as_in_sillytavern(vectors: Path) -> None:
    cases: list[dict[str, Any]] = json.loads((vectors / "worldinfo.json").read_text("utf-8"))
    differing = {
        case["name"]
        for case, result in zip(cases, replay(cases), strict=True)
        if result != case["expected"]["1.19.0"]
    }
    assert differing == DEVIATIONS.keys() & {case["name"] for case in cases}


def tools(match: Callable[[str, str, str], bool | None] = lambda *_: None) -> Tools:
    return Tools(lambda text: text, len, lambda: 0.5, match)


def scan(
    entries: list[dict[str, Any]],
    *texts: str,
    values: dict[str, Any] | None = None,
    timed: TimedState = TimedState(),
    **context: Any,
) -> Activation:
    full = [{"uid": i, "selective": True, "content": f"C{i}", **entry} for i, entry in enumerate(entries)]
    book = read_book({"entries": {str(e["uid"]): e for e in full}}, "b").book
    chat = [ScanMessage("User", text, is_user=True) for text in texts]
    return activate(
        [ActiveBook(book)], chat, WorldbookSettings.read(values or {}), ScanContext(**context), tools(), timed
    )


def fired(activation: Activation) -> list[int]:
    return [entry.uid for entry in activation.fired]


def test_an_entry_in_two_groups_blocks_both() -> None:
    entries = [{"key": ["p"], "group": "g, h"}, {"key": ["p"], "group": "g"}, {"key": ["p"], "group": "h"}]
    assert len(fired(scan(entries, "p"))) == 1
    later = [{"key": ["p"], "content": "q", "group": "g, h"}, {"key": ["q"], "group": "h"}]
    assert fired(scan(later, "p")) == [0]


def test_losing_two_groups_takes_no_unrelated_entry_along() -> None:
    entries = [
        {"key": ["p"], "group": "g, h"},
        {"key": ["p"], "group": "g", "groupOverride": True},
        {"key": ["p"], "group": "h", "groupOverride": True},
        {"key": ["p"]},
    ]
    assert sorted(fired(scan(entries, "p"))) == [1, 2, 3]


@pytest.mark.parametrize(
    ("key", "text", "mode", "expected"),
    [
        ("月光", "今晚的月光很亮", "auto", True),
        ("月光", "今晚的月光很亮", "true", True),
        ("Luna月", "这是Luna月abc", "auto", True),
        ("月光", "abc月光def", "true", False),
        ("月光", "abc月光def", "auto", True),
        ("cat", "concatenate", "auto", False),
        ("cat", "concatenate", "false", True),
        ("รัก", "abcรักdef", "auto", True),
    ],
)
def test_whole_words_follow_the_script_of_the_key(key: str, text: str, mode: str, expected: bool) -> None:
    assert bool(fired(scan([{"key": [key]}], text, values={"whole_words": mode}))) is expected


def test_the_record_says_why() -> None:
    entries = [
        {"key": ["lantern"], "comment": "light"},
        {"key": ["p"], "keysecondary": ["nope"], "selectiveLogic": 3},
        {"constant": True, "content": "the lantern"},
        {"key": ["x"], "disable": True},
    ]
    result = scan(entries, "p and more", "no light here")
    by_uid = {entry.uid: entry for entry in result.fired}
    assert by_uid[2].reason == "constant" and by_uid[2].pass_number == 1
    assert (by_uid[0].reason, by_uid[0].key, by_uid[0].pass_number) == ("key", "lantern", 2)
    assert {entry.uid: entry.reason for entry in result.skipped} == {1: "secondary_keys"}
    direct = scan([{"key": ["lantern"]}], "the lantern", "and then")
    assert direct.fired[0].message == 1


def test_minimum_activations_look_further_back() -> None:
    entries = [{"key": ["old"]}, {"key": ["older"]}]
    texts = ["older", "old", "a", "b", "c"]
    assert fired(scan(entries, *texts, values={"depth": 1})) == []
    assert fired(scan(entries, *texts, values={"depth": 1, "min_activations": 1})) == [0]
    limited = {"depth": 1, "min_activations": 1, "min_activations_depth_max": 2}
    assert fired(scan(entries, *texts, values=limited)) == []


def test_timed_effects_belong_to_the_branch() -> None:
    entries = [{"key": ["p"], "sticky": 2, "cooldown": 2, "scanDepth": 1}]
    first = scan(entries, "p", chat_length=1)
    again = scan(entries, "p", "x", timed=first.timed, chat_length=2)
    assert fired(first) == fired(again) == [0]
    ended = scan(entries, "p", timed=again.timed, chat_length=3)
    assert fired(ended) == [] and ended.skipped[0].reason == "cooldown"
    swiped = scan(entries, "x", timed=first.timed, chat_length=1)
    assert fired(swiped) == []
    stored = TimedState.read(json.loads(json.dumps(first.timed.as_json())))
    assert fired(scan(entries, "x", timed=stored, chat_length=2)) == [0]
    dry = scan(entries, "p", chat_length=1, dry=True)
    assert fired(dry) == [0] and dry.timed == TimedState()


def test_recursion_that_feeds_itself_ends() -> None:
    entries = [{"key": [f"k{i}"], "content": f"k{i + 1}"} for i in range(300)]
    assert (
        len(fired(scan(entries, "k0", values={"max_recursion_steps": 0, "budget": 100}, max_context=10**6)))
        == 300
    )
    assert len(fired(scan(entries, "k0", max_context=10**6))) == 10


def test_a_trial_has_the_shape_of_the_command_line() -> None:
    document = {
        "entries": {"7": {"uid": 7, "key": ["moon"], "comment": "m", "content": "The moon.", "position": 4}}
    }
    result = trial(document, [ScanMessage("User", "a moon", is_user=True)], {})
    assert set(result) == {"activated", "skipped", "before", "after", "at_depth", "tokens"}
    (one,) = result["activated"]
    assert list(one) == [
        "uid", "comment", "order", "position", "depth", "role", "pass", "key", "reason", "tokens", "content",
    ]  # fmt: skip
    assert result["at_depth"] == [{"depth": 4, "role": "system", "content": "The moon."}]


_anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
_NAMES = (
    "key", "keysecondary", "content", "order", "position", "depth", "role", "probability", "sticky",
    "delay", "cooldown", "group", "groupWeight", "scanDepth", "constant", "selectiveLogic", "triggers",
    "delayUntilRecursion", "characterFilter", "caseSensitive", "uid", "disable", "extensions",
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.dictionaries(st.sampled_from(_NAMES), _anything, max_size=12), max_size=5),
    st.text(max_size=60),
)
def test_entries_with_every_field_of_the_wrong_type_never_raise(
    entries: list[dict[str, Any]], text: str
) -> None:
    for document in ({"entries": dict(enumerate(entries))}, {"entries": entries}, entries):
        shaped: Any = document
        if isinstance(shaped, dict) and isinstance(shaped["entries"], dict):
            shaped = {"entries": {str(key): value for key, value in shaped["entries"].items()}}
        try:
            book = read_book(shaped, "b").book
        except InvalidInput as error:
            assert error.code == "WORLDBOOK_UNKNOWN"
            continue
        chat = [ScanMessage("User", text, is_user=True)]
        first = activate([ActiveBook(book)], chat, WorldbookSettings(), ScanContext(), tools())
        second = activate([ActiveBook(book)], chat, WorldbookSettings(), ScanContext(), tools())
        assert first == second
        write_world_info(book)
        write_character_book(book)


def test_real_books_survive_both_ways(shared: Path) -> None:
    world = json.loads((shared / "cards/other/worldinfo_Eldoria.json").read_text("utf-8"))
    book = read_book(world, "Eldoria").book
    assert book.entries
    written = write_world_info(book)
    for key, entry in world["entries"].items():
        assert {name: written["entries"][key][name] for name in entry} == entry
    again = read_book(write_character_book(book), "Eldoria").book
    for before, after in zip(book.entries, again.entries, strict=True):
        assert (before.keys, before.content, before.order, before.position) == (
            after.keys,
            after.content,
            after.order,
            after.position,
        )


def test_the_book_of_a_card_is_written_back_as_it_was() -> None:
    card = Card.of(
        {
            "spec": "chara_card_v2",
            "data": {
                "name": "A",
                "character_book": {
                    "custom": 1,
                    "entries": [
                        {
                            "id": 3,
                            "keys": ["k"],
                            "content": "c",
                            "enabled": True,
                            "x": [1],
                            "extensions": {"y": 2},
                        }
                    ],
                },
            },
        }
    )
    assert card.character_book is not None
    written = write_character_book(read_book(card.character_book, "A").book)
    assert written["custom"] == 1 and written["entries"] == card.character_book["entries"]


def test_null_probability_in_a_card_book_means_certain() -> None:
    raw = {"keys": ["k"], "content": "c", "enabled": True, "extensions": {"probability": None}}
    assert read_book({"entries": [raw]}).book.entries[0].probability == 100
    assert entry_from_world_info({"probability": None}, 0).probability == 0
