"""The price list on a real store: broken rows, order, one read a minute, the seed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from money_world import FREE, STAR, TABLES, world

from lunalux_core.backend.money.billing import Wallet, approve
from lunalux_core.backend.money.seed_models import SEED_MODELS, seed_models
from lunalux_core.backend.repos.models import ModelConfigs
from lunalux_core.backend.storage.table import Delete, Exists, Item, Key, Put, Store, Update
from lunalux_core.errors import InvalidInput, NotFound, PaymentError
from lunalux_core.wire.official import ModelConfig as WireModelConfig

EACH_STORE = True
TABLE = TABLES.model_config
ROW: dict[str, Any] = {
    "displayname": "Moon",
    "modelType": "openai",
    "modelName": "moon-1",
    "freeLevel": 1,
    "allowStar": True,
    "allowLuna": False,
    "starCost": 4,
    "lunaCost": -1,
    "sortOrder": 5,
    "somethingElse": {"of": ["the", "operator's"]},
}


async def console(store: Store, model_id: str, **changes: Any) -> None:
    """A row as an operator writes it by hand; None leaves an attribute out."""
    row = {"PK": f"MODEL#{model_id}", "SK": "MODEL", "modelId": model_id, **ROW, **changes}
    await store.write(Put(TABLE, {name: value for name, value in row.items() if value is not None}))


async def test_rows_come_sorted_and_broken_ones_are_dropped(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await console(w.store, "001", sortOrder=30)
        await console(w.store, "002", sortOrder=10)
        await console(w.store, "003", sortOrder=20)
        for number, name in enumerate(("displayname", "modelType", "modelName", "freeLevel")):
            await console(w.store, f"9{number}", **{name: None})
        await console(w.store, "95", displayname=7)
        listed = await ModelConfigs(w.store, TABLE).list()
        assert [row.model_id for row in listed] == ["002", "003", "001"]
        assert (listed[0].displayname, listed[0].star_cost, listed[0].luna_cost) == ("Moon", 4, -1)


async def test_a_row_that_names_another_model_than_its_key_is_no_row(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Else a row that was copied in the console would set the price of the model that it was copied from."""
    moment = 0.0
    async with world(tmp_path) as w:
        models = ModelConfigs(w.store, TABLE, monotonic=lambda: moment)
        await console(w.store, "001", freeLevel=0, sortOrder=9)
        await console(w.store, "200", modelId="001", freeLevel=-1, starCost=50, sortOrder=0)
        assert [row.model_id for row in await models.list()] == ["001"]
        assert (await models.require("001")).free_level == 0
        with pytest.raises(NotFound):
            await models.require("200")
        moment = 60.0
        await models.list()
        assert [record.__dict__["pk"] for record in caplog.records] == ["MODEL#200"]  # told once
        await console(w.store, "200", sortOrder=0)
        moment = 120.0
        assert [row.model_id for row in await models.list()] == ["200", "001"]


@pytest.mark.parametrize("cost", ["4", True, -1, None])
async def test_a_cost_that_is_no_price_buys_nothing(tmp_path: Path, cost: Any) -> None:
    async with world(tmp_path) as w:
        await console(w.store, "001", starCost=cost, freeLevel=-1)
        (config,) = await ModelConfigs(w.store, TABLE).list()
        with pytest.raises(PaymentError) as refused:
            approve(config, Wallet("ada", 2, 100, 100))
        assert refused.value.code == "PAYMENT_NOT_SUPPORTED"


class Counting:
    """The store, counting how often the list is read."""

    def __init__(self, store: Store) -> None:
        self._store, self.reads = store, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def scan_all(self, table: str) -> AsyncIterator[Item]:
        self.reads += 1
        await asyncio.sleep(0)
        async for item in self._store.scan_all(table):
            yield item


