"""The market on disk: order, languages, places, filters, and a search that is a true substring search."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lunalux_core.library.market_cache import Filters, MarketShelf

ALL = Filters("include")


def card(identity: str, name: str, intro: str = "", *tags: str, **rest: Any) -> dict[str, Any]:
    return {"id": identity, "name": name, "intro": intro, "tags": list(tags), **rest}


CARDS = [
    card("a", "Mirelle", "A clockmaker of the Night Market", "mystery", "Original"),
    card("b", "苏晚灯", "便利店的夜班店员", "治愈", "都市"),
    card("c", "Kael's Wolf-Hound", "50% wolf; C++ lover", "NSFW", "mystery"),
    card("d", "Straße", "ΑΘΗΝΑ at dusk", "rare tag", creator="O'Brien_7"),
]


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[MarketShelf]:
    shelf = MarketShelf(tmp_path / "market.db", "here")
    yield shelf
    shelf.close()


async def found(shelf: MarketShelf, text: str, filters: Filters = ALL, limit: int = 100) -> str:
    return "".join(c.id for c in await shelf.search(text, "en", "hot", filters, limit=limit))


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("m", "ac"),
        ("MIRELLE", "a"),
        ("rell", "a"),
        ("market mire", "a"),
        ("mire wolf", ""),
        ("灯", "b"),
        ("晚灯", "b"),
        ("夜班店员", "b"),
        ("wolf-hound", "c"),
        ("%", "c"),
        ("c++", "c"),
        ("'s", "c"),
        ("strasse", "d"),
        ("αθηνα", "d"),
        ("o'brien_7", "d"),
        ("ag", "d"),
        ("qz", ""),
        ('"', ""),
        ("", "abcd"),
    ],
)
async def test_search_finds_substrings_of_every_script(shelf: MarketShelf, text: str, ids: str) -> None:
    await shelf.replace("en", "hot", CARDS, 60_000, None)
    assert await found(shelf, text) == ids


async def test_filters(shelf: MarketShelf) -> None:
    await shelf.replace("en", "hot", CARDS, 60_000, None)
    assert await found(shelf, "", Filters()) == "abd"
    assert await found(shelf, "", Filters("only")) == "c"
    assert await found(shelf, "", Filters("include", tags=("MYSTERY",))) == "ac"
    assert await found(shelf, "", Filters("include", tags=("mystery", "nsfw"))) == "c"
    assert await found(shelf, "", Filters("include", tags=("rare tag",))) == "d"
    assert await found(shelf, "", Filters("include", tags=("rare",))) == ""
    assert await found(shelf, "", Filters("include", original=True)) == "a"
    listing = await shelf.listing("en", "hot", Filters("only"))
    assert [one.id for one in listing.cards] == ["c"]


async def test_results_keep_the_list_s_order_and_end_at_the_limit(shelf: MarketShelf) -> None:
    await shelf.replace("en", "hot", [card(str(n), f"wolf {n}") for n in range(300)], 60_000, "k")
    hits = await shelf.search("wolf", "en", "hot", ALL, limit=7)
    assert [one.id for one in hits] == [str(n) for n in range(7)]
    page = await shelf.listing("en", "hot", ALL, limit=3, offset=5)
    assert [one.id for one in page.cards] == ["5", "6", "7"]


async def test_languages_sorts_and_places_never_mix(tmp_path: Path) -> None:
    here, there = MarketShelf(tmp_path / "m.db", "here"), MarketShelf(tmp_path / "m.db", "there")
    try:
        await here.replace("en", "hot", [card("a", "wolf")], 60_000, None)
        await here.replace("zh", "hot", [card("b", "wolf")], 60_000, None)
        assert [c.id for c in await here.search("wolf", "en", "hot", ALL)] == ["a"]
        assert [c.id for c in await here.search("wolf", "zh", "hot", ALL)] == ["b"]
        assert not await here.search("wolf", "en", "new", ALL)
        assert not await there.search("wolf", "en", "hot", ALL)
        assert (await there.listing("en", "hot")).stored_at == 0
    finally:
        here.close()
        there.close()


async def test_a_first_page_replaces_and_further_pages_are_added(shelf: MarketShelf) -> None:
    await shelf.replace("en", "hot", [card("a", "one"), card("b", "two")], 60_000, "k1")
    assert await shelf.append("en", "hot", [card("b", "again"), card("c", "three")], "k1", "k2")
    assert not await shelf.append("en", "hot", [card("x", "late")], "k1", "k9"), "a page of an older list"
    assert await found(shelf, "") == "abc"
    assert (await shelf.listing("en", "hot")).next_key == "k2"
    await shelf.replace("en", "hot", [card("c", "three")], 60_000, None)
    assert await found(shelf, "") == "c"
    assert not await found(shelf, "two")


async def test_freshness_follows_the_server_s_ttl_and_a_clock_set_back_is_stale(tmp_path: Path) -> None:
    now = 1_000_000
    shelf = MarketShelf(tmp_path / "m.db", "here", clock=lambda: now)
    try:
        await shelf.replace("en", "hot", [card("a", "one")], 5_000, None)
        listing = await shelf.listing("en", "hot")
        assert listing.fresh(now) and listing.fresh(now + 4_999)
        assert not listing.fresh(now + 5_000)
        assert not listing.fresh(now - 1)
    finally:
        shelf.close()


async def test_likes_and_gone_cards(shelf: MarketShelf) -> None:
    await shelf.replace("en", "hot", [card("a", "one", likedCount=3)], 60_000, None)
    await shelf.replace("en", "new", [card("a", "one", likedCount=3)], 60_000, None)
    await shelf.bump("a", likes=1)
    assert [c.likes for c in await shelf.search("one", "en", "new", ALL)] == [4]
    await shelf.remove("a")
    assert not await found(shelf, "one")
    assert await shelf.card("a") is None


async def test_hostile_texts_are_cleaned_and_cut(shelf: MarketShelf) -> None:
    evil = card("a", "\x1b]0;title\x07Wolf\u202e" + "n" * 50_000, "\x1b[2J[red]hi[/red]" * 3000, *["t"] * 900)
    await shelf.replace("en", "hot", [evil], 60_000, None)
    (one,) = await shelf.search("wolf", "en", "hot", ALL)
    assert not any(c in one.name + one.intro for c in "\x1b\x07\u202e")
    assert len(one.name) <= 120 and len(one.intro) <= 2000 and len(one.tags) <= 50


async def test_a_cache_of_another_layout_is_thrown_away(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE lists (something)")
        other.execute("PRAGMA user_version = 99")
    other.close()
    shelf = MarketShelf(path, "here")
    try:
        await shelf.replace("en", "hot", [card("a", "wolf")], 60_000, None)
        assert await found(shelf, "wolf") == "a"
    finally:
        shelf.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.text(st.sampled_from("abAB ß猫娘-_'\"*%🙂\n"), max_size=12), min_size=1, max_size=6),
    word=st.text(st.sampled_from("abß猫娘-_'\"*%🙂"), min_size=1, max_size=5),
)
async def test_search_agrees_with_looking(shelf: MarketShelf, texts: list[str], word: str) -> None:
    await shelf.replace("en", "hot", [card(str(n), "x", text) for n, text in enumerate(texts)], 60_000, None)
    expected = [str(n) for n, text in enumerate(texts) if word.casefold() in text.casefold()]
    hits = await shelf.search(word, "en", "hot", ALL)
    assert [one.id for one in hits] == expected


async def test_a_card_that_comes_after_one_that_is_gone_answers_to_its_own_marks(shelf: MarketShelf) -> None:
    await shelf.replace("en", "hot", [CARDS[0], CARDS[3]], 60_000, "next")
    await shelf.remove("d")
    await shelf.append("en", "hot", [CARDS[2]], "next", None)
    listing = await shelf.listing("en", "hot", Filters("exclude"))
    assert [one.id for one in listing.cards] == ["a"]
    assert await found(shelf, "", Filters("include", tags=("rare tag",))) == ""
    assert await found(shelf, "", Filters("only")) == "c"
    assert await shelf.count("en", "hot") == 2


async def test_a_card_with_other_words_keeps_its_place_and_answers_to_them(shelf: MarketShelf) -> None:
    await shelf.replace("en", "hot", CARDS, 60_000, None)
    await shelf.reword("b", "A baker of the harbour", ["NSFW", "bread"])
    assert await found(shelf, "harbour") == "b" and await found(shelf, "便利店") == ""
    assert await found(shelf, "", Filters("only")) == "bc"
    assert await found(shelf, "", Filters("include", tags=("bread",))) == "b"
    assert await found(shelf, "", Filters("include", tags=("治愈",))) == ""
    assert "".join(one.id for one in (await shelf.listing("en", "hot", ALL)).cards) == "abcd"


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.sampled_from(
            ["id", "name", "intro", "tags", "creator", "thumbnailUrl", "likedCount", "totalCoinUsed"]
        ),
        ODD,
    )
)
async def test_one_odd_card_never_keeps_the_others_away(shelf: MarketShelf, odd: dict[str, Any]) -> None:
    await shelf.replace("en", "hot", [odd, CARDS[0]], 60_000, None)
    listing = await shelf.listing("en", "hot", ALL)
    assert "a" in [one.id for one in listing.cards]
