"""The session registry on a real store: one active session, on any number of instances."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lunalux_core.backend.accounts.sessions import Sessions
from lunalux_core.backend.running.signatures import Signer
from lunalux_core.backend.storage.schema import table_specs
from lunalux_core.backend.storage.sqlite import SqliteStore
from lunalux_core.errors import SessionError

SECRET = "a-secret-of-some-length"


class Clock:
    def __init__(self) -> None:
        self.ms = 1_770_000_000_000

    def __call__(self) -> int:
        return self.ms


class CountingStore(SqliteStore):
    """The real store, counting its reads."""

    reads = 0

    async def get(self, table: str, key: tuple[str, str], *, consistent: bool = True):  # type: ignore[no-untyped-def]
        self.reads += 1
        return await super().get(table, key, consistent=consistent)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[CountingStore]:
    store = CountingStore(tmp_path / "store.db", table_specs())
    yield store
    await store.aclose()


def registry(store: SqliteStore, clock: Clock, *, cache_s: float = 0, secret: str = SECRET) -> Sessions:
    return Sessions(store, "user_table", Signer([secret]), ttl_s=3600, cache_s=cache_s, now_ms=clock)


async def refused(sessions: Sessions, user: str, token: str) -> str:
    with pytest.raises(SessionError) as caught:
        await sessions.check(user, token)
    return caught.value.code


async def test_a_newer_session_takes_over_on_every_instance(store: CountingStore) -> None:
    here, there = registry(store, Clock()), registry(store, Clock())
    old = await here.open("u1", "a@example.org")
    assert (await there.check("u1", old)).email == "a@example.org"
    new = await there.open("u1", "a@example.org")
    assert await refused(here, "u1", old) == "SESSION_TAKEN_OVER"
    assert (await here.check("u1", new)).epoch == 2


async def test_foreign_forged_cut_and_expired_tokens_are_unknown(store: CountingStore) -> None:
    clock = Clock()
    sessions = registry(store, clock)
    token = await sessions.open("u1", "a@example.org")
    await sessions.open("u2", "b@example.org")
    assert await refused(sessions, "u2", token) == "UNAUTHORIZED"
    assert await refused(sessions, "", token) == "UNAUTHORIZED"
    assert await refused(sessions, "u1", "") == "UNAUTHORIZED"
    assert await refused(sessions, "u1", token[:-1]) == "UNAUTHORIZED"
    forged = Signer(["another-secret-entirely"]).sign("session", {"u": "u1", "s": "x", "e": 9, "x": 2**40})
    assert await refused(sessions, "u1", forged) == "UNAUTHORIZED"
    own = Signer([SECRET])
    for claims in ({"u": "u1"}, {"u": "u1", "s": "x", "e": 1, "x": 2**40}, {"u": "u1", "e": "1", "x": 2**40}):
        assert await refused(sessions, "u1", own.sign("session", claims)) == "UNAUTHORIZED"
    clock.ms += 3600_000
    assert await refused(sessions, "u1", token) == "UNAUTHORIZED"


async def test_a_token_that_no_row_knows_is_never_adopted(store: CountingStore, tmp_path: Path) -> None:
    token = await registry(store, Clock()).open("u1", "a@example.org")
    empty = SqliteStore(tmp_path / "lost.db", table_specs())
    try:
        assert await refused(registry(empty, Clock()), "u1", token) == "UNAUTHORIZED"
    finally:
        await empty.aclose()


async def test_signing_out_ends_the_session_for_good(store: CountingStore) -> None:
    sessions = registry(store, Clock(), cache_s=5)
    first = await sessions.open("u1", "a@example.org")
    assert await sessions.close("u1", first) and not await sessions.close("u2", first)
    assert await refused(sessions, "u1", first) == "UNAUTHORIZED"
    assert await sessions.repair("u1", "a@example.org") is None
    await sessions.open("u1", "a@example.org")
    assert await refused(sessions, "u1", first) == "SESSION_TAKEN_OVER"


async def test_a_displaced_device_cannot_sign_the_new_one_out(store: CountingStore) -> None:
    sessions = registry(store, Clock())
    token = await sessions.open("u1", "a@example.org")
    old = await sessions.check("u1", token)
    new = await sessions.open("u1", "a@example.org")
    assert not await sessions.close("u1", token)
    assert await sessions.check("u1", new)
    with pytest.raises(SessionError, match="another device"):
        await sessions.refresh(old)


async def test_refreshing_keeps_the_session_and_retires_the_old_token(store: CountingStore) -> None:
    clock = Clock()
    here, there = registry(store, clock, cache_s=5), registry(store, clock, cache_s=5)
    first = await here.open("u1", "a@example.org")
    await there.check("u1", first)
    clock.ms += 1_800_000
    second = await here.refresh(await here.check("u1", first))
    assert (await there.check("u1", second)).session_id == (await here.check("u1", second)).session_id
    assert await refused(here, "u1", first) == "UNAUTHORIZED"
    clock.ms += 1_900_000
    assert await here.check("u1", second)


class LateStore(CountingStore):
    """Writes are done, and then their answers wait for `answer`; reads are as they were when asked."""

    answer: asyncio.Event | None = None

    async def write(self, *args, **more):  # type: ignore[no-untyped-def]
        written = await super().write(*args, **more)
        if self.answer is not None and written is not None and "tokenHash" in written:
            await self.answer.wait()
        return written


async def test_a_refresh_whose_answer_comes_late_is_not_remembered(tmp_path: Path) -> None:
    """Of refresh and sign-out the store did the sign-out last; here its answer comes first."""
    store = LateStore(tmp_path / "late.db", table_specs())
    try:
        sessions = registry(store, Clock(), cache_s=5)
        token = await sessions.open("u1", "a@example.org")
        session = await sessions.check("u1", token)
        store.answer = asyncio.Event()
        refreshing = asyncio.create_task(sessions.refresh(session))
        row = await store.get("user_table", ("USER#u1", "SESSION"))
        while row and row["tokenHash"] == session.token_hash:
            await asyncio.sleep(0)
            row = await store.get("user_table", ("USER#u1", "SESSION"))
        assert await sessions.close("u1", token)
        store.answer.set()
        assert await refused(sessions, "u1", await refreshing) == "UNAUTHORIZED"
    finally:
        await store.aclose()


class RepeatingStore(CountingStore):
    """Sends each update twice, as a client does whose first answer was lost."""

    async def write(self, op, **more):  # type: ignore[no-untyped-def]
        await super().write(op, **more)
        return await super().write(op, **more)


async def test_a_refresh_that_was_sent_twice_is_its_own(store: CountingStore, tmp_path: Path) -> None:
    sessions = registry(store, Clock(), cache_s=5)
    first = await sessions.open("u1", "a@example.org")
    repeating = RepeatingStore(tmp_path / "store.db", table_specs())
    try:
        there = registry(repeating, Clock(), cache_s=5)
        second = await there.refresh(await there.check("u1", first))
    finally:
        await repeating.aclose()
    assert await sessions.check("u1", second)


async def test_repair_is_only_for_a_lost_row(store: CountingStore) -> None:
    sessions = registry(store, Clock())
    token = await sessions.repair("u1", "a@example.org")
    assert token is not None and await sessions.check("u1", token)
    assert await sessions.repair("u1", "a@example.org") is None


async def test_validation_reads_the_row_at_most_once_in_five_seconds(store: CountingStore) -> None:
    sessions = registry(store, Clock(), cache_s=5)
    token = await sessions.open("u1", "a@example.org")
    store.reads = 0
    for _ in range(20):
        await sessions.check("u1", token)
    assert store.reads == 0  # the one that opened it remembers it
    other = registry(store, Clock(), cache_s=5)
    for _ in range(20):
        await other.check("u1", token)
    assert store.reads == 1


async def test_a_stale_cache_never_refuses_a_fresh_session(store: CountingStore) -> None:
    here, there = registry(store, Clock(), cache_s=5), registry(store, Clock(), cache_s=5)
    await here.check("u1", await here.open("u1", "a@example.org"))
    new = await there.open("u1", "a@example.org")
    assert (await here.check("u1", new)).epoch == 2


async def test_a_rotated_secret_signs_nobody_out(store: CountingStore) -> None:
    token = await registry(store, Clock(), secret="the-old-secret-012345").open("u1", "a@example.org")
    both = Signer(["the-new-secret-012345", "the-old-secret-012345"])
    sessions = Sessions(store, "user_table", both, ttl_s=60, cache_s=0, now_ms=Clock())
    assert await sessions.check("u1", token)
    only_new = registry(store, Clock(), secret="the-new-secret-012345")
    assert await refused(only_new, "u1", token) == "UNAUTHORIZED"


async def test_the_store_keeps_no_token(store: CountingStore) -> None:
    token = await registry(store, Clock()).open("u1", "a@example.org", "phone")
    row = await store.get("user_table", ("USER#u1", "SESSION"))
    assert row is not None and token not in str(row)
    assert set(row) == {
        "PK", "SK", "sessionId", "epoch", "tokenHash", "issuedAt", "expiresAt", "device", "email",
    }  # fmt: skip
