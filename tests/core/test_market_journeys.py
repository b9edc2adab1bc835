"""The market against the real backend over TCP, through a proxy that counts and harms."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from fault_proxy import FaultProxy
from served_backend import Served, device, serve

from lunalux_core.cards.card import Card
from lunalux_core.cards.export import export_card
from lunalux_core.errors import BackendError, InvalidInput, LunaluxError, NetworkError, NotFound
from lunalux_core.ids import uuid4
from lunalux_core.library.market_cache import Filters
from lunalux_core.runtime import Runtime

PASSWORD = "a long enough passphrase 7"
ALL = Filters("include")
FIRST = "GET /api/character/hot-first-page"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from serve(tmp_path_factory.mktemp("served"), HOT_TOP_LIMIT="2", GSI_HOT_PAGE_LIMIT="2")


@pytest.fixture
async def proxy(served: Served) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(served.port).running() as proxy:
        yield proxy


@pytest.fixture
async def here(tmp_path: Path, proxy: FaultProxy) -> AsyncIterator[Runtime]:
    """A signed-in device of its own."""
    async with device(tmp_path / "here", proxy.url) as runtime:
        await runtime.account.sign_up(f"{uuid4()}@example.org", PASSWORD)
        yield runtime


def png(name: str, **fields: Any) -> bytes:
    return export_card(Card.new(name, first_mes=f"I am {name}.", **fields), "png")


async def published(runtime: Runtime, name: str, **more: Any) -> str:
    return await runtime.market.publish(png(name), f"{name}.png", "en", f"{name} is here.", **more)


async def test_a_fresh_list_is_never_fetched_again_and_languages_stay_apart(
    here: Runtime, proxy: FaultProxy
) -> None:
    assert await here.market.refresh("en", "hot")
    for _ in range(5):
        assert not await here.market.refresh("en", "hot")
    assert proxy.count[FIRST] == 1
    assert (await here.market.listing("zh", "hot", ALL)).stored_at == 0
    await here.market.refresh("zh", "hot")
    english = (await here.market.listing("en", "hot", ALL)).cards
    chinese = (await here.market.listing("zh", "hot", ALL)).cards
    assert english and chinese
    assert {c.language for c in english} == {"en"} and {c.language for c in chinese} == {"zh"}
    assert await here.market.refresh("en", "hot", force=True)
    assert proxy.count[FIRST] == 3


async def test_further_pages_come_one_by_one_to_the_end(here: Runtime, proxy: FaultProxy) -> None:
    for number in range(4):
        await published(here, f"Page {number}")
    await here.market.refresh("en", "hot")
    assert await here.market.count("en", "hot") == 2
    while await here.market.more("en", "hot"):
        pass
    cards = (await here.market.listing("en", "hot", ALL)).cards
    assert len({c.id for c in cards}) == len(cards) >= 6
    assert not await here.market.more("en", "hot")
    assert {f"Page {n}" for n in range(4)} <= {c.name for c in cards}


async def test_who_made_a_character_can_be_searched_for(here: Runtime) -> None:
    card = png("Anonymous", creator="Ines Vogelsang \x1b[31m\u202e")
    await here.market.publish(card, "a.png", "en", "Nobody knows who she is.")
    await published(here, "Without an author")
    for sort in ("new", "hot"):
        await here.market.refresh("en", sort, force=True)  # type: ignore[arg-type]
        while await here.market.more("en", sort):  # type: ignore[arg-type]
            pass
        cards = await here.market.search("vogels", "en", sort, ALL)  # type: ignore[arg-type]
        assert [(card.name, card.creator.split()[:2]) for card in cards] == [
            ("Anonymous", ["Ines", "Vogelsang"])
        ]
        assert cards[0].creator.isprintable()
    bare = await here.market.search("without an author", "en", "new", ALL)
    assert [card.creator for card in bare] == [""]


@pytest.mark.parametrize("fault", ["refuse", "500", "html", "cut", "drop-answer"])
async def test_a_list_survives_every_fault_and_the_next_try_works(
    here: Runtime, proxy: FaultProxy, fault: str
) -> None:
    await here.market.refresh("en", "hot")
    before = await here.market.listing("en", "hot", ALL)
    proxy.fault, proxy.where = fault, "first-page"  # type: ignore[assignment]
    with pytest.raises(LunaluxError) as caught:
        await here.market.refresh("en", "hot", force=True)
    assert caught.value.message and isinstance(caught.value, NetworkError | BackendError)
    assert await here.market.listing("en", "hot", ALL) == before
    assert await here.market.search("shop", "en", "hot", ALL)
    proxy.fault = ""
    assert await here.market.refresh("en", "hot", force=True)


async def test_download_imports_binds_and_counts_once(here: Runtime, proxy: FaultProxy) -> None:
    identity = await published(here, "Download me")
    result = await here.market.download(identity)
    assert result.status == "imported"
    character = await here.library.characters.get(result.id)
    assert character.binding == {"active": True, "characterId": identity}
    await here.library.characters.set_binding(result.id, active=False)
    again = await here.market.download(identity)
    assert (again.status, again.id) == ("duplicate", result.id)
    assert (await here.library.characters.get(result.id)).binding["active"] is True
    asked = [target for target in proxy.targets if "presign-original" in target]
    assert ["skipCount=1" in target for target in asked] == [False, True]
    await here.library.characters.delete(result.id)
    await here.market.download(identity)
    asked = [target for target in proxy.targets if "presign-original" in target]
    assert "skipCount=1" in asked[-1], "made in this session already"


async def test_what_is_in_the_library_can_be_talked_to_without_a_network(
    here: Runtime, proxy: FaultProxy
) -> None:
    identity = await published(here, "Offline friend")
    result = await here.market.download(identity)
    proxy.fault = "refuse"
    assert (await here.market.download(identity)).id == result.id
    with pytest.raises(NetworkError):
        await here.market.download("11111111-1111-4111-8111-111111111111")


async def test_a_picture_that_cannot_come_from_the_storage_comes_through_the_backend(
    here: Runtime, proxy: FaultProxy
) -> None:
    identity = await published(here, "Detour")
    proxy.fault, proxy.where = "cut", "/blobs/"
    assert (await here.market.download(identity)).status == "imported"
    assert proxy.count["GET /api/character/download-original"] == 1
    assert "skipCount=1" in proxy.targets[-1], "the same download is not counted twice"


async def test_a_card_that_vanished_leaves_the_lists_and_nothing_behind(
    here: Runtime, served: Served
) -> None:
    identity = await published(here, "Vanishing")
    await here.market.refresh("en", "new", force=True)
    assert (await here.market.card(identity)).name == "Vanishing"
    served.admin("market", "remove", identity, "--yes")
    with pytest.raises(NotFound) as caught:
        await here.market.download(identity)
    assert caught.value.code == "CHARACTER_NOT_FOUND"
    with pytest.raises(NotFound):
        await here.market.card(identity)
    assert await here.library.characters.by_market_id(identity) is None


async def test_likes_wait_for_a_network_and_are_sent_once(here: Runtime, proxy: FaultProxy) -> None:
    identity = await published(here, "Likeable")
    await here.market.refresh("en", "new", force=True)
    proxy.fault = "refuse"
    assert await here.market.like(identity) is False
    assert await here.market.like(identity) is False
    assert identity in here.account.state.liked
    assert (await here.market.card(identity)).likes == 1
    proxy.fault = ""
    await here.market.refresh("en", "hot", force=True)
    assert proxy.count["POST /api/liked/add"] == 1
    assert await here.market.like(identity) is True
    assert await here.market.send_waiting_likes() == 0
    assert proxy.count["POST /api/liked/add"] == 1
    assert identity in (await here.account.refresh()).liked


async def test_publish_needs_an_intro_and_a_card(here: Runtime) -> None:
    with pytest.raises(InvalidInput) as caught:
        await here.market.publish(png("X"), "x.png", "en", "   ")
    assert caught.value.code == "INTRO_REQUIRED"
    from lunalux_core.cards.placeholder_picture import placeholder_png

    with pytest.raises(BackendError) as refused:
        await here.market.publish(placeholder_png(), "x.png", "en", "Nobody.")
    assert refused.value.code == "INVALID_CARD"


async def test_publish_tells_its_steps_and_goes_by_the_backend_when_the_storage_is_away(
    here: Runtime, proxy: FaultProxy
) -> None:
    steps: list[str] = []
    await published(here, "Steps", progress=steps.append)
    assert steps == ["upload", "publish", "done"]
    proxy.fault, proxy.where = "refuse", "/blobs/"
    await published(here, "Around")
    assert proxy.count["POST /api/character/upload-direct"] == 1


async def test_a_publish_that_was_cut_goes_on_from_its_upload(here: Runtime, proxy: FaultProxy) -> None:
    proxy.fault, proxy.where = "refuse", "finalize-publish"
    with pytest.raises(NetworkError):
        await published(here, "Resumed")
    proxy.fault = ""
    assert await published(here, "Resumed")
    assert proxy.count["POST /api/character/presign-upload"] == 1


async def test_a_publish_whose_answer_was_lost_is_not_published_twice(
    here: Runtime, proxy: FaultProxy
) -> None:
    proxy.fault, proxy.where = "drop-answer", "finalize-publish"
    with pytest.raises(NetworkError):
        await published(here, "Twice")
    proxy.fault = ""
    identity = await published(here, "Twice")
    await here.market.refresh("en", "new", force=True)
    while await here.market.more("en", "new"):
        pass
    found = [
        c.id for c in (await here.market.listing("en", "new", ALL, limit=500)).cards if c.name == "Twice"
    ]
    assert found == [identity]


async def test_thumbnails_are_kept_by_content(here: Runtime, proxy: FaultProxy) -> None:
    await here.market.refresh("en", "hot")
    card = (await here.market.listing("en", "hot", ALL)).cards[0]
    data = await here.market.thumbnail(card)
    assert data[:4] == b"RIFF"
    seen = sum(count for path, count in proxy.count.items() if "/blobs/" in path)
    assert await here.market.thumbnail(card) == data
    assert sum(count for path, count in proxy.count.items() if "/blobs/" in path) == seen


async def test_an_official_reply_is_paid_once_and_the_wallet_follows(
    here: Runtime, proxy: FaultProxy
) -> None:
    from lunalux_core.dialogue.turn import Billed, TurnOptions

    identity = await published(here, "Paid company")
    result = await here.market.download(identity)
    place = await here.chat.open(result.id)
    proxy.count.clear()
    events = [e async for e in here.chat.send(place.id, "Hello", TurnOptions(model="official:002"))]
    bills = [e for e in events if isinstance(e, Billed)]
    assert [(b.method, b.cost) for b in bills] == [("star", 5)]
    assert here.account.state.star == 95
    assert here.account.state.ledger["totalStarCoinUsed"] == 5
    # Any program of this machine may look for model servers on the ports that are open.
    asked = {request for request in proxy.count if " /api/" in request}
    assert asked <= {"POST /api/official-model/submit", "GET /api/session/validate"}


async def test_a_binding_to_a_card_that_is_gone_is_let_go(here: Runtime, served: Served) -> None:
    from lunalux_core.dialogue.turn import TurnOptions

    identity = await published(here, "Unbound")
    result = await here.market.download(identity)
    served.admin("market", "remove", identity, "--yes")
    place = await here.chat.open(result.id)
    async for _ in here.chat.send(place.id, "Hello", TurnOptions(model="official:001")):
        pass
    binding = (await here.library.characters.get(result.id)).binding
    assert binding["active"] is False


async def test_payment_is_refused_in_a_sentence_and_nothing_else_answers(
    here: Runtime, served: Served, proxy: FaultProxy
) -> None:
    from lunalux_core.dialogue.turn import TurnOptions
    from lunalux_core.errors import PaymentError

    served.admin("user", "credit", here.account.state.user_id, "--star", "-100")
    served.admin("user", "credit", here.account.state.user_id, "--luna", "-100")
    result = await here.market.download(await published(here, "Poor company"))
    place = await here.chat.open(result.id)
    with pytest.raises(PaymentError) as caught:
        async for _ in here.chat.send(place.id, "Hello", TurnOptions(model="official:003")):
            pass
    assert caught.value.code == "INSUFFICIENT_FUNDS" and caught.value.hint
    page = await here.library.conversations.page(place.id, limit=10)
    assert [m.status for m in page][-1] == "failed" and page[-2].content == "Hello"
    assert json.dumps(dict(here.account.state.wallet))


async def test_likes_made_at_once_without_a_network_all_wait_and_are_all_sent(
    here: Runtime, proxy: FaultProxy
) -> None:
    cards = [await published(here, f"Liked {number}") for number in range(5)]
    proxy.fault = "refuse"
    assert await asyncio.gather(*(here.market.like(card) for card in cards[:4])) == [False] * 4
    proxy.fault = ""
    late: list[asyncio.Task[bool]] = []

    async def before(target: str) -> None:
        """While the first of them is sent, another one is liked, and the network is gone for it."""
        if "/api/liked/add" in target and not late:
            late.append(
                asyncio.create_task(here.library.state.update(here.market._likes_key(), _add(cards[4])))
            )
            await late[0]

    proxy.before = before
    assert await here.market.send_waiting_likes() == 1
    proxy.before = None
    assert await here.market.send_waiting_likes() == 0
    assert set((await here.client.market.liked()).character_ids) >= set(cards)


def _add(one: str) -> Any:
    return lambda kept: [*kept, one]


async def test_authors_look_after_their_cards(here: Runtime, served: Served, tmp_path: Path) -> None:
    first, second = await published(here, "Mine one"), await published(here, "Mine two")
    assert [card.id for card in await here.market.mine()] == [second, first]
    await here.market.edit(first, intro="Another intro.", tags=("night", "rain"))
    served.admin("market", "hide", second)
    mine = {card.id: card for card in await here.market.mine()}
    assert (mine[first].intro, set(mine[first].tags)) == ("Another intro.", {"night", "rain"})
    assert (mine[first].status, mine[second].status) == ("active", "hidden")
    async with device(tmp_path / "other", served.url) as other:
        await other.account.sign_up(f"{uuid4()}@example.org", PASSWORD)
        assert await other.market.mine() == []
        for wish in (other.market.edit(first, intro="x"), other.market.withdraw(first)):
            with pytest.raises(BackendError) as told:
                await wish
            assert told.value.code == "FORBIDDEN"
        await other.market.report(first, "It is rude.")
        with pytest.raises(NotFound):
            await other.market.report("nobody", "It is rude.")
    assert first in json.dumps(served.admin("market", "reports"))
    await here.market.withdraw(first)
    assert [card.id for card in await here.market.mine()] == [second]
    with pytest.raises(NotFound):
        await here.market.edit(first, intro="Too late.")


async def test_a_session_that_a_server_says_back_is_not_shown(here: Runtime) -> None:
    session = here.account.session.key
    assert session is not None
    error = here.client.exchange.refused({"code": "X", "message": f"no: {session.token}"}, None)
    assert session.token not in error.message + error.hint + str(error.params)
