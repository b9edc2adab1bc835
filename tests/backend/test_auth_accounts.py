"""Local accounts and limits on a real store: uniform answers, counted guesses, nothing readable kept."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import argon2
import pytest

from lunalux_core.backend.accounts.identity import LocalIdentity
from lunalux_core.backend.storage.schema import table_specs
from lunalux_core.backend.storage.sqlite import SqliteStore
from lunalux_core.backend.web.limits import MemoryLimiter, Rule, Slots, StoredLimiter
from lunalux_core.errors import LunaluxError

PASSWORD = "four unrelated quiet words"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path / "store.db", table_specs())
    yield store
    await store.aclose()


class Clock:
    ms = 1_770_000_000_000

    def __call__(self) -> int:
        return self.ms


def accounts(store: SqliteStore, *, codes: bool, clock: Clock | None = None) -> LocalIdentity:
    return LocalIdentity(store, "user_table", require_confirmation=codes, now_ms=clock or Clock())


async def code_of(work: Awaitable[object]) -> str:
    with pytest.raises(LunaluxError) as caught:
        await work
    return caught.value.code


def mailed(caplog: pytest.LogCaptureFixture) -> str:
    """The last code in the server's log."""
    return str(re.findall(r"code for \S+: (\d{6})", caplog.text)[-1])


async def test_without_codes_an_account_works_at_once(store: SqliteStore) -> None:
    identity = accounts(store, codes=False)
    signed_up = await identity.sign_up(" Ada@Example.org ", PASSWORD)
    assert signed_up.confirmed
    account = await identity.sign_in("ada@example.ORG", PASSWORD)
    assert (account.user_id, account.email) == (signed_up.user_id, "ada@example.org")
    assert await code_of(identity.sign_up("ADA@example.org", PASSWORD)) == "EMAIL_TAKEN"
    assert await identity.find("ada@example.org") == signed_up.user_id


