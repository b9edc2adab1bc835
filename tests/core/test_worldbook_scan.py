"""The rules of a scan beyond the recorded vectors, and that the quick way misses nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lunalux_core.macros.expansion import MacroContext, expander
from lunalux_core.regex.engine import EcmaEngine
from lunalux_core.scenarios.worldbook import replay, trial
from lunalux_core.worldbook.book_reader import Book, Entry, read_book
from lunalux_core.worldbook.engine import (
    Activation,
    ActiveBook,
    ScanContext,
    ScanMessage,
    Tools,
    WorldbookSettings,
    activate,
    regex_matcher,
)
from lunalux_core.worldbook.engine.candidates import candidates
from lunalux_core.worldbook.engine.entry_keys import Haystack, Matcher
from lunalux_core.worldbook.engine.index import Index


def tools(rolls: Sequence[float] = (), **given: Any) -> Tools:
    dice = iter(rolls)
    return Tools(
        **{
            "expand": lambda text: text,
            "count_tokens": len,
            "random": lambda: next(dice, 0.5),
            "match_regex": lambda *_: None,
            **given,
        }
    )


def book(*entries: dict[str, Any], name: str = "b") -> Book:
    made = [Entry(uid, **{"content": f"C{uid}", **entry}) for uid, entry in enumerate(entries)]
    return Book(name, tuple(made))


def scan(
    entries: Book | Sequence[ActiveBook],
    *texts: str,
    given: dict[str, Any] | None = None,
    using: Tools | None = None,
    explain: bool = False,
    **context: Any,
) -> Activation:
    active = [ActiveBook(entries)] if isinstance(entries, Book) else entries
    chat = [ScanMessage("", text, is_user=not place % 2) for place, text in enumerate(texts)]
    values = WorldbookSettings.read(given or {})
    return activate(active, chat, values, ScanContext(**context), using or tools(), explain=explain)


def fired(activation: Activation) -> list[int | str]:
    return [entry.uid for entry in activation.fired]


def why(activation: Activation) -> dict[int | str, str]:
    return {entry.uid: entry.reason for entry in activation.skipped}


P = {"keys": ("p",)}


# -- sources ------------------------------------------------------------------------------------------


def test_chat_lore_comes_first_then_persona_then_by_strategy() -> None:
    order = {"G": 9, "K": 1, "C": 1, "P": 1}
    made = {name: book({**P, "order": value}, name=name) for name, value in order.items()}
    active = [
        ActiveBook(made["G"]),
        ActiveBook(made["K"], "character"),
        ActiveBook(made["P"], "persona"),
        ActiveBook(made["C"], "chat"),
    ]
    for strategy, expected in ((0, "CPGK"), (1, "CPKG"), (2, "CPGK")):
        result = scan(active, "p", given={"strategy": strategy})
        assert "".join(entry.book for entry in result.fired) == expected


def test_a_book_counts_once_and_namesakes_are_told_apart() -> None:
    shared, other = book(P, name="same"), book({**P, "content": "other"}, name="same")
    once = scan([ActiveBook(shared, "character"), ActiveBook(shared, "global")], "p")
    assert [entry.book for entry in once.fired] == ["same"]
    two = scan([ActiveBook(shared), ActiveBook(other), ActiveBook(shared)], "p")
    assert [(entry.book, entry.content) for entry in two.fired] == [("same", "C0"), ("same#2", "other")]


def test_a_book_may_have_its_own_settings() -> None:
    lore = book(
        {**P, "content": "p and q"}, {"keys": ("q",), "content": "Q"}, {"keys": ("far",), "content": "F"}
    )
    wishes = replace(lore, scan_depth=1, recursive_scanning=False, token_budget=7)
    texts = ("far away", "p")
    assert set(fired(scan(lore, *texts))) == {0, 1, 2}
    own = [ActiveBook(wishes, own_settings=True)]
    assert fired(scan(own, *texts)) == [0]
    assert fired(scan([ActiveBook(wishes)], *texts)) == fired(scan(lore, *texts))
    small = [ActiveBook(replace(wishes, token_budget=6), own_settings=True)]
    assert why(scan(small, *texts)) == {0: "book_budget"}


# -- what counts before the keys ------------------------------------------------------------------------


def test_triggers_filters_and_forced_entries() -> None:
    lore = read_book(
        {
            "entries": {
                "0": {"uid": 0, "key": ["p"], "triggers": ["swipe"]},
                "1": {"uid": 1, "key": ["p"], "characterFilter": {"isExclude": False, "tags": ["Elf"]}},
                "2": {"uid": 2, "key": ["p"], "characterFilter": {"isExclude": True, "names": ["Ann"]}},
                "3": {"uid": 3, "key": ["elsewhere"]},
            }
        },
        "b",
    ).book
    assert why(scan(lore, "p", character="Ann", character_tags=())) == {
        0: "trigger",
        1: "character_filter",
        2: "character_filter",
    }
    done = scan(
        lore,
        "p",
        character="Bob",
        character_tags=("elf",),
        trigger="swipe",
        forced=frozenset({("b", 3)}),
    )
    assert {entry.uid: entry.reason for entry in done.fired} == {0: "key", 1: "key", 2: "key", 3: "forced"}
    assert 1 in fired(scan(lore, "p")), "without a record of tags the filter does not apply"


def test_texts_of_the_character_are_searched_on_request() -> None:
    lore = book(
        {"keys": ("dragon",), "match_scenario": True},
        {"keys": ("dragon",)},
        {"keys": ("dragon",), "match_persona_description": True},
    )
    assert fired(scan(lore, "hi", scenario="A dragon sleeps.", persona="A knight.")) == [0]
    assert fired(scan(lore, "hi", injections=("the dragon",))) == [0, 1, 2]


def test_every_reason_is_given_where_it_is_asked_for() -> None:
    lore = book(
        {**P, "disabled": True},
        {"keys": ("q",)},
        {"keys": ()},
        {**P, "delay": 9},
        {**P, "delay_until_recursion": 2, "prevent_recursion": True},
        {**P, "probability": 10},
        {**P, "group": "g", "group_weight": 100},
        {**P, "group": "g", "group_weight": 0},
        {**P, "content": "x" * 2000, "order": 1},
    )
    result = scan(lore, "p", using=tools([0.1, 0.9]), explain=True)
    assert fired(result) == [6]
    assert why(result) == {
        0: "disabled",
        1: "no_key",
        2: "no_keys",
        3: "delay",
        4: "needs_recursion",
        5: "probability",
        7: "group_lost",
        8: "budget",
    }
    assert set(why(scan(lore, "p", using=tools([0.1, 0.9])))) == {3, 4, 5, 7, 8}


# -- decorators -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "position", "depth", "role"),
    [
        ("@@depth 2\n@@role user", 4, 2, "user"),
        ("@@depth 2\n@@position before_desc", 0, 2, "system"),
        ("@@position after_desc\n@@depth 2", 1, 2, "system"),
        ("@@depth 2\n@@depth 3", 4, 2, "system"),
        ("@@unheard_of 1\n@@@depth 3", 4, 3, "system"),
        ("@@depth 1\n@@@depth 3", 4, 1, "system"),
        ("@@depth never", 0, 4, "system"),
        ("@@unheard_of\n@@@nor_this\n@@@depth 5", 4, 5, "system"),
    ],
)
def test_decorators_place_the_text(head: str, position: int, depth: int, role: str) -> None:
    (one,) = scan(book({**P, "content": f"{head}\n\nhello"}), "p").activated
    assert (one.content, one.position, one.depth, one.role) == ("hello", position, depth, role)
    plain = scan(book({**P, "content": f"{head}\nhello"}), "p", given={"v3_decorators": False}).activated[0]
    assert (plain.content, plain.position) == ("hello", 0)


def test_decorators_say_when() -> None:
    def speaks(head: str, *texts: str, **context: Any) -> bool:
        return bool(fired(scan(book({**P, "content": f"{head}\nhello"}), *texts, **context)))

    assert speaks("@@activate", "nothing") and not speaks("@@dont_activate", "p")
    assert speaks("@@dont_activate\n@@activate", "p")
    assert not speaks("@@activate_only_after 2", "p", "r", "p") and speaks(
        "@@activate_only_after 1", "p", "r", "p"
    )
    assert speaks("@@activate_only_every 2", "p", replies=4) and not speaks(
        "@@activate_only_every 2", "p", replies=5
    )
    assert not speaks("@@additional_keys a, b", "p") and speaks("@@additional_keys a, b", "p", "b")
    assert speaks("@@exclude_keys a, b", "p") and not speaks("@@exclude_keys a, b", "p", "b")
    assert not speaks("@@scan_depth 1", "p", "x") and speaks("@@scan_depth 3", "p", "x", "y")


# -- patterns -------------------------------------------------------------------------------------------


def test_patterns_run_under_a_limit_and_together() -> None:
    lore = book(
        {"keys": ("/d[aeiou]g/",)},
        {"keys": ("/D[aeiou]g/i",)},
        {"keys": ("/^(a+)+$/",)},
        {"keys": ("/[/",), "match_whole_words": False},
        {"keys": ("/\\x01Bob: [^\\x01]*dog/",), "secondary_keys": ("/cat/",)},
        {"keys": ("/{{char}}/",)},
    )
    chat = [ScanMessage("Ann", "a" * 40 + "! /[/"), ScanMessage("Bob", "the dog", is_user=True)]
    with EcmaEngine() as engine:
        using = tools(match_regex=regex_matcher(engine), expand=expander(MacroContext(char="Ann")))
        result = activate([ActiveBook(lore)], chat, WorldbookSettings(), ScanContext(), using)
    assert sorted(map(str, fired(result))) == ["0", "1", "3", "5"]
    assert why(result) == {4: "secondary_keys"}
    assert [entry.message for entry in result.fired if entry.uid in (0, 3)] == [0, 1]


# -- budget and recursion -------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 12), max_size=12), st.integers(1, 80))
def test_the_budget_is_that_of_counting_everything_each_time(sizes: list[int], budget: int) -> None:
    def words(text: str) -> int:
        return -(-len(text) // 3)

    lore = book(*({"constant": True, "content": "x" * size, "prevent_recursion": True} for size in sizes))
    result = scan(lore, "p", given={"budget": 100, "budget_cap": budget}, using=tools(count_tokens=words))
    expected, text = 0, ""
    for size in sizes:
        text += "x" * size + "\n"
        if words(text) >= budget:
            break
        expected += 1
    assert fired(result) == list(range(expected))
    assert result.overflowed == (expected < len(sizes))


def test_what_ignores_the_budget_comes_after_an_overflow_too() -> None:
    lore = book(
        {**P, "content": "x" * 50, "order": 9},
        {**P, "probability": 50, "order": 8},
        {**P, "ignore_budget": True, "order": 7},
    )
    drawn: list[float] = []
    using = tools(random=lambda: drawn.append(0.1) or 0.1)
    result = scan(lore, "p", given={"budget": 100, "budget_cap": 20}, using=using)
    assert fired(result) == [2] and not drawn, "those that the budget keeps out roll no dice"


def test_levels_of_delay_open_one_after_the_other() -> None:
    lore = book(
        {**P, "content": "go"},
        {"keys": ("go",), "delay_until_recursion": 1, "content": "one"},
        {"keys": ("one",), "delay_until_recursion": 2, "content": "two"},
        {**P, "exclude_recursion": True, "scan_depth": 0},
    )
    result = scan(lore, "p")
    assert [(entry.uid, entry.pass_number) for entry in result.fired][:2] == [(0, 1), (1, 2)]
    assert fired(result) == [0, 1, 2]


def test_hidden_keys_are_found_by_recursion() -> None:
    lore = book({**P, "content": "seen {{hidden_key:secret}}"}, {"keys": ("secret",)})
    using = tools(expand=expander(MacroContext()))
    result = scan(lore, "p", using=using)
    assert fired(result) == [0, 1] and result.before == "C1\nseen "


def test_minimum_activations_lift_the_limit_of_passes_unless_one_is_set() -> None:
    assert WorldbookSettings.read({"min_activations": 2}).max_recursion_steps == 0
    both = WorldbookSettings.read({"world_info_min_activations": 2, "world_info_max_recursion_steps": 3})
    assert (both.min_activations, both.max_recursion_steps) == (2, 3)
    lore = book({"keys": ("old",)})
    assert fired(scan(lore, "old", "a", "b", "c", given={"min_activations": 1})) == [0]
    assert (
        fired(scan(lore, "old", "a", "b", "c", given={"min_activations": 1, "max_recursion_steps": 9})) == []
    )
    for bad in ("x", None, float("inf")):
        with pytest.raises((ValueError, TypeError)):
            WorldbookSettings.read({"depth": bad})


def test_a_pass_that_said_nothing_opens_no_recursion_for_minimum_activations() -> None:
    """As in SillyTavern, a delayed entry waits for text that recursion could search."""
    lore = book({**P, "delay_until_recursion": 1}, {"keys": ("nowhere",)})
    assert fired(scan(lore, "p", "a", "b", "c", given={"min_activations": 2})) == []
    spoken = book({**P, "delay_until_recursion": 1}, {"keys": ("c",)})
    assert fired(scan(spoken, "p", "a", "b", "c", given={"min_activations": 2, "depth": 4})) == [1, 0]


def test_a_pass_that_said_nothing_costs_no_tokens() -> None:
    """Two levels of delay make three passes; the empty first one must not count against the budget."""
    lore = book({**P, "delay_until_recursion": 1, "content": "xxxx"}, {"delay_until_recursion": 2})
    assert fired(scan(lore, "p", given={"budget": 100}, max_context=6)) == [0]


def test_a_depth_of_nothing_hides_recursion_until_minimum_activations_look_further() -> None:
    lore = book({"constant": True, "content": "the key"}, {"keys": ("key",)})
    assert fired(scan(lore, "x", given={"depth": 0})) == [0]
    assert fired(scan(lore, "x", given={"depth": 0, "min_activations": 2})) == [0, 1]


# -- output ---------------------------------------------------------------------------------------------


def test_buckets_and_outlets() -> None:
    lore = book(
        {**P, "position": 7, "outlet_name": "o", "order": 1, "content": "one\nline two"},
        {**P, "position": 7, "outlet_name": "o", "order": 2, "content": "two"},
        {**P, "position": 4, "depth": None, "order": 1, "content": "low"},
        {**P, "position": 4, "order": 2, "content": "high"},
        {**P, "position": 5, "content": "top"},
        {**P, "position": 6, "content": "bottom"},
        {**P, "position": -1, "content": "nowhere"},
        {**P, "content": "gone"},
    )
    using = tools(transform=lambda entry, text: "" if text == "gone" else text)
    result = scan(lore, "p", using=using)
    assert result.outlets == {"o": "two\none\nline two"}
    assert [(one.depth, one.role, one.content) for one in result.at_depth] == [(4, "system", "low\nhigh")]
    assert (result.examples_top, result.examples_bottom, result.before) == (("top",), ("bottom",), "")
    assert result.tokens == sum(entry.tokens for entry in result.activated) and len(result.activated) == 8
    assert [entry.order for entry in result.activated] == sorted(entry.order for entry in result.activated)


def test_a_replay_keeps_the_order_of_examples_and_lines_of_outlets() -> None:
    entries = {
        "0": {"uid": 0, "key": ["p"], "content": "late", "position": 5, "order": 9},
        "1": {"uid": 1, "key": ["p"], "content": "early", "position": 6, "order": 1},
        "2": {"uid": 2, "key": ["p"], "content": "a\nb", "position": 7, "outletName": "o"},
    }
    (result,) = replay([{"books": {"w": {"entries": entries}}, "chat": ["p"], "authorsNote": ""}])
    assert result["examples"] == [{"position": 1, "content": "early"}, {"position": 0, "content": "late"}]
    assert result["outlets"] == {"o": ["a\nb"]} and "authorsNote" not in result


def test_equal_dice_give_equal_results() -> None:
    lore = {
        "entries": {str(i): {"uid": i, "key": ["p"], "content": str(i), "probability": 50} for i in range(9)}
    }
    said = [ScanMessage("User", "p", is_user=True)]
    assert trial(lore, said, {}, seed=4) == trial(lore, said, {}, seed=4)
    assert trial(lore, said, {}, seed=4) != trial(lore, said, {}, seed=5)


# -- the index ------------------------------------------------------------------------------------------

_pieces = st.sampled_from(
    [
        "cat",
        "Cat",
        "black cat",
        "a_b",
        "é",
        "龙",
        "月光",
        "İ",
        "ß",
        " ",
        "\n",
        "\x01",
        "/c.t/",
        "{{char}}",
        "-",
        "x" * 9,
    ]
)
_text = st.lists(_pieces, max_size=5).map("".join)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.lists(_text, max_size=3), st.sampled_from([None, True, False])), max_size=6),
    _text,
    st.booleans(),
    st.sampled_from(["true", "false", "auto"]),
)
def test_the_index_never_misses_an_entry(
    keyed: list[tuple[list[str], bool | None]], text: str, sensitive: bool, whole: Any
) -> None:
    lore = book(
        *({"keys": tuple(keys), "match_whole_words": own, "case_sensitive": own} for keys, own in keyed)
    )
    values = WorldbookSettings(case_sensitive=sensitive, whole_words=whole)
    using = tools(expand=lambda key: key.replace("{{char}}", "cat"), match_regex=lambda p, f, t: "cat" in t)
    found = candidates([ActiveBook(lore)], values)
    matcher = Matcher(values, using)
    index = Index(found, matcher)
    named = index.always | index.look(text)
    for one in found:
        if matcher.first(one.entry, Haystack(text)) is not None:
            assert one.place in named


def test_the_index_copes_with_many_keys_of_all_lengths() -> None:
    names = [f"{'key' * (n % 4)}é{n}" for n in range(3000)]
    lore = book(*({"keys": (name,), "prevent_recursion": True} for name in names))
    wanted = list(range(0, 3000, 250))
    text = " ".join(names[n] for n in wanted)
    result = scan(lore, text, given={"whole_words": True, "budget": 100}, max_context=10**6)
    assert sorted(map(int, fired(result))) == wanted


def test_an_empty_chat_and_an_empty_book() -> None:
    assert fired(scan(book({"constant": True}, P))) == [0]
    assert scan(book(), "p").activated == ()
    assert scan([], "p") == Activation()
