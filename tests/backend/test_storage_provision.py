"""`lunalux admin provision` and `migrate-sk`: what they would do, what they do, twice."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from storage_engines import ministack, named, plant, sqlite_store

from lunalux_core.backend.storage.aws_calls import AwsAccess
from lunalux_core.backend.storage.dynamodb import DynamoStore
from lunalux_core.backend.storage.migrate import migrate_sk, move
from lunalux_core.backend.storage.provision import Provisioner, StorageChange
from lunalux_core.backend.storage.schema import table_specs
from lunalux_core.backend.storage.table import Exists, Key, Put, Update

CARDS = "character_table_EN"


@pytest.fixture(scope="module")
def access(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsAccess]:
    with ministack(tmp_path_factory.mktemp("ministack")) as running:
        yield running


async def test_a_plan_names_everything_and_does_nothing(access: AwsAccess) -> None:
    specs = table_specs(named("plan"))
    provisioner = Provisioner(access, specs, "planned", ["https://a.example"])
    first, second = await provisioner.plan(), await provisioner.plan()
    assert first == second
    texts = [str(change) for change in first]
    assert "create table user_wallet_table_plan with no index" in texts
    assert "let items of liked_table_plan expire by expiresAt" in texts
    indexes = "GSI_DIRTY_HOT, GSI_HOT, GSI_DIRTY_TIME, GSI_TIME"
    assert f"create table character_table_CN_plan with {indexes}" in texts
    assert texts[-4:] == [
        "create bucket planned",
        "block all public access to planned",
        "encrypt what is stored in planned",
        "let browsers from https://a.example read and upload in planned",
    ]
    await provisioner.aclose()


async def test_what_was_made_is_as_documented_and_made_once(access: AwsAccess) -> None:
    specs = table_specs(named("made"))
    provisioner = Provisioner(access, specs, "made-cards", ["https://a.example"])
    made = await provisioner.apply()
    assert len(made) == 9 + 4 + 4
    assert await provisioner.plan() == []
    assert await provisioner.apply() == []
    await provisioner.apply(made)  # an older plan is harmless
    client = access.client("dynamodb")
    table = client.describe_table(TableName="character_table_EN_made")["Table"]
    assert [(key["AttributeName"], key["KeyType"]) for key in table["KeySchema"]] == [
        ("PK", "HASH"),
        ("SK", "RANGE"),
    ]
    keys = {
        index["IndexName"]: [key["AttributeName"] for key in index["KeySchema"]]
        for index in table["GlobalSecondaryIndexes"]
    }
    assert keys == {
        "GSI_DIRTY_HOT": ["DIRTY_PK", "DIRTY_SK"],
        "GSI_HOT": ["GSI_HOT_PK", "GSI_HOT_SK"],
        "GSI_DIRTY_TIME": ["DIRTY_TIME_PK", "DIRTY_TIME_SK"],
        "GSI_TIME": ["GSI_TIME_PK", "GSI_TIME_SK"],
    }
    ttl = client.describe_time_to_live(TableName="liked_table_made")["TimeToLiveDescription"]
    assert ttl["AttributeName"] == "expiresAt"
    never = client.describe_time_to_live(TableName="ledger_summary_table_made")["TimeToLiveDescription"]
    assert never["TimeToLiveStatus"] == "DISABLED", "a movement that vanished would break the books"
    blocked = access.client("s3").get_public_access_block(Bucket="made-cards")
    assert set(blocked["PublicAccessBlockConfiguration"].values()) == {True}
    (rule,) = client_cors(access, "made-cards")
    assert set(rule["AllowedMethods"]) == {"GET", "PUT", "HEAD"}
    assert rule["AllowedOrigins"] == ["https://a.example"]
    await provisioner.aclose()


def client_cors(access: AwsAccess, bucket: str) -> Any:
    return access.client("s3").get_bucket_cors(Bucket=bucket)["CORSRules"]


async def test_missing_parts_are_added_to_what_is_there(access: AwsAccess) -> None:
    specs = table_specs(named("grown"))
    without = tuple(replace(spec, ttl=None, indexes=spec.indexes[:2]) for spec in specs)
    provisioner = Provisioner(access, without, "grown-cards")
    await provisioner.apply()
    await provisioner.aclose()
    provisioner = Provisioner(access, specs, "grown-cards", ["https://a.example"])
    changes = await provisioner.plan()
    assert StorageChange("index", "character_table_EN_grown", "GSI_TIME") in changes
    assert StorageChange("ttl", "user_table_grown", "expiresAt") in changes
    assert {change.kind for change in changes} == {"index", "ttl", "cors"}
    await provisioner.apply(changes)
    assert await provisioner.plan() == []
    provisioner_with_other = Provisioner(access, specs, "grown-cards", ["https://b.example"])
    assert [change.kind for change in await provisioner_with_other.plan()] == ["cors"]
    await provisioner_with_other.aclose()
    await provisioner.aclose()


def legacy(number: int, **more: Any) -> dict[str, Any]:
    return {
        "PK": f"CHAR#{number}",
        "SK": "0",
        "CharacterID": str(number),
        "HeatScore": number,
        "Tags": frozenset({"a", "b"}),
        "Metadata": {"TotalCoinUsed": 4},
        "GSI_HOT_PK": "ALL#HOT",
        "GSI_HOT_SK": f"NEGHEAT#{number}",
        **more,
    }


async def test_older_cards_move_to_the_new_key_and_only_once(tmp_path: Path) -> None:
    async with sqlite_store(tmp_path) as store:
        for number in range(5):
            await store.write(Put(CARDS, legacy(number)))
        await store.write(Put(CARDS, {**legacy(9), "SK": "PROFILE"}))
        await store.write(Put(CARDS, legacy(9)))
        await store.write(Put(CARDS, {"PK": "TOP#HOT", "SK": "0"}))
        assert (await migrate_sk(store, CARDS, dry_run=True)).moved == 6
        done = await migrate_sk(store, CARDS)
        assert (done.moved, done.doubled) == (5, ("CHAR#9",))
        assert await store.get(CARDS, ("CHAR#3", "0")) is None
        assert await store.get(CARDS, ("CHAR#3", "PROFILE")) == {**legacy(3), "SK": "PROFILE"}
        page = await store.query(CARDS, "ALL#HOT", index="GSI_HOT")
        assert len({row["PK"] for row in page.items}) == 6
        assert (await migrate_sk(store, CARDS)).moved == 0


async def test_counts_made_during_the_migration_are_kept(tmp_path: Path) -> None:
    async with sqlite_store(tmp_path) as store:
        for number in range(3):
            await store.write(Put(CARDS, legacy(number)))
        counting = True

        async def count() -> int:
            counted = 0
            while counting:
                for sk in ("0", "PROFILE"):
                    try:
                        await store.write(
                            Update(CARDS, Key("CHAR#1", sk), incr={"HeatScore": 1}, when=Exists())
                        )
                        counted += 1
                    except Exception:
                        continue
            return counted

        work = asyncio.create_task(count())
        await asyncio.sleep(0.02)
        done = await migrate_sk(store, CARDS)
        counting = False
        counted = await work
        card = await store.get(CARDS, ("CHAR#1", "PROFILE")) or await store.get(CARDS, ("CHAR#1", "0"))
        assert card is not None and card["HeatScore"] == 1 + counted
        assert done.moved >= 2


async def test_what_is_counted_on_a_card_with_a_fraction_of_heat_moves_along(tmp_path: Path) -> None:
    async with sqlite_store(tmp_path) as store:
        await plant(store, CARDS, legacy(1, HeatScore=12.6))
        as_read = await store.get(CARDS, ("CHAR#1", "0"))
        assert as_read is not None
        await store.write(Update(CARDS, Key("CHAR#1", "0"), incr={"HeatScore": 5}))
        assert await move(store, CARDS, as_read)
        card = await store.get(CARDS, ("CHAR#1", "PROFILE"))
        assert card is not None and card["HeatScore"] == 18


async def test_fractions_of_heat_are_rounded_on_the_way(access: AwsAccess) -> None:
    specs = table_specs(named("fractions"))
    provisioner = Provisioner(access, specs, "grown-cards")
    await provisioner.apply()
    await provisioner.aclose()
    table = named("fractions").character_en
    access.client("dynamodb").put_item(
        TableName=table,
        Item={
            "PK": {"S": "CHAR#x"},
            "SK": {"S": "0"},
            "HeatScore": {"N": "12.5"},
            "Metadata": {"M": {"TotalCoinUsed": {"N": "2.0"}}},
        },
    )
    store = DynamoStore(access, specs)
    found = await store.get(table, ("CHAR#x", "0"))
    assert found is not None and found["HeatScore"] == Decimal("12.5")
    assert (await migrate_sk(store, table)).moved == 1
    moved = await store.get(table, ("CHAR#x", "PROFILE"))
    assert moved == {"PK": "CHAR#x", "SK": "PROFILE", "HeatScore": 12, "Metadata": {"TotalCoinUsed": 2}}
    await store.aclose()


async def test_uploads_expire_by_a_rule_beside_the_operators_own(access: AwsAccess) -> None:
    provisioner = Provisioner(access, (), "expiring", uploads="characters/original/u-")
    assert [change.kind for change in await provisioner.apply()][-1] == "lifecycle"
    client = access.client("s3")
    own = {"ID": "mine", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 9}}
    client.put_bucket_lifecycle_configuration(Bucket="expiring", LifecycleConfiguration={"Rules": [own]})
    assert [change.kind for change in await provisioner.plan()] == ["lifecycle"]
    await provisioner.apply()
    rules = client.get_bucket_lifecycle_configuration(Bucket="expiring")["Rules"]
    found = {rule["ID"]: (rule["Filter"]["Prefix"], rule["Expiration"]["Days"]) for rule in rules}
    assert found == {"mine": ("logs/", 9), "lunalux-uploads": ("characters/original/u-", 3)}
    assert await provisioner.plan() == []
    await provisioner.aclose()


async def test_tables_are_guarded_against_loss(access: AwsAccess) -> None:
    specs = table_specs(named("guarded"))
    plain = Provisioner(access, specs, "")
    await plain.apply()
    await plain.aclose()
    guarded = Provisioner(access, specs, "", guarded=True)
    planned = await guarded.plan()
    assert {(change.kind, change.target) for change in planned} == {
        (kind, spec.name) for kind in ("recovery", "protection") for spec in specs
    }
    await guarded.apply()
    assert await guarded.plan() == []
    client = access.client("dynamodb")
    for spec in specs:
        assert client.describe_table(TableName=spec.name)["Table"]["DeletionProtectionEnabled"]
        backups = client.describe_continuous_backups(TableName=spec.name)["ContinuousBackupsDescription"]
        assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    await guarded.aclose()
