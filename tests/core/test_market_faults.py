"""What can go wrong between market and backend, one thing at a time: one sentence, nothing lost, and the next
try works. The backend is the real one over TCP, behind a proxy that does the harm."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from fault_proxy import Fault, FaultProxy
from served_backend import Served, device, serve

from lunalux_core.cards.card import Card
from lunalux_core.cards.export import export_card
from lunalux_core.errors import BackendError, LunaluxError, NetworkError, NotFound, SessionError
from lunalux_core.ids import now_ms, uuid4
from lunalux_core.library.market_cache import Filters, MarketCache
from lunalux_core.market import Market
from lunalux_core.runtime import Runtime

PASSWORD = "a long enough passphrase 7"
ALL = Filters("include")
DAY = 86_400_000


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from serve(tmp_path_factory.mktemp("served"), HOT_TOP_LIMIT="2", GSI_HOT_PAGE_LIMIT="2")


@pytest.fixture
async def proxy(served: Served) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(served.port).running() as proxy:
        yield proxy


@pytest.fixture
async def here(tmp_path: Path, proxy: FaultProxy) -> AsyncIterator[Runtime]:
    async with device(tmp_path / "here", proxy.url) as runtime:
        await runtime.account.sign_up(f"{uuid4()}@example.org", PASSWORD)
        yield runtime


async def published(runtime: Runtime, name: str) -> str:
    png = export_card(Card.new(name, first_mes=f"I am {name}."), "png")
    return await runtime.market.publish(png, "card.png", "en", f"{name} is here.")


@pytest.mark.parametrize("fault", ["cut", "drop-answer", "500", "html", "refuse"])
async def test_a_further_page_that_breaks_off_leaves_the_list_and_comes_with_the_next_try(
    here: Runtime, proxy: FaultProxy, fault: Fault
) -> None:
    for number in range(3):
        await published(here, f"Row {number}")
    await here.market.refresh("en", "hot", force=True)
    before = await here.market.listing("en", "hot", ALL)
    proxy.fault, proxy.where = fault, "hot-more"
    with pytest.raises(LunaluxError) as caught:
        await here.market.more("en", "hot")
    assert ". " not in caught.value.message and caught.value.hint
    assert await here.market.listing("en", "hot", ALL) == before
    proxy.fault = ""
    assert await here.market.more("en", "hot")
    assert await here.market.count("en", "hot") > len(before.cards)


@pytest.mark.parametrize("fault", ["cut", "500", "refuse"])
async def test_a_picture_that_breaks_off_is_not_kept_and_comes_with_the_next_try(
    here: Runtime, proxy: FaultProxy, fault: Fault
) -> None:
    await here.market.refresh("en", "hot")
    card = (await here.market.listing("en", "hot", ALL)).cards[0]
    proxy.fault, proxy.where = fault, "/blobs/"
    with pytest.raises(NetworkError):
        await here.market.thumbnail(card)
    proxy.fault = ""
    assert (await here.market.thumbnail(card))[:4] == b"RIFF"


async def test_a_kept_picture_that_is_none_is_fetched_anew_once_it_is_forgotten(
    here: Runtime, proxy: FaultProxy
) -> None:
    await here.market.refresh("en", "hot")
    card = (await here.market.listing("en", "hot", ALL)).cards[0]
    await here.market.thumbnail(card)
    (kept,) = (here.paths.cache / "thumbnails").iterdir()
    kept.write_bytes(b"rotten")
    assert await here.market.thumbnail(card) == b"rotten"
    await here.market.forget_thumbnail(card)
    assert (await here.market.thumbnail(card))[:4] == b"RIFF"


async def test_an_address_that_has_run_out_is_told_and_the_next_list_brings_another(here: Runtime) -> None:
    await here.market.refresh("en", "hot")
    card = (await here.market.listing("en", "hot", ALL)).cards[0]
    late = card.thumbnail[:-4] + "AAAA"  # the storage refuses one that is out of time in the same way
    with pytest.raises(BackendError) as caught:
        await here.market.thumbnail(replace(card, thumbnail=late))
    assert caught.value.code == "URL_EXPIRED" and caught.value.hint
    await here.market.refresh("en", "hot", force=True)
    fresh = (await here.market.listing("en", "hot", ALL)).cards[0]
    assert (await here.market.thumbnail(fresh))[:4] == b"RIFF"


@pytest.mark.parametrize("skew", [-30 * DAY, -DAY, DAY, 30 * DAY])
async def test_a_clock_that_goes_wrong_costs_a_request_at_most(
    here: Runtime, proxy: FaultProxy, skew: int
) -> None:
    def clock() -> int:
        return now_ms() + skew

    identity = await published(here, "Out of time")
    cache = MarketCache(here.paths.cache / "skewed.db", proxy.url, clock)
    market = Market(here.library, here.paths, cache, lambda: here.client, lambda: here.account, clock)
    try:
        assert await market.refresh("en", "new")
        assert not await market.refresh("en", "new")
        assert (await market.download(identity)).status == "imported"
        card = await market.card(identity)
        assert (await market.thumbnail(card))[:4] == b"RIFF"
    finally:
        cache.close()
    right = MarketCache(here.paths.cache / "skewed.db", proxy.url)
    try:
        listing = await right.listing("en", "new", ALL)
        assert listing.cards and not listing.fresh(now_ms()), "set right, the list is asked for again"
    finally:
        right.close()


@pytest.mark.parametrize("fault", ["cut", "drop-answer", "500", "refuse"])
async def test_an_upload_that_breaks_off_goes_another_way_and_is_published_once(
    here: Runtime, proxy: FaultProxy, fault: Fault
) -> None:
    proxy.fault, proxy.where = fault, "/blobs/"
    name = f"Upload {fault}"
    identity = await published(here, name)
    proxy.fault = ""
    await here.market.refresh("en", "new", force=True)
    while await here.market.more("en", "new"):
        pass
    cards = await here.market.search(name.casefold(), "en", "new", ALL)
    assert [card.id for card in cards] == [identity]


async def test_a_card_that_is_deleted_while_it_comes_is_told_and_leaves_nothing_behind(
    here: Runtime, proxy: FaultProxy, served: Served
) -> None:
    identity = await published(here, "Going")
    await here.market.refresh("en", "new", force=True)
    gone: list[str] = []
    session = here.account.session.key
    assert session is not None

    async def delete(target: str) -> None:
        if "/blobs/" in target and not gone:
            gone.append(target)
            async with httpx.AsyncClient(base_url=served.url, headers=session.headers(), timeout=60) as owner:
                assert (await owner.delete(f"/api/character/{identity}")).is_success

    proxy.before = delete
    with pytest.raises(NotFound) as caught:
        await here.market.download(identity)
    assert gone and caught.value.code == "CHARACTER_NOT_FOUND"
    assert await here.library.characters.by_market_id(identity) is None
    with pytest.raises(NotFound):
        await here.market.card(identity)


async def test_a_backend_that_is_too_slow_is_left_alone(
    tmp_path: Path, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lunalux_core.client.backend_exchange.TIMEOUT", httpx.Timeout(0.4))
    async with device(tmp_path / "slow", proxy.url) as runtime:
        monkeypatch.undo()
        await runtime.account.sign_up(f"{uuid4()}@example.org", PASSWORD)
        await runtime.market.refresh("en", "hot")
        before = await runtime.market.listing("en", "hot", ALL)
        proxy.fault, proxy.where = "slow", "first-page"
        with pytest.raises(NetworkError) as caught:
            await runtime.market.refresh("en", "hot", force=True)
        assert caught.value.code == "BACKEND_UNREACHABLE"
        assert await runtime.market.listing("en", "hot", ALL) == before
        proxy.fault = ""
        assert await runtime.market.refresh("en", "hot", force=True)


async def test_a_stranger_s_texts_are_clean_when_they_come_back(here: Runtime) -> None:
    long = "\u202e\x1b[31m[bold red]" + "長" * 3_500 + "\u2066"
    png = export_card(Card.new("N" + long, first_mes="I am.", creator=long), "png")
    identity = await here.market.publish(
        png, "card.png", "en", "In\x9b\x07tro \u202ehere. " + long, tags=("a\x1b]0;t\x07",)
    )
    await here.market.refresh("en", "new", force=True)
    card = await here.market.card(identity)
    for text in (card.name, card.creator, *card.tags, card.intro.replace("\n", "")):
        assert text and not any(ord(sign) < 32 or 0x7F <= ord(sign) < 0xA0 for sign in text)
        assert not any(sign in text for sign in "\u202e\u2066")
    assert len(card.name) <= 120 and len(card.intro) <= 2000


async def test_where_people_sign_in_with_a_user_pool_no_local_account_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COGNITO_USER_POOL_ID", "us-east-1_abcdefghi")
    monkeypatch.setenv("COGNITO_CLIENT_ID", "client")
    async with device(tmp_path / "pool") as runtime:
        assert not runtime.account.keeps_local
        with pytest.raises(SessionError) as caught:
            await runtime.account.ensure()
        assert caught.value.code == "UNAUTHORIZED"
        assert not runtime.account.state.signed_in