async def test_passwords_are_hashed_at_the_recommended_cost(
    tmp_path: Path, store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(argon2, "PasswordHasher", argon2.PasswordHasher.func)  # type: ignore[attr-defined]
    await accounts(store, codes=False).sign_up("ada@example.org", PASSWORD)
    kept = (tmp_path / "store.db").read_bytes() + (tmp_path / "store.db-wal").read_bytes()
    # RFC 9106, second recommended option: 64 MiB, three passes, four lanes.
    assert b"$argon2id$v=19$m=65536,t=3,p=4$" in kept
    assert PASSWORD.encode() not in kept


async def test_unknown_addresses_and_wrong_passwords_are_one_answer(store: SqliteStore) -> None:
    identity = accounts(store, codes=False)
    await identity.sign_up("ada@example.org", PASSWORD)
    with pytest.raises(LunaluxError) as wrong:
        await identity.sign_in("ada@example.org", PASSWORD + "!")
    with pytest.raises(LunaluxError) as unknown:
        await identity.sign_in("nobody@example.org", PASSWORD)
    assert (wrong.value.code, wrong.value.message) == (unknown.value.code, unknown.value.message)
    assert wrong.value.code == "BAD_CREDENTIALS"


@pytest.mark.parametrize("weak", ["short", "aaaaaaaaaaaa", "Password", "12345678", "ada@example.org"])
async def test_weak_passwords_are_refused(store: SqliteStore, weak: str) -> None:
    assert await code_of(accounts(store, codes=False).sign_up("ada@example.org", weak)) == "WEAK_PASSWORD"


async def test_the_code_from_the_log_confirms(store: SqliteStore, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "lunalux.backend")
    identity = accounts(store, codes=True)
    assert not (await identity.sign_up("ada@example.org", PASSWORD)).confirmed
    assert await code_of(identity.sign_in("ada@example.org", PASSWORD)) == "USER_NOT_CONFIRMED"
    assert await code_of(identity.sign_in("ada@example.org", "wrong password")) == "BAD_CREDENTIALS"
    first = mailed(caplog)
    await identity.resend("ada@example.org")
    second = mailed(caplog)
    if first != second:
        assert await code_of(identity.confirm("ada@example.org", first)) == "CODE_INVALID"
    await identity.confirm("ada@example.org", f" {second} ")
    assert (await identity.sign_in("ada@example.org", PASSWORD)).email == "ada@example.org"
    assert await code_of(identity.confirm("ada@example.org", second)) == "CODE_INVALID"


async def test_a_taken_address_is_told_only_after_the_code(
    store: SqliteStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "lunalux.backend")
    identity = accounts(store, codes=True)
    await identity.sign_up("ada@example.org", PASSWORD)
    await identity.confirm("ada@example.org", mailed(caplog))
    assert not (await identity.sign_up("ada@example.org", "another quiet password")).confirmed
    assert await code_of(identity.confirm("ada@example.org", "000000x")) == "CODE_INVALID"
    assert await code_of(identity.confirm("ada@example.org", mailed(caplog))) == "EMAIL_TAKEN"
    await identity.sign_in("ada@example.org", PASSWORD)
    assert await code_of(identity.sign_in("ada@example.org", "another quiet password")) == "BAD_CREDENTIALS"


async def test_guesses_are_counted_and_codes_run_out(
    store: SqliteStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "lunalux.backend")
    clock = Clock()
    identity = accounts(store, codes=True, clock=clock)
    await identity.sign_up("ada@example.org", PASSWORD)
    for _ in range(5):
        assert await code_of(identity.confirm("ada@example.org", "wrong")) == "CODE_INVALID"
    assert await code_of(identity.confirm("ada@example.org", mailed(caplog))) == "CODE_INVALID"
    await identity.resend("ada@example.org")
    clock.ms += 16 * 60_000
    assert await code_of(identity.confirm("ada@example.org", mailed(caplog))) == "CODE_EXPIRED"


async def test_a_password_is_reset_with_a_code_of_its_own(
    store: SqliteStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "lunalux.backend")
    identity = accounts(store, codes=False)
    signed_up = await identity.sign_up("ada@example.org", PASSWORD)
    await identity.forgot("nobody@example.org")
    assert "nobody" not in caplog.text
    await identity.forgot("ada@example.org")
    new = "another quiet password"
    assert await code_of(identity.reset("ada@example.org", "000000x", new)) == "CODE_INVALID"
    assert await identity.reset("ada@example.org", mailed(caplog), new) == signed_up.user_id
    assert await code_of(identity.sign_in("ada@example.org", PASSWORD)) == "BAD_CREDENTIALS"
    assert (await identity.sign_in("ada@example.org", new)).user_id == signed_up.user_id
    assert await code_of(identity.reset("ada@example.org", mailed(caplog), new)) == "CODE_INVALID"


async def test_nothing_readable_is_kept(store: SqliteStore, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "lunalux.backend")
    await accounts(store, codes=True).sign_up("ada@example.org", PASSWORD)
    rows = [row async for row in store.scan_all("user_table")]
    assert len(rows) == 1
    assert PASSWORD not in str(rows) and mailed(caplog) not in str(rows)


async def test_a_bucket_refills_steadily_and_a_flood_of_names_does_not_empty_it() -> None:
    now = 0.0
    limiter = MemoryLimiter(lambda: now, capacity=2)
    rule = Rule("x", 2, 10)
    assert [await limiter.take(rule, "a") for _ in range(2)] == [0, 0]
    assert await limiter.take(rule, "a") == 5
    now = 5.0
    assert await limiter.take(rule, "a") == 0
    assert await limiter.take(rule, "a") > 0
    for other in ("b", "c", "d", "e"):  # of those that hold back nobody the longest unused goes
        await limiter.take(rule, other)
    assert await limiter.take(rule, "a") > 0
    assert await limiter.take(Rule("y", 2, 10), "a") == 0


async def test_stored_windows_are_shared_between_instances(store: SqliteStore) -> None:
    clock = Clock()
    here, there = (StoredLimiter(store, "user_table", clock) for _ in range(2))
    rule = Rule("coupon", 3, 60)
    assert [await here.take(rule, "a"), await there.take(rule, "a"), await here.take(rule, "a")] == [0, 0, 0]
    assert 1 <= await there.take(rule, "a") <= 60
    assert await there.take(rule, "b") == 0
    clock.ms += 60_000
    assert await there.take(rule, "a") == 0


def test_slots_are_given_back() -> None:
    slots = Slots(1)
    with slots.hold("a") as first, slots.hold("a") as second, slots.hold("b") as other:
        assert (first, second, other) == (True, False, True)
    with slots.hold("a") as again:
        assert again
