"""The market on disk: order, languages, places, filters, and a search that is a true substring search."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lunalux_core.library.market_cache import Filters, MarketCache

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
def cache(tmp_path: Path) -> Iterator[MarketCache]:
    cache = MarketCache(tmp_path / "market.db", "here")
    yield cache
    cache.close()


async def found(cache: MarketCache, text: str, filters: Filters = ALL, limit: int = 100) -> str:
    return "".join(c.id for c in await cache.search(text, "en", "hot", filters, limit=limit))


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
async def test_search_finds_substrings_of_every_script(cache: MarketCache, text: str, ids: str) -> None:
    await cache.replace("en", "hot", CARDS, 60_000, None)
    assert await found(cache, text) == ids


async def test_filters(cache: MarketCache) -> None:
    await cache.replace("en", "hot", CARDS, 60_000, None)
    assert await found(cache, "", Filters()) == "abd"
    assert await found(cache, "", Filters("only")) == "c"
    assert await found(cache, "", Filters("include", tags=("MYSTERY",))) == "ac"
    assert await found(cache, "", Filters("include", tags=("mystery", "nsfw"))) == "c"
    assert await found(cache, "", Filters("include", tags=("rare tag",))) == "d"
    assert await found(cache, "", Filters("include", tags=("rare",))) == ""
    assert await found(cache, "", Filters("include", original=True)) == "a"
    listing = await cache.listing("en", "hot", Filters("only"))
    assert [one.id for one in listing.cards] == ["c"]


async def test_results_keep_the_list_s_order_and_end_at_the_limit(cache: MarketCache) -> None:
    await cache.replace("en", "hot", [card(str(n), f"wolf {n}") for n in range(300)], 60_000, "k")
    hits = await cache.search("wolf", "en", "hot", ALL, limit=7)
    assert [hit.id for hit in hits] == [str(n) for n in range(7)]
    page = await cache.listing("en", "hot", ALL, limit=3, offset=5)
    assert [one.id for one in page.cards] == ["5", "6", "7"]


async def test_languages_sorts_and_places_never_mix(tmp_path: Path) -> None:
    here, there = MarketCache(tmp_path / "m.db", "here"), MarketCache(tmp_path / "m.db", "there")
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


async def test_a_first_page_replaces_and_further_pages_are_added(cache: MarketCache) -> None:
    await cache.replace("en", "hot", [card("a", "one"), card("b", "two")], 60_000, "k1")
    assert await cache.append("en", "hot", [card("b", "again"), card("c", "three")], "k1", "k2")
    assert not await cache.append("en", "hot", [card("x", "late")], "k1", "k9"), "a page of an older list"
    assert await found(cache, "") == "abc"
    assert (await cache.listing("en", "hot")).next_key == "k2"
    await cache.replace("en", "hot", [card("c", "three")], 60_000, None)
    assert await found(cache, "") == "c"
    assert not await found(cache, "two")


async def test_freshness_follows_the_server_s_ttl_and_a_clock_set_back_is_stale(tmp_path: Path) -> None:
    now = 1_000_000
    cache = MarketCache(tmp_path / "m.db", "here", clock=lambda: now)
    try:
        await cache.replace("en", "hot", [card("a", "one")], 5_000, None)
        listing = await cache.listing("en", "hot")
        assert listing.fresh(now) and listing.fresh(now + 4_999)
        assert not listing.fresh(now + 5_000)
        assert not listing.fresh(now - 1)
    finally:
        cache.close()


async def test_likes_and_gone_cards(cache: MarketCache) -> None:
    await cache.replace("en", "hot", [card("a", "one", likedCount=3)], 60_000, None)
    await cache.replace("en", "new", [card("a", "one", likedCount=3)], 60_000, None)
    await cache.bump("a", likes=1)
    assert [c.likes for c in await cache.search("one", "en", "new", ALL)] == [4]
    await cache.remove("a")
    assert not await found(cache, "one")
    assert await cache.card("a") is None


async def test_hostile_texts_are_cleaned_and_cut(cache: MarketCache) -> None:
    evil = card("a", "\x1b]0;title\x07Wolf\u202e" + "n" * 50_000, "\x1b[2J[red]hi[/red]" * 3000, *["t"] * 900)
    await cache.replace("en", "hot", [evil], 60_000, None)
    (one,) = await cache.search("wolf", "en", "hot", ALL)
    assert not any(c in one.name + one.intro for c in "\x1b\x07\u202e")
    assert len(one.name) <= 120 and len(one.intro) <= 2000 and len(one.tags) <= 50


async def test_a_cache_of_another_layout_is_thrown_away(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE lists (something)")
        other.execute("PRAGMA user_version = 99")
    other.close()
    cache = MarketCache(path, "here")
    try:
        await cache.replace("en", "hot", [card("a", "wolf")], 60_000, None)
        assert await found(cache, "wolf") == "a"
    finally:
        cache.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.text(st.sampled_from("abAB ß猫娘-_'\"*%🙂\n"), max_size=12), min_size=1, max_size=6),
    word=st.text(st.sampled_from("abß猫娘-_'\"*%🙂"), min_size=1, max_size=5),
)
async def test_search_agrees_with_looking(cache: MarketCache, texts: list[str], word: str) -> None:
    await cache.replace("en", "hot", [card(str(n), "x", text) for n, text in enumerate(texts)], 60_000, None)
    expected = [str(n) for n, text in enumerate(texts) if word.casefold() in text.casefold()]
    hits = await cache.search(word, "en", "hot", ALL)
    assert [hit.id for hit in hits] == expected


async def test_a_card_that_comes_after_one_that_is_gone_answers_to_its_own_marks(cache: MarketCache) -> None:
    await cache.replace("en", "hot", [CARDS[0], CARDS[3]], 60_000, "next")
    await cache.remove("d")
    await cache.append("en", "hot", [CARDS[2]], "next", None)
    listing = await cache.listing("en", "hot", Filters("exclude"))
    assert [one.id for one in listing.cards] == ["a"]
    assert await found(cache, "", Filters("include", tags=("rare tag",))) == ""
    assert await found(cache, "", Filters("only")) == "c"
    assert await cache.count("en", "hot") == 2


async def test_a_card_with_other_words_keeps_its_place_and_answers_to_them(cache: MarketCache) -> None:
    await cache.replace("en", "hot", CARDS, 60_000, None)
    await cache.reword("b", "A baker of the harbour", ["NSFW", "bread"])
    assert await found(cache, "harbour") == "b" and await found(cache, "便利店") == ""
    assert await found(cache, "", Filters("only")) == "bc"
    assert await found(cache, "", Filters("include", tags=("bread",))) == "b"
    assert await found(cache, "", Filters("include", tags=("治愈",))) == ""
    assert "".join(one.id for one in (await cache.listing("en", "hot", ALL)).cards) == "abcd"


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
async def test_one_odd_card_never_keeps_the_others_away(cache: MarketCache, odd: dict[str, Any]) -> None:
    await cache.replace("en", "hot", [odd, CARDS[0]], 60_000, None)
    listing = await cache.listing("en", "hot", ALL)
    assert "a" in [one.id for one in listing.cards]
