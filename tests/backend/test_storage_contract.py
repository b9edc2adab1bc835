"""The storage port's contract, the same on every engine."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from storage_engines import dynamo_store, ministack, moto, provision, sqlite_store

from lunalux_core.backend.storage.aws_calls import AwsAccess
from lunalux_core.backend.storage.table import (
    Absent,
    All,
    AnyOf,
    Check,
    Condition,
    ConditionFailed,
    Delete,
    Eq,
    Exists,
    Ge,
    Index,
    Invalid,
    Item,
    Key,
    Le,
    NotInSet,
    Operation,
    Page,
    Put,
    Store,
    TableSpec,
    Unavailable,
    Update,
)
from lunalux_core.ids import uuid4

T = "lunalux_test_things"
OTHER = "lunalux_test_others"
SPECS = (
    TableSpec(
        T,
        ttl="expiresAt",
        indexes=(Index("BY_RANK", "RANK_PK", "RANK_SK", include=()), Index("WHOLE", "WHOLE_PK", "WHOLE_SK")),
    ),
    TableSpec(OTHER),
)
VALUES: dict[str, Any] = {
    "text": "héllo \u0000 世界 🌙",
    "empty": "",
    "int": -(2**62),
    "yes": True,
    "no": False,
    "none": None,
    "list": [1, "two", [None, {"deep": frozenset({"x"})}], True],
    "map": {"a": {"b": 1}, "$set": ["x"], "list": []},
    "look": {"$set": ["x"]},
    "mark": {"$$set": {"$set": 1}},
    "set": frozenset({"ä", "b"}),
}


@pytest.fixture(scope="module")
def ministack_access(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsAccess]:
    with ministack(tmp_path_factory.mktemp("ministack")) as access:
        asyncio.run(provision(access, SPECS))
        yield access


@pytest.fixture(scope="module")
def moto_access(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsAccess]:
    with moto(tmp_path_factory.mktemp("moto")) as access:
        asyncio.run(provision(access, SPECS))
        yield access


@pytest.fixture(scope="module")
def aws_access() -> AwsAccess:
    """Real AWS, or DynamoDB Local for those who may use it: where the environment points to. The two
    tables stay; they cost nothing while nobody uses them."""
    access = AwsAccess(os.environ.get("AWS_REGION", "us-east-1"))
    asyncio.run(provision(access, SPECS))
    return access


ENGINES = ["sqlite", "ministack", *(["aws"] if os.environ.get("LUNALUX_AWS_TESTS") == "1" else [])]


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> AwsAccess | None:
    """Where the store is: None for a SQLite file. A test runs on the engines that are right about what it
    asks: ministack accepts some wrong requests, moto is no judge of races."""
    access: AwsAccess | None = None
    if request.param != "sqlite":
        access = request.getfixturevalue(f"{request.param}_access")
    return access


VALIDATORS = pytest.mark.parametrize("engine", ["sqlite", "moto"], indirect=True)


@pytest.fixture
async def store(engine: AwsAccess | None, tmp_path: Path) -> AsyncIterator[Store]:
    if engine is None:
        async with sqlite_store(tmp_path, SPECS) as made:
            yield made
    else:
        async with dynamo_store(engine, SPECS) as made:
            yield made


@pytest.fixture
def key() -> Key:
    return Key(f"K#{uuid4()}", "A")


def item(key: Key, **attributes: Any) -> dict[str, Any]:
    return {"PK": key.pk, "SK": key.sk, **attributes}


async def test_every_kind_of_value_comes_back_as_it_was(store: Store, key: Key) -> None:
    whole = item(key, **VALUES)
    assert await store.write(Put(T, whole)) == whole
    row = await store.get(T, key)
    assert row == whole
    assert row is not None and row["yes"] is True and type(row["int"]) is int
    assert await store.get(T, (key.pk, "B")) is None


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (Exists(), True),
        (Absent(), False),
        (Exists("n"), True),
        (Exists("m.deep"), True),
        (Absent("m.other"), True),
        (Absent("nowhere.at.all"), True),
        (Eq("n", 5), True),
        (Eq("n", 6), False),
        (Eq("n", "5"), False),
        (Eq("flag", True), True),
        (Eq("flag", 1), False),
        (Eq("n", True), False),
        (Eq("missing", 5), False),
        (Eq("missing", None), False),
        (Eq("m", {"deep": 1}), True),
        (Eq("set", frozenset({"b", "a"})), True),
        (Ge("n", 5), True),
        (Ge("n", 6), False),
        (Ge("missing", 0), False),
        (Ge("text", 0), False),
        (Le("n", 5), True),
        (Le("n", 4), False),
        (Le("missing", 9), False),
        (NotInSet("set", "c"), True),
        (NotInSet("set", "a"), False),
        (NotInSet("missing", "a"), True),
        (All(Eq("n", 5), Eq("flag", True)), True),
        (All(Eq("n", 5), Eq("flag", False)), False),
        (AnyOf(Eq("n", 6), All(Exists("m"), Absent("x"))), True),
        (AnyOf(Eq("n", 6), Absent()), False),
    ],
)
async def test_conditions_mean_the_same_everywhere(
    store: Store, key: Key, condition: Condition, expected: bool
) -> None:
    stored = item(key, n=5, flag=True, text="5", m={"deep": 1}, set=frozenset({"a", "b"}))
    await store.write(Put(T, stored))
    update = Update(T, key, set={"changed": True}, when=condition)
    if expected:
        assert await store.write(update) == {**stored, "changed": True}
    else:
        with pytest.raises(ConditionFailed) as failed:
            await store.write(update)
        assert failed.value.old == stored
        assert await store.get(T, key) == stored


async def test_conditions_on_nothing(store: Store, key: Key) -> None:
    for condition in (Exists(), Eq("n", 1), Ge("n", 0), (Absent(), Exists("n"))):
        with pytest.raises(ConditionFailed) as failed:
            await store.write(Update(T, key, incr={"n": 1}, when=condition))
        assert failed.value.old is None
    assert await store.get(T, key) is None, "a refused update makes no item"
    assert await store.write(Update(T, key, incr={"n": 3}, when=Absent())) == item(key, n=3)


async def test_an_update_does_all_its_parts(store: Store, key: Key) -> None:
    await store.write(Put(T, item(key, n=1, gone="x", m={"a": 1}, tags=frozenset({"a"}), name="old")))
    update = Update(
        T,
        key,
        set={"name": "new", "m.b": {"c": None}},
        set_default={"n": 100, "first": 7, "m.a": 100},
        incr={"m.count": -2, "total": 4},
        add_to_set={"tags": frozenset({"b"}), "more": frozenset({"c"})},
        remove=("gone", "never"),
        when=Exists(),
    )
    expected = item(
        key,
        n=1,
        m={"a": 1, "b": {"c": None}, "count": -2},
        tags=frozenset({"a", "b"}),
        more=frozenset({"c"}),
        name="new",
        first=7,
        total=4,
    )
    assert await store.write(update) == expected
    assert await store.get(T, key) == expected


@VALIDATORS
@pytest.mark.parametrize(
    "update",
    [
        {"set": {"nomap.x": 1}},
        {"incr": {"nomap.x": 1}},
        {"incr": {"name": 1}},
        {"add_to_set": {"name": frozenset({"x"})}},
        {"set": {"m": {}}, "incr": {"m.a": 1}},
        {"set": {"m.a": 1}, "remove": ("m.a",)},
        {"set": {"PK": "other"}},
        {"remove": ("SK",)},
        {"set": {"bad": frozenset()}},
        {"set": {"bad": 1.5}},
        {"set": {"bad": 2**63}},
        {"set": {"bad": "\ud800"}},
        {"set": {"RANK_PK": 5}},
        {"set": {"RANK_SK": ""}},
        {"incr": {"RANK_SK": 1}},
        {},
    ],
)
async def test_impossible_updates_are_refused_and_change_nothing(
    store: Store, key: Key, update: dict[str, Any]
) -> None:
    stored = item(key, name="x", m={"a": 1})
    await store.write(Put(T, stored))
    with pytest.raises(Invalid):
        await store.write(Update(T, key, **update, when=Exists()))
    assert await store.get(T, key) == stored


async def test_a_text_holds_no_attributes(store: Store, key: Key) -> None:
    await store.write(Put(T, item(key, name="x")))
    with pytest.raises(Invalid):
        await store.write(Update(T, key, set={"name.x": 1}, when=Exists()))


@pytest.mark.parametrize(
    "bad", [{"PK": "", "SK": "x"}, {"PK": "x"}, {"PK": 5, "SK": "x"}, {"PK": "x" * 2049, "SK": "x"}]
)
async def test_bad_keys_are_refused(store: Store, bad: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        await store.write(Put(T, bad))


async def test_items_of_400_kilobytes_and_no_more(store: Store, key: Key) -> None:
    overhead = len("PKSK") + len(key.pk) + len(key.sk) + len("data")
    most = 400 * 1024 - overhead
    await store.write(Put(T, item(key, data="x" * most)))
    with pytest.raises(Invalid):
        await store.write(Put(T, item(key, data="x" * (most + 1))))
    with pytest.raises(Invalid):
        await store.write(Update(T, key, set={"more": "x" * 10}, when=Exists()))
    wide = item(Key(key.pk, "W"), data="世" * (most // 3 + 1))
    with pytest.raises(Invalid):
        await store.write(Put(T, wide))


async def test_a_delete_gives_back_what_it_took(store: Store, key: Key) -> None:
    stored = item(key, n=1)
    await store.write(Put(T, stored))
    with pytest.raises(ConditionFailed):
        await store.write(Delete(T, key, when=Eq("n", 2)))
    assert await store.write(Delete(T, key, when=Eq("n", 1))) == stored
    assert await store.write(Delete(T, key)) is None
    with pytest.raises(ConditionFailed):
        await store.write(Delete(T, key, when=Exists()))


async def test_a_put_replaces_the_whole_item(store: Store, key: Key) -> None:
    await store.write(Put(T, item(key, a=1)))
    await store.write(Put(T, item(key, b=2), when=Eq("a", 1)))
    assert await store.get(T, key) == item(key, b=2)
    with pytest.raises(ConditionFailed):
        await store.write(Put(T, item(key, c=3), when=Absent()))


async def test_a_transaction_does_all(store: Store, key: Key) -> None:
    gone, checked = Key(key.pk, "gone"), Key(key.pk, "checked")
    await store.write(Put(T, item(gone)))
    await store.write(Put(OTHER, item(checked, n=1)))
    await store.transact(
        [
            Put(T, item(key, n=1), when=Absent()),
            Delete(T, gone, when=Exists()),
            Update(OTHER, key, incr={"n": 5}),
            Check(OTHER, checked, when=Eq("n", 1)),
        ]
    )
    assert await store.get(T, key) == item(key, n=1)
    assert await store.get(T, gone) is None
    assert await store.get(OTHER, key) == item(key, n=5)


async def test_a_transaction_does_nothing_when_one_part_fails(store: Store, key: Key) -> None:
    there = Key(key.pk, "there")
    await store.write(Put(T, item(there, n=1)))
    with pytest.raises(ConditionFailed) as failed:
        await store.transact(
            [
                Put(T, item(key), when=Absent()),
                Check(OTHER, key, when=Absent()),
                Update(T, there, incr={"n": -5}, when=Ge("n", 5)),
                Delete(T, Key(key.pk, "none"), when=Exists()),
            ]
        )
    assert failed.value.index == 2, "the first that failed"
    assert failed.value.old == item(there, n=1)
    assert await store.get(T, key) is None
    assert await store.get(T, there) == item(there, n=1)


@VALIDATORS
async def test_a_late_type_error_rolls_everything_back(store: Store, key: Key) -> None:
    text = Key(key.pk, "text")
    await store.write(Put(T, item(text, n="text")))
    with pytest.raises(Invalid):
        await store.transact([Put(T, item(key)), Update(T, text, incr={"n": 1}, when=Exists())])
    assert await store.get(T, key) is None


async def test_transactions_have_limits(store: Store, key: Key) -> None:
    def puts(count: int) -> list[Operation]:
        return [Put(T, item(Key(key.pk, f"{number:03d}"))) for number in range(count)]

    await store.transact(puts(100))
    assert len((await store.query(T, key.pk, limit=100)).items) == 100
    large: list[Operation] = [
        Put(T, item(Key(key.pk, f"L{number}"), data="x" * 390_000)) for number in range(11)
    ]
    for bad in (puts(101), [], [Put(T, item(key)), Update(T, key, set={"a": 1})], large):
        with pytest.raises(Invalid):
            await store.transact(bad)


async def test_the_same_token_is_the_same_transaction(store: Store, key: Key) -> None:
    token = uuid4() + uuid4()
    add: list[Operation] = [Update(T, key, incr={"n": 5}), Put(OTHER, item(key, s=frozenset({"b", "a"})))]
    for _ in range(3):
        await store.transact(add, token=token)
    row = await store.get(T, key)
    assert row is not None and row["n"] == 5
    with pytest.raises(Invalid):
        await store.transact([Update(T, key, incr={"n": 6})], token=token)
    await store.transact(add, token=uuid4())
    assert (await store.get(T, key) or {})["n"] == 10


async def test_a_token_of_a_refused_transaction_is_free(store: Store, key: Key) -> None:
    token, add = uuid4(), [Update(T, key, incr={"n": 1}, when=Exists())]
    with pytest.raises(ConditionFailed):
        await store.transact(add, token=token)
    await store.write(Put(T, item(key, n=0)))
    await store.transact(add, token=token)
    assert (await store.get(T, key) or {})["n"] == 1


async def test_many_at_once(store: Store, key: Key) -> None:
    keys = [Key(key.pk, f"{number:03d}") for number in range(60)]
    for each in keys[:50]:
        await store.write(Put(T, item(each, n=each.sk)))
    found = await store.get_many(T, [*keys, keys[0]])
    assert found == {each: item(each, n=each.sk) for each in keys[:50]}
    assert await store.get_many(T, []) == {}
    with pytest.raises(Invalid):
        await store.get_many(T, [Key("x", str(number)) for number in range(101)])


async def every_page(store: Store, pk: str, **how: Any) -> tuple[list[str], list[Page]]:
    keys: list[str] = []
    pages: list[Page] = []
    after = None
    while True:
        page = await store.query(T, pk, after=after, **how)
        pages.append(page)
        keys += [row["SK"] for row in page.items]
        after = page.after
        if after is None:
            return keys, pages


@pytest.mark.parametrize("descending", [False, True])
async def test_queries_page_in_the_order_of_the_sort_key(store: Store, key: Key, descending: bool) -> None:
    names = ["A#1", "A#10", "A#2", "B#1", "a#1", "A", "Ä#1", "世#1"]
    for name in names:
        await store.write(Put(T, item(Key(key.pk, name))))
    ordered = sorted(names, key=str.encode, reverse=descending)
    keys, pages = await every_page(store, key.pk, limit=3, descending=descending)
    assert keys == ordered
    assert [len(page.items) for page in pages] == [3, 3, 2]
    keys, pages = await every_page(store, key.pk, prefix="A#", limit=3, descending=descending)
    assert keys == [name for name in ordered if name.startswith("A#")]
    assert len(pages) == 1, "a full last page knows that it is the last"
    assert (await every_page(store, f"{key.pk}-none"))[0] == []


@pytest.mark.parametrize("descending", [False, True])
async def test_an_index_holds_the_items_that_have_both_its_keys(
    store: Store, key: Key, descending: bool
) -> None:
    partition = f"ALL#{uuid4()}"
    for number in range(7):
        place = Key(f"{key.pk}#{number}", "A")
        await store.write(Put(T, item(place, RANK_PK=partition, RANK_SK=f"R#{number // 2}", more="x" * 50)))
    await store.write(Put(T, item(Key(f"{key.pk}#x", "A"), RANK_PK=partition)))
    await store.write(Put(T, item(Key(f"{key.pk}#y", "A"), RANK_SK="R#0")))
    found: list[Item] = []
    after = None
    while True:
        page = await store.query(T, partition, index="BY_RANK", after=after, limit=3, descending=descending)
        found += page.items
        after = page.after
        if after is None:
            break
        assert set(after) == {"PK", "SK", "RANK_PK", "RANK_SK"}
    assert len(found) == len({row["PK"] for row in found}) == 7
    ranks = [row["RANK_SK"] for row in found]
    assert ranks == sorted(ranks, reverse=descending)
    assert all(set(row) == {"PK", "SK", "RANK_PK", "RANK_SK"} for row in found), "keys only"
    one = await store.query(T, partition, index="BY_RANK", prefix="R#3")
    assert [row["RANK_SK"] for row in one.items] == ["R#3"]


async def test_an_index_follows_its_items(store: Store, key: Key) -> None:
    partition = f"ALL#{uuid4()}"
    await store.write(Put(T, item(key, WHOLE_PK=partition, WHOLE_SK="1", name="x")))
    page = await store.query(T, partition, index="WHOLE")
    assert page.items == (item(key, WHOLE_PK=partition, WHOLE_SK="1", name="x"),)
    await store.write(Update(T, key, set={"WHOLE_SK": "2"}, when=Exists()))
    assert [row["WHOLE_SK"] for row in (await store.query(T, partition, index="WHOLE")).items] == ["2"]
    await store.write(Update(T, key, remove=("WHOLE_SK",), when=Exists()))
    assert (await store.query(T, partition, index="WHOLE")).items == ()
    assert await store.get(T, key) == item(key, WHOLE_PK=partition, name="x")


async def test_positions_of_other_partitions_are_refused(store: Store, key: Key) -> None:
    good = {"PK": key.pk, "SK": "A", "RANK_PK": "P", "RANK_SK": "1"}
    bad: list[dict[str, Any]] = [
        {**good, "RANK_PK": "Q"},
        {"PK": key.pk, "SK": "A"},
        {**good, "RANK_SK": 5},
        {},
    ]
    for after in bad:
        with pytest.raises(Invalid):
            await store.query(T, "P", index="BY_RANK", after=after)
    for after in ({"PK": "other", "SK": "A"}, good):
        with pytest.raises(Invalid):
            await store.query(T, key.pk, after=after)
    with pytest.raises(Invalid):
        await store.query(T, "P", index="NO_SUCH")
    with pytest.raises(Invalid):
        await store.query("no such table", "P")


async def test_a_scan_sees_every_item(store: Store) -> None:
    keys = {Key(f"S#{uuid4()}", "A") for _ in range(30)}
    for each in keys:
        await store.write(Put(OTHER, item(each, data="x" * 60_000)))  # more than one answer of 1 MB
    seen = [Key(row["PK"], row["SK"]) async for row in store.scan_all(OTHER)]
    assert keys <= set(seen)
    assert len(seen) == len(set(seen))


async def test_fifty_coins_among_a_hundred(store: Store, key: Key) -> None:
    """Wallet, ledger and movement in one transaction: nothing lost, nothing minted."""
    ledger = Key(key.pk, "L")
    await store.write(Put(T, item(key, coins=50)))
    await store.write(Put(T, item(ledger, used=0)))

    async def spend(number: int) -> bool:
        writes: list[Operation] = [
            Update(T, key, incr={"coins": -1}, when=Ge("coins", 1)),
            Update(T, ledger, incr={"used": 1}, when=Exists()),
            Put(OTHER, item(Key(key.pk, f"M#{number}")), when=Absent()),
        ]
        try:
            await store.transact(writes)
        except ConditionFailed:
            return False
        return True

    outcomes = await asyncio.gather(*map(spend, range(100)))
    assert outcomes.count(True) == 50
    assert (await store.get(T, key) or {})["coins"] == 0
    assert (await store.get(T, ledger) or {})["used"] == 50
    assert len((await store.query(OTHER, key.pk, limit=100)).items) == 50


async def test_after_the_end(store: Store, key: Key) -> None:
    await store.write(Put(T, item(key)))
    assert await store.get(T, key) == item(key)
    await store.aclose()
    await store.aclose()
    with pytest.raises(Unavailable):
        await store.get(T, key)
