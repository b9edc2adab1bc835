"""The same money on DynamoDB's wire, with several processes at one wallet."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from money_world import HOLD_MS, STAR, TABLES, World
from storage_engines import ministack, provision

from lunalux_core.backend.market.reply_counts import Dialogues
from lunalux_core.backend.money.money import Action, Reservation
from lunalux_core.backend.money.sweeper import Sweeper
from lunalux_core.backend.repos.characters import Characters
from lunalux_core.backend.repos.coupons import Coupons
from lunalux_core.backend.running.backend_settings import RankingSettings
from lunalux_core.backend.storage.aws_calls import AwsAccess
from lunalux_core.backend.storage.dynamodb import DynamoStore
from lunalux_core.backend.storage.schema import table_specs
from lunalux_core.backend.storage.table import Exists, Update
from lunalux_core.errors import LunaluxError
from lunalux_core.ids import uuid4

ROOT = Path(__file__).resolve().parents[2]
CLIENTS, PROCESSES = 102, 3


@pytest.fixture(scope="module")
def access(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsAccess]:
    with ministack(tmp_path_factory.mktemp("ministack")) as running:
        asyncio.run(provision(running, table_specs()))
        yield running


async def spend(w: World, user_id: str, operation: str) -> str:
    try:
        made = await w.money.reserve(Action(user_id, operation, "hash"), STAR)
        assert isinstance(made, Reservation)
        assert await w.money.settle(made, {"content": operation})
    except LunaluxError as error:
        return error.code
    return "paid"


async def spend_many(endpoint: str, user_id: str, first: int) -> None:
    """The body of one server process: a third of the clients at once."""
    store = DynamoStore(AwsAccess("us-east-1", endpoint, "test", "test"), table_specs())
    w = World(store)
    names = [f"op{first + number}" for number in range(CLIENTS // PROCESSES)]
    print("\n".join(await asyncio.gather(*(spend(w, user_id, name) for name in names))))  # noqa: T201
    await store.aclose()


async def test_an_accounts_first_day_on_dynamodb(access: AwsAccess) -> None:
    store = DynamoStore(access, table_specs())
    w, user = World(store), uuid4()
    account = await w.users.init(user, "ada@example.org")
    assert (account.wallet.star_coin, account.wallet.luna_coin) == (100, 100)
    assert await spend(w, user, "op") == "paid"
    assert await spend(w, user, "other") == "paid"
    await w.money.refund(await w.reserve(STAR, "in-vain", user))
    coupons = Coupons(store, TABLES, w.ledgers, w.now)
    code = uuid4()
    await coupons.create(code, "luna", 7, 3)
    assert (await coupons.redeem(user, code)).amount == 7
    assert (await w.users.rename(user, f"n{code[:8]}")).username == f"n{code[:8]}"
    assert await w.balances(user) == {"star": 90, "luna": 107}
    await w.check(user)
    history = await w.ledgers.history(user)
    assert sorted(movement.kind for movement in history.movements) == [
        "charge",
        "charge",
        "charge",  # the one that was given back
        "coupon",
        "init",
        "init",
    ]
    await store.aclose()


async def test_a_chat_turn_costs_a_few_requests_whatever_the_history(access: AwsAccess) -> None:
    names: list[str] = []
    store = DynamoStore(access, table_specs(), counted=names.append)
    w, user = World(store), uuid4()
    await w.users.init(user, "ada@example.org")
    costs = []
    for number in range(6):
        names.clear()
        assert await spend(w, user, f"op{number}") == "paid"
        costs.append(sorted(names))
    assert costs[0] == ["get_item", "transact_write_items", "transact_write_items"]
    assert all(cost == costs[0] for cost in costs)
    await store.aclose()


@pytest.mark.slow
async def test_a_hundred_clients_at_three_servers(access: AwsAccess) -> None:
    """A wallet worth fifty replies pays exactly fifty, whichever server is asked."""
    store = DynamoStore(access, table_specs())
    w, user = World(store), uuid4()
    await w.users.init(user, "ada@example.org")
    await w.wallets.adjust(user, "star", 150)
    code = "import asyncio, sys; from test_money_dynamodb import spend_many; " + (
        "asyncio.run(spend_many(sys.argv[1], sys.argv[2], int(sys.argv[3])))"
    )
    per_process = CLIENTS // PROCESSES
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(access.endpoint), user, str(number * per_process)],
            cwd=Path(__file__).parent,
            env={"PYTHONPATH": f"{ROOT}:{Path(__file__).parent}", "PATH": "/usr/bin:/bin"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(PROCESSES)
    ]
    outcomes: list[str] = []
    for process in processes:
        output, errors = await asyncio.to_thread(process.communicate, timeout=120)
        assert process.returncode == 0, errors
        outcomes += output.split()
    assert len(outcomes) == CLIENTS
    assert outcomes.count("paid") == 50, outcomes
    assert set(outcomes) <= {"paid", "INSUFFICIENT_FUNDS", "BILLING_FAILED"}
    assert (await w.balances(user))["star"] == 0
    assert await w.open_rows(user) == 0
    await w.check(user)
    await store.aclose()


@pytest.mark.slow
async def test_a_wallet_read_and_then_written_is_overspent(access: AwsAccess) -> None:
    """A control: the same rush with a check before the write instead of a condition on it."""
    store = DynamoStore(access, table_specs())
    w, user = World(store), uuid4()
    await w.users.init(user, "ada@example.org")

    async def naive() -> None:
        if (await w.balances(user))["star"] >= 5:
            await store.write(
                Update(TABLES.wallet, (f"USER#{user}", "WALLET"), incr={"starCoin": -5}, when=Exists())
            )

    await asyncio.gather(*(naive() for _ in range(60)))
    assert (await w.balances(user))["star"] < 0
    await store.aclose()


async def test_the_sweep_follows_the_index_and_reads_everything_where_it_is_missing(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    without = tuple(
        replace(spec, indexes=()) if spec.name == TABLES.ledger else spec for spec in table_specs()
    )
    with ministack(tmp_path_factory.mktemp("swept")) as running:
        for specs in (table_specs(), without):
            await provision(running, specs)
            store = DynamoStore(running, table_specs())
            w, user = World(store), uuid4()
            await w.users.init(user, "ada@example.org")
            await w.reserve(STAR, "crashed", user)
            assert (await w.balances(user))["star"] == 95
            w.clock += HOLD_MS
            characters = Characters(store, TABLES, RankingSettings(), w.now)
            dialogues = Dialogues(store, TABLES, characters, RankingSettings(), w.now)
            swept = await Sweeper(store, TABLES, w.money, w.ledgers, dialogues, w.now).sweep_open()
            assert swept.refunded == 1 and (await w.balances(user))["star"] == 100
            await store.aclose()
            running.client("dynamodb").delete_table(TableName=TABLES.ledger)
