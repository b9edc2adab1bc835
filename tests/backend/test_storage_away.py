"""The storage goes away in the middle of a paid reply: 503, a time to come back, and not a coin lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_support import URL, Api, backend, bad, good

from lunalux_core.backend.running import upkeep
from lunalux_core.backend.running.services import assemble
from lunalux_core.backend.running.signatures import Signer
from lunalux_core.backend.storage.table import Operation, Unavailable
from lunalux_core.backend.web.app import create_app
from lunalux_core.client.asgi import StreamingASGITransport
from lunalux_core.ids import uuid4

HELD_SECONDS = 120 + 60 + 1


class Throttled:
    """A store whose transactions fail from the given one on, or whose answers to them are lost."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.fails_at: int | None = None
        self.applied = False
        self._count = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def fail(self, at: int, *, applied: bool = False) -> None:
        self.fails_at, self.applied, self._count = at, applied, 0

    async def transact(self, operations: Sequence[Operation], token: str | None = None) -> None:
        self._count += 1
        if self._count != self.fails_at:
            await self._store.transact(operations, token)
            return
        if self.applied:
            await self._store.transact(operations, token)
        raise Unavailable("The storage is too busy.", maybe_applied=self.applied)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[tuple[Api, Throttled]]:
    async with backend(tmp_path) as plain:
        store = Throttled(plain.services.store)
        services = assemble(
            plain.services.settings,
            store,
            plain.services.blobs,
            plain.services.identity,
            Signer(("a secret for this test alone",)),
            rank_on_request=False,
            now_ms=plain.clock,
        )
        transport = StreamingASGITransport(create_app(services))
        async with httpx.AsyncClient(base_url=URL, transport=transport) as http:
            yield Api(services, http, plain.clock), store


async def test_away_before_the_coins_are_set_aside(world: tuple[Api, Throttled]) -> None:
    api, store = world
    ada, key = await api.person(), uuid4()
    store.fail(1)
    refused = await ada.submit(modelId="002", key=key)
    bad(refused, 503, "STORE_UNAVAILABLE")
    assert int(refused.headers["retry-after"]) >= 1
    assert (await ada.wallet())["starCoin"] == 100
    assert good(await ada.submit(modelId="002", key=key))["wallet"]["starCoin"] == 95
    assert good(await ada.submit(modelId="002", key=key))["wallet"]["starCoin"] == 95
    assert await api.services.sweeper.check(ada.user_id) == []


async def test_away_when_the_coins_are_kept(world: tuple[Api, Throttled]) -> None:
    api, store = world
    ada, key = await api.person(), uuid4()
    store.fail(2)
    bad(await ada.submit(modelId="002", key=key), 503, "STORE_UNAVAILABLE")
    bad(await ada.submit(modelId="002", key=key), 409, "OPERATION_IN_PROGRESS")
    api.clock.forward(HELD_SECONDS)
    assert (await api.services.sweeper.sweep()).refunded == 1
    assert (await ada.wallet())["starCoin"] == 100
    assert good(await ada.submit(modelId="002", key=key))["wallet"]["starCoin"] == 95
    assert await api.services.sweeper.check(ada.user_id) == []


@pytest.mark.parametrize("step", [1, 2])
async def test_an_answer_of_the_storage_that_is_lost_charges_once(
    world: tuple[Api, Throttled], step: int
) -> None:
    api, store = world
    ada, key = await api.person(), uuid4()
    store.fail(step, applied=True)
    first = good(await ada.submit(modelId="002", key=key))
    assert first["wallet"]["starCoin"] == 95
    again = good(await ada.submit(modelId="002", key=key))
    assert (again["content"], again["wallet"]["starCoin"]) == (first["content"], 95)
    assert await api.services.sweeper.check(ada.user_id) == []


class Going:
    """A store that goes away in the middle of a sweep: reading never ends, and nothing is written."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.reading = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def scan_all(self, table: str) -> AsyncIterator[Any]:
        self.reading.set()
        await asyncio.Event().wait()
        yield

    async def write(self, operation: Any) -> Any:
        if self.reading.is_set():
            raise Unavailable("The storage does not answer.")
        return await self._store.write(operation)


async def test_a_server_that_sweeps_while_the_storage_goes_away_can_be_stopped(tmp_path: Path) -> None:
    async with backend(tmp_path) as plain:
        store = Going(plain.services.store)
        services = assemble(
            plain.services.settings,
            store,
            plain.services.blobs,
            plain.services.identity,
            Signer(("a secret for this test alone",)),
            rank_on_request=False,
            now_ms=plain.clock,
        )
        chores = asyncio.create_task(upkeep.run(services))
        await asyncio.wait_for(store.reading.wait(), 60)
        chores.cancel()
        done, _ = await asyncio.wait({chores}, timeout=30)
        assert done and chores.cancelled()
