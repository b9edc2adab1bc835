"""The same random operations on SQLite and on DynamoDB's wire: the same answers, the same items after."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from storage_engines import ministack, provision

from lunalux_core.backend.storage.aws_calls import AwsAccess
from lunalux_core.backend.storage.dynamodb import DynamoStore
from lunalux_core.backend.storage.sqlite import SqliteStore
from lunalux_core.backend.storage.table import (
    Absent,
    AnyOf,
    Check,
    Condition,
    ConditionFailed,
    Delete,
    Eq,
    Exists,
    Ge,
    Index,
    Key,
    Le,
    NotInSet,
    Operation,
    Put,
    Store,
    TableSpec,
    Update,
)
from lunalux_core.ids import uuid4

SPECS = (TableSpec("diff", indexes=(Index("BY_I", "I_PK", "I_SK", include=()),)),)
NUMBERS = st.integers(-3, 3)
SETS = st.frozensets(st.sampled_from("abc"), min_size=1)
SIMPLE: st.SearchStrategy[Condition] = st.one_of(
    st.sampled_from([Exists(), Absent(), Exists("n"), Absent("n"), Exists("m.x"), Absent("m.x")]),
    st.builds(Eq, st.sampled_from(["n", "m.x"]), NUMBERS | st.booleans() | st.text("ab", max_size=2)),
    st.builds(Eq, st.just("s"), SETS),
    st.builds(Ge, st.sampled_from(["n", "m.x", "t"]), NUMBERS),
    st.builds(Le, st.sampled_from(["n", "m.x", "t"]), NUMBERS),
    st.builds(NotInSet, st.just("s"), st.sampled_from("abc")),
)
WHEN = st.none() | SIMPLE | st.builds(AnyOf, SIMPLE, SIMPLE) | st.tuples(SIMPLE, SIMPLE)
ATTRIBUTES = st.fixed_dictionaries(
    {},
    optional={
        "n": NUMBERS,
        "t": st.text("ab", max_size=2),
        "s": SETS,
        "m": st.fixed_dictionaries({}, optional={"x": NUMBERS}),
        "I_PK": st.just("P"),
        "I_SK": st.sampled_from(["1", "2", "3"]),
    },
)
CHANGES = st.fixed_dictionaries(
    {"incr": st.fixed_dictionaries({}, optional={"n": NUMBERS, "k": NUMBERS})},
    optional={
        "set": st.dictionaries(st.sampled_from(["t", "I_SK"]), st.sampled_from(["1", "2"]), max_size=2),
        "set_default": st.dictionaries(st.sampled_from(["d", "I_PK"]), st.just("P"), max_size=2),
        "add_to_set": st.fixed_dictionaries({}, optional={"s": SETS}),
        "remove": st.sampled_from([(), ("m",), ("gone",)]),
    },
).filter(lambda change: any(change.values()))
PLACES = st.integers(0, 3)


@st.composite
def operations(draw: st.DrawFn) -> tuple[str, int, dict[str, Any], Any]:
    kind = draw(st.sampled_from(["put", "update", "update", "delete", "check"]))
    body: dict[str, Any] = draw(ATTRIBUTES if kind == "put" else CHANGES if kind == "update" else st.just({}))
    return kind, draw(PLACES), body, draw(SIMPLE if kind == "check" else WHEN)


STEPS = st.lists(st.lists(operations(), min_size=1, max_size=3, unique_by=lambda o: o[1]), max_size=12)


@pytest.fixture(scope="module")
def access(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsAccess]:
    with ministack(tmp_path_factory.mktemp("ministack")) as running:
        asyncio.run(provision(running, SPECS))
        yield running


def built(pk: str, step: tuple[str, int, dict[str, Any], Any]) -> Operation:
    kind, place, body, when = step
    key = Key(f"{pk}#{place}", "A")
    if kind == "put":
        return Put("diff", {"PK": key.pk, "SK": key.sk, **body}, when=when)
    if kind == "update":
        return Update("diff", key, **body, when=when)
    return Delete("diff", key, when=when) if kind == "delete" else Check("diff", key, when=when)


async def run(store: Store, pk: str, steps: list[list[tuple[str, int, dict[str, Any], Any]]]) -> list[Any]:
    """What each transaction said, and every item in the end."""
    said: list[Any] = []
    for step in steps:
        writes = [built(pk, each) for each in step]
        try:
            if len(writes) == 1 and not isinstance(writes[0], Check):
                said.append(_bare(await store.write(writes[0])))
            else:
                await store.transact(writes)
                said.append("done")
        except ConditionFailed as failed:
            said.append((failed.index, _bare(failed.old)))
        said.append([_bare(await store.get("diff", (f"{pk}#{place}", "A"))) for place in range(4)])
    return said


def _bare(item: Any) -> Any:
    return None if item is None else {name: value for name, value in item.items() if name != "PK"}


@given(STEPS)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_both_stores_say_and_keep_the_same(
    access: AwsAccess, steps: list[list[tuple[str, int, dict[str, Any], Any]]]
) -> None:
    async def compare(folder: Path) -> None:
        pk = uuid4()
        here, there = SqliteStore(folder / "store", SPECS), DynamoStore(access, SPECS)
        try:
            assert await run(here, pk, steps) == await run(there, pk, steps)
        finally:
            await here.aclose()
            await there.aclose()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(compare(Path(folder)))
