"""A group on an official model: every reply is a turn of its own, paid once, in its speaker's name."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest
from fault_proxy import FaultProxy
from served_backend import Served, device, serve

from lunalux_core.cards.card import Card
from lunalux_core.cards.export import export_card
from lunalux_core.dialogue.turn import Billed, TurnCompleted, TurnOptions
from lunalux_core.ids import uuid4
from lunalux_core.library.conversations import Conversation
from lunalux_core.runtime import Runtime

SUBMIT = "POST /api/official-model/submit"
PAID = TurnOptions(model="official:002")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from serve(tmp_path_factory.mktemp("served"))


@pytest.fixture
async def proxy(served: Served) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(served.port).running() as proxy:
        yield proxy


@pytest.fixture
async def here(tmp_path: Path, proxy: FaultProxy) -> AsyncIterator[Runtime]:
    async with device(tmp_path / "here", proxy.url) as runtime:
        await runtime.account.sign_up(f"{uuid4()}@example.org", "a long enough passphrase 7")
        yield runtime


async def table(runtime: Runtime) -> Conversation:
    """Two characters of the market in a list group."""
    ids = []
    for name in ("Ann", "Ben"):
        png = export_card(Card.new(name, first_mes=f"I am {name}."), "png")
        identity = await runtime.market.publish(png, f"{name}.png", "en", f"{name} is here.")
        ids.append((await runtime.market.download(identity)).id)
    group = await runtime.library.groups.create("Table", ids)
    await runtime.library.groups.set(group.id, order="list")
    return await runtime.chat.start_group(group.id)


async def test_each_reply_of_a_round_is_paid_once(here: Runtime, proxy: FaultProxy) -> None:
    place = await table(here)
    proxy.count.clear()
    events = [event async for event in here.chat.send(place.id, "Hello", PAID)]
    assert [event.cost for event in events if isinstance(event, Billed)] == [5, 5]
    assert proxy.count[SUBMIT] == 2 and here.account.state.star == 90
    page = await here.library.conversations.page(place.id)
    assert [(one.name, (one.billing or {}).get("cost")) for one in page[3:]] == [("Ann", 5), ("Ben", 5)]


async def test_a_round_that_is_stopped_pays_for_what_came(here: Runtime, proxy: FaultProxy) -> None:
    place = await table(here)
    proxy.count.clear()
    async with aclosing(here.chat.send(place.id, "Hello", PAID)) as events:
        async for event in events:
            if isinstance(event, TurnCompleted):
                break
    assert proxy.count[SUBMIT] == 1 and here.account.state.star == 95
    last = (await here.library.conversations.page(place.id))[-1]
    assert (last.name, last.status) == ("Ann", "done")