async def test_the_list_is_read_once_a_minute_however_many_ask(tmp_path: Path) -> None:
    moment = 0.0
    async with world(tmp_path) as w:
        counting: Any = Counting(w.store)
        models = ModelConfigs(counting, TABLE, monotonic=lambda: moment)
        await console(w.store, "001")
        lists = await asyncio.gather(*(models.list() for _ in range(50)))
        assert counting.reads == 1 and set(map(len, lists)) == {1}
        await console(w.store, "002")
        moment = 59.9
        assert len(await models.list()) == 1
        moment = 60.0
        assert len(await models.list()) == 2
        assert counting.reads == 2


async def test_long_lists_are_whole(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        for number in range(1203):
            await console(w.store, f"{number:04d}", sortOrder=number)
        listed = await ModelConfigs(w.store, TABLE).list()
        assert [row.model_id for row in listed] == [f"{number:04d}" for number in range(1203)]


async def test_what_an_operator_puts_is_there_at_once(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        models = ModelConfigs(w.store, TABLE)
        assert await models.list() == ()
        with pytest.raises(NotFound) as missing:
            await models.require("002")
        assert missing.value.code == "MODEL_NOT_FOUND"
        await models.put(STAR)
        assert await models.require("002") == STAR
        await models.put(replace(STAR, star_cost=6))
        assert (await models.require("002")).star_cost == 6
        await models.put(replace(STAR, max_output_tokens=500))
        await w.store.write(Update(TABLE, Key("MODEL#002", "MODEL"), set={"note": "ours"}, when=Exists()))
        await models.put(STAR)
        row = await w.store.get(TABLE, ("MODEL#002", "MODEL"))
        assert row is not None and row["note"] == "ours" and "maxOutputTokens" not in row
        for wrong in (
            replace(FREE, model_type="telepathy"),
            replace(FREE, model_name=""),
            replace(FREE, luna_cost=-2),
        ):
            with pytest.raises(InvalidInput):
                await models.put(wrong)


async def test_the_seed_leaves_an_operators_rows_alone(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await console(w.store, "002", starCost=1, sortOrder=0)
        assert await seed_models(w.store, TABLE) == 2
        assert await seed_models(w.store, TABLE) == 0
        listed = {row.model_id: row for row in await ModelConfigs(w.store, TABLE).list()}
        assert listed["002"].star_cost == 1
        await w.store.write(Delete(TABLE, Key("MODEL#002", "MODEL")))
        assert await seed_models(w.store, TABLE) == 1


def test_the_seed_has_a_free_a_star_and_a_star_or_luna_model() -> None:
    rich, lunar, poor = Wallet("ada", 0, 8, 3), Wallet("ada", 0, 4, 3), Wallet("ada", 0, 4, 2)
    free, star, either = SEED_MODELS
    assert {row.model_type for row in SEED_MODELS} == {"practice"}
    assert (approve(free, poor).method, approve(free, poor).cost) == ("free", 0)
    assert (approve(star, rich).method, approve(star, rich).cost) == ("star", 5)
    assert (approve(either, rich).method, approve(either, rich).cost) == ("star", 8)
    assert (approve(either, lunar).method, approve(either, lunar).cost) == ("luna", 3)
    for config in (star, either):
        with pytest.raises(PaymentError):
            approve(config, poor)


async def test_clients_get_the_operators_own_words_and_the_true_price(tmp_path: Path) -> None:
    """Whatever the operator calls a column of his own, the members of the wire keep their meaning."""
    own = {"value": "worth it", "cls": "first", "self": 1, "star_cost": 0}
    async with world(tmp_path) as w:
        await console(w.store, "001", **own)
        (config,) = await ModelConfigs(w.store, TABLE).list()
        told = WireModelConfig.of(config).model_dump(by_alias=True, exclude_none=True)
    assert {name: told.get(name) for name in ("value", "cls", "self")} == {
        "value": "worth it",
        "cls": "first",
        "self": 1,
    }
    assert told["somethingElse"] == {"of": ["the", "operator's"]}
    assert (told["modelId"], told["starCost"]) == ("001", 4)
