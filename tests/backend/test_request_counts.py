"""How often the storage is asked: not at all for a session, no oftener with more data."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_support import URL, Api, Person, backend, card_png, good

from lunalux_core.backend.money.money import Action
from lunalux_core.backend.operators.report import status
from lunalux_core.backend.repos.movements import ERASE, OPEN, open_marks
from lunalux_core.backend.running.backend_settings import BackendSettings, RankingSettings
from lunalux_core.backend.running.services import assemble
from lunalux_core.backend.running.signatures import Signer
from lunalux_core.backend.storage.schema import table_specs
from lunalux_core.backend.storage.sqlite import SqliteStore
from lunalux_core.backend.storage.table import Item, Put
from lunalux_core.backend.web.app import create_app
from lunalux_core.client.asgi import StreamingASGITransport

ASKING = ("get", "get_many", "write", "transact", "query", "scan", "scan_all")


class Counted:
    """A store that says how often it was asked, and for which items."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.calls: Counter[str] = Counter()
        self.got: list[tuple[str, str]] = []

    def __getattr__(self, name: str) -> Any:
        if name in ASKING:
            self.calls[name] += 1
        return getattr(self._store, name)

    async def get(self, table: str, key: tuple[str, str], *, consistent: bool = True) -> Item | None:
        self.calls["get"] += 1
        self.got.append((table, key[1]))
        found: Item | None = await self._store.get(table, key, consistent=consistent)
        return found

    def forget(self) -> None:
        self.calls.clear()
        self.got.clear()


class World:
    """A backend over a counted store, as several instances run it: ranked by a timer, not by requests."""

    def __init__(self, api: Api) -> None:
        self.store = Counted(api.services.store)
        self._plain = api.services

    async def open(self, **changes: Any) -> Api:
        plain = self._plain
        services = assemble(
            replace(plain.settings, **changes),
            self.store,
            plain.blobs,
            plain.identity,
            Signer(("a secret for this test alone",)),
            rank_on_request=False,
            now_ms=plain.now_ms,
        )
        transport = StreamingASGITransport(create_app(services))
        return Api(services, httpx.AsyncClient(base_url=URL, transport=transport), plain.now_ms)  # type: ignore[arg-type]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with backend(tmp_path) as api:
        yield World(api)


async def test_a_session_in_force_is_validated_without_the_storage(world: World) -> None:
    api = await world.open()
    ada = await api.person()
    world.store.forget()
    for _ in range(20):
        assert good(await ada.get("/api/session/validate"))["userId"] == ada.user_id
    assert not world.store.calls


async def test_beyond_the_cache_one_session_row_is_read_and_nothing_of_the_user(world: World) -> None:
    api = await world.open(session_cache_s=0)
    ada = await api.person()
    world.store.forget()
    good(await ada.get("/api/session/validate"))
    user_table = api.services.settings.tables.user
    assert world.store.got == [(user_table, "SESSION")] and world.store.calls == {"get": 1}


async def _cost(world: World, work: Any) -> dict[str, int]:
    world.store.forget()
    await work
    return dict(world.store.calls)


async def _costs(world: World, api: Api, ada: Person, card: str, other: str) -> dict[str, dict[str, int]]:
    api.services.listings.forget("en")
    return {
        "turn": await _cost(world, ada.submit(modelId="002", characterId=card)),
        "page": await _cost(world, ada.get("/api/character/hot-first-page", lang="en")),
        "like": await _cost(world, ada.post("/api/liked/add", {"characterId": other})),
    }


async def test_a_turn_a_page_and_a_like_cost_the_same_with_more_data(world: World) -> None:
    api = await world.open(session_cache_s=3600)  # longer than any machine is busy
    ada = await api.person()
    await api.services.wallets.adjust(ada.user_id, "star", 1000)
    cards = [await ada.publish(card_png(), name=f"Card {number}") for number in range(3)]
    for sort in ("hot", "time"):
        await api.services.ranking.drain("en", sort)  # type: ignore[arg-type]
    good(await ada.submit(modelId="002", characterId=cards[0]))
    few = await _costs(world, api, ada, cards[0], cards[1])
    for _ in range(25):
        good(await ada.submit(modelId="002", characterId=cards[0]))
    more = [await ada.publish(card_png(), name=f"Later card {number}") for number in range(12)]
    for sort in ("hot", "time"):
        await api.services.ranking.drain("en", sort)  # type: ignore[arg-type]
    assert await _costs(world, api, ada, cards[0], more[3]) == few
    assert sum(few["turn"].values()) <= 8 and sum(few["page"].values()) <= 4
    assert sum(few["like"].values()) <= 4


