"""DynamoDB that is slow, busy, or answers into the void: nothing is done twice, nothing unsaid."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.stub import Stubber
from fault_proxy import FaultProxy
from storage_engines import ministack, named, provision, sqlite_store

from lunalux_core.backend.storage.aws_calls import ATTEMPTS, AwsAccess, AwsCallError, Caller
from lunalux_core.backend.storage.dynamodb import DynamoStore
from lunalux_core.backend.storage.schema import table_specs
from lunalux_core.backend.storage.table import ConditionFailed, Exists, Ge, Key, Put, Unavailable, Update

NAMES = named("faults")
SPECS = table_specs(NAMES)
T = NAMES.wallet
WALLET = Key("USER#ada", "WALLET")


class Healing(FaultProxy):
    """Drops answers until one was dropped."""

    dropping = False

    async def _forward(self, fault: str, *rest: Any) -> None:
        fault, self.dropping = ("drop-answer" if self.dropping else fault), False
        await super()._forward(fault, *rest)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def access(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsAccess]:
    with ministack(tmp_path_factory.mktemp("ministack")) as running:
        asyncio.run(provision(running, SPECS))
        yield running


@pytest.fixture
async def proxy(access: AwsAccess) -> AsyncIterator[Healing]:
    async with Healing(urlsplit(str(access.endpoint)).port or 0).running() as running:
        assert isinstance(running, Healing)
        yield running


@pytest.fixture
async def store(access: AwsAccess, proxy: Healing) -> AsyncIterator[DynamoStore]:
    """A store that reaches DynamoDB through the proxy, with a wallet of 100 in it."""
    made = DynamoStore(replace(access, endpoint=proxy.url), SPECS)
    await made.write(Put(T, {"PK": WALLET.pk, "SK": WALLET.sk, "starCoin": 100}))
    yield made
    await made.aclose()


async def coins(store: DynamoStore) -> int:
    return int((await store.get(T, WALLET) or {})["starCoin"])


async def test_a_transaction_whose_answer_is_lost_is_applied_once(store: DynamoStore, proxy: Healing) -> None:
    proxy.dropping = True
    before = proxy.count.total()
    await store.transact([Update(T, WALLET, incr={"starCoin": -5}, when=Ge("starCoin", 5))], token="once")
    assert proxy.count.total() == before + 2, "it was asked again"
    assert await coins(store) == 95


async def test_a_lone_write_in_doubt_is_never_repeated(store: DynamoStore, proxy: Healing) -> None:
    proxy.dropping = True
    with pytest.raises(Unavailable) as lost:
        await store.write(Update(T, WALLET, incr={"starCoin": -5}, when=Exists()))
    assert lost.value.maybe_applied
    assert await coins(store) == 95, "it was applied, and only reading tells"


async def test_the_sdk_alone_would_charge_twice(
    access: AwsAccess, store: DynamoStore, proxy: Healing
) -> None:
    """A control: boto3 as it comes repeats the write whose answer was lost."""
    import boto3

    client = boto3.client(
        "dynamodb",
        region_name=access.region,
        endpoint_url=proxy.url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    proxy.dropping = True
    await asyncio.to_thread(
        client.update_item,
        TableName=T,
        Key={"PK": {"S": WALLET.pk}, "SK": {"S": WALLET.sk}},
        UpdateExpression="ADD starCoin :n",
        ExpressionAttributeValues={":n": {"N": "-5"}},
    )
    assert await coins(store) == 90


async def test_a_read_is_asked_again(store: DynamoStore, proxy: Healing) -> None:
    proxy.dropping = True
    assert await coins(store) == 100


async def test_a_store_that_is_away_is_said_to_be(store: DynamoStore, proxy: Healing) -> None:
    proxy.fault = "refuse"
    with pytest.raises(Unavailable) as away:
        await store.transact([Update(T, WALLET, incr={"starCoin": -5}, when=Exists())])
    assert away.value.code == "STORE_UNAVAILABLE"
    proxy.fault = ""
    assert await coins(store) == 100


async def test_tables_that_were_never_made_are_named(access: AwsAccess) -> None:
    store = DynamoStore(access, table_specs(named("nowhere")))
    with pytest.raises(Unavailable, match="user_table_nowhere does not exist"):
        await store.get("user_table_nowhere", ("a", "b"))
    await store.aclose()


def stubbed(answers: list[tuple[str, str, dict[str, Any]]], counted: Counter[str]) -> Caller:
    """A caller whose client answers with the given errors, in order."""
    client = AwsAccess("us-east-1", None, "test", "test").client("dynamodb")
    stubber = Stubber(client)
    for method, code, more in answers:
        if code:
            stubber.add_client_error(method, code, http_status_code=400, modeled_fields=more)
        else:
            stubber.add_response(method, {})
    stubber.activate()
    return Caller(lambda: client, counted=lambda name: counted.update([name]))


ITEM = {"Delete": {"TableName": T, "Key": {"PK": {"S": "a"}, "SK": {"S": "b"}}}}
CONFLICT = {"CancellationReasons": [{"Code": "None"}, {"Code": "TransactionConflict"}]}
BUSY = {"CancellationReasons": [{"Code": "ThrottlingError"}, {"Code": "None"}]}


@pytest.mark.parametrize(
    ("code", "more"),
    [
        ("TransactionCanceledException", CONFLICT),
        ("TransactionCanceledException", BUSY),
        ("TransactionConflictException", {}),
        ("TransactionInProgressException", {}),
        ("ThrottlingException", {}),
        ("ProvisionedThroughputExceededException", {}),
        ("InternalServerError", {}),
    ],
)
async def test_what_may_pass_is_tried_again(code: str, more: dict[str, Any]) -> None:
    method, counted = "transact_write_items", Counter[str]()
    caller = stubbed([(method, code, more)] * 3 + [(method, "", {})], counted)
    await caller.call(method, repeatable=True, TransactItems=[ITEM])
    assert counted[method] == 4
    caller.close()


async def test_conflicts_that_last_are_told_in_the_end() -> None:
    method, counted = "transact_write_items", Counter[str]()
    caller = stubbed([(method, "TransactionCanceledException", CONFLICT)] * ATTEMPTS, counted)
    with pytest.raises(Unavailable) as busy:
        await caller.call(method, repeatable=True, TransactItems=[ITEM])
    assert not busy.value.maybe_applied
    assert counted[method] == ATTEMPTS
    caller.close()


@pytest.mark.parametrize(
    ("code", "more"),
    [
        ("TransactionCanceledException", {"CancellationReasons": [{"Code": "ConditionalCheckFailed"}]}),
        ("IdempotentParameterMismatchException", {}),
        ("AccessDeniedException", {}),
        ("ValidationException", {}),
    ],
)
async def test_what_is_final_is_not_tried_again(code: str, more: dict[str, Any]) -> None:
    method, counted = "transact_write_items", Counter[str]()
    caller = stubbed([(method, code, more)], counted)
    with pytest.raises(AwsCallError) as refused:
        await caller.call(method, repeatable=True, TransactItems=[ITEM])
    assert refused.value.code == code
    assert counted[method] == 1
    caller.close()


async def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "file-in-the-way"
    folder.write_text("x")
    async with sqlite_store(folder) as store:
        with pytest.raises(Unavailable):
            await store.get("user_table", ("a", "b"))


async def test_a_refused_condition_is_no_outage(store: DynamoStore) -> None:
    with pytest.raises(ConditionFailed) as failed:
        await store.transact([Update(T, WALLET, incr={"starCoin": -500}, when=Ge("starCoin", 500))])
    assert failed.value.index == 0 and failed.value.old is not None