async def test_a_day_in_which_nobody_comes_writes_next_to_nothing(world: World) -> None:
    api = await world.open()
    clock = api.clock
    await api.services.ranking.look()  # settles what the seed has marked
    world.store.forget()
    for _ in range(24 * 720):  # a look every five seconds, as the timer does
        clock.forward(5)
        await api.services.ranking.look()
    asked = world.store.calls
    assert asked["write"] <= 4 * 2 * 25 and asked["transact"] == 0
    assert asked["query"] <= 4 * 24 * 60 + 40  # once a minute for each list
    assert asked["scan_all"] == asked["scan"] == 0


async def test_whoever_likes_a_card_in_a_quiet_market_has_it_ranked_at_the_next_look(world: World) -> None:
    api = await world.open(ranking=RankingSettings(like_heat=5))
    clock, services = api.clock, api.services
    ada, bob = await api.person(), await api.person("bob")
    cards = [await ada.publish(card_png(), name=f"Card {number}") for number in range(2)]
    for _ in range(720):
        clock.forward(5)
        await services.ranking.look()
    good(await bob.post("/api/liked/add", {"characterId": cards[0]}))
    clock.forward(5)
    await services.ranking.look()
    services.listings.forget("en")
    page = good(await bob.get("/api/character/hot-first-page"))["characters"]
    assert page[0]["id"] == cards[0]


async def test_instances_share_one_sweep_an_hour(world: World) -> None:
    first, second = await world.open(), await world.open()
    ledger = first.services.settings.tables.ledger
    assert await first.services.sweeper.sweep_if_due(60) is not None
    assert await second.services.sweeper.sweep_if_due(60) is None
    first.clock.forward(3599)
    assert await second.services.sweeper.sweep_if_due(3600) is None
    first.clock.forward(2)
    assert await second.services.sweeper.sweep_if_due(3600) is not None
    assert await first.services.sweeper.sweep_if_due(3600) is None
    # One that dies within its round leaves it to the others when its lease has run out.
    first.clock.forward(3601)
    dead = {"PK": "LEASE#SWEEP", "SK": "LEASE", "owner": "dead", "expiresAtMs": first.clock.ms + 600_000}
    await world.store.write(Put(ledger, dead))
    assert await first.services.sweeper.sweep_if_due(3600) is None
    first.clock.forward(601)
    assert await first.services.sweeper.sweep_if_due(3600) is not None


async def test_between_two_whole_rounds_the_sweep_reads_what_is_under_way_alone(world: World) -> None:
    api = await world.open()
    services, ada = api.services, await api.person()
    assert await services.sweeper.sweep_if_due(60) is not None
    for number in range(30):
        good(await ada.submit(modelId="001", key=f"settled-{number}"))
    config = await services.models.require("002")
    await services.money.reserve(Action(ada.user_id, "crashed", "hash"), config)
    assert (await ada.wallet())["starCoin"] == 95
    api.clock.forward(3700)
    world.store.forget()
    swept = await services.sweeper.sweep_if_due(3600)
    assert swept is not None and swept.refunded == 1
    assert (await ada.wallet())["starCoin"] == 100
    assert world.store.calls["scan_all"] == 0 and len(world.store.got) < 10
    api.clock.forward(90_000)
    world.store.forget()
    assert (await services.sweeper.sweep_if_due(3600)) is not None and world.store.calls["scan_all"] == 1


async def test_how_a_service_stands_is_told_without_reading_its_ledger(world: World) -> None:
    api = await world.open()
    services, ada = api.services, await api.person()
    for number in range(30):
        good(await ada.submit(modelId="001", key=f"settled-{number}"))
    config = await services.models.require("002")
    for number in range(2):
        await services.money.reserve(Action(ada.user_id, f"crashed-{number}", "hash"), config)
        api.clock.forward(40)
    erased = {"PK": "USER#gone", "SK": ERASE, "userId": "gone", **open_marks("gone", 1)}
    await world.store.write(Put(services.settings.tables.ledger, erased))
    world.store.forget()
    stands = await status(services)
    assert stands["reservations"] == {"open": 2, "oldest_age_s": 80}
    assert world.store.calls["scan_all"] == world.store.calls["scan"] == 0


async def test_open_reservations_are_found_without_their_index(tmp_path: Path) -> None:
    ledger = BackendSettings().tables.ledger
    specs = tuple(replace(spec, indexes=()) if spec.name == ledger else spec for spec in table_specs())
    async with backend(tmp_path) as api:
        store = SqliteStore(tmp_path / "older.db", specs)
        services = assemble(
            api.services.settings,
            store,
            api.services.blobs,
            api.services.identity,
            Signer(("a secret for this test alone",)),
            rank_on_request=False,
            now_ms=api.clock,
        )
        row = {"PK": "USER#ada", "SK": f"{OPEN}one", "opId": "one", "claim": "c", "startedAt": api.clock.ms}
        await store.write(Put(ledger, row))
        api.clock.forward(7)
        assert (await status(services))["reservations"] == {"open": 1, "oldest_age_s": 7}
        await store.aclose()
