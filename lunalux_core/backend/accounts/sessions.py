"""One active session per account, on any number of server instances.

A token is signed over user, session, epoch and expiry, and must also match the account's SESSION row, of
which only the token's hash is kept. Signing in elsewhere raises the row's epoch; older tokens then get 460.
A token that no row knows is refused, never adopted. Rows are cached for at most five seconds; whatever the
cache would refuse is read again first, so a stale cache can delay a takeover but not refuse a fresh session.
What a session is written from is never the cache: a refresh holds only while its token is the row's.

See docs/spec/backend.md: Identity and security.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from lunalux_core.backend.repos.movements import ERASED
from lunalux_core.backend.running.signatures import Signer, digest
from lunalux_core.backend.storage.foreign_values import text, unchanged, whole
from lunalux_core.backend.storage.table import (
    Absent,
    Condition,
    ConditionFailed,
    Eq,
    Exists,
    Key,
    Put,
    Store,
    Update,
)
from lunalux_core.errors import SessionError, StorageError
from lunalux_core.ids import uuid4

Verdict = Literal["valid", "taken", "unknown"]
Row = Mapping[str, Any]
TAKEOVER_ATTEMPTS = 8
CACHED_USERS = 10_000


@dataclass(frozen=True, slots=True)
class Session:
    """A checked session. `email` is the address the account signed in with, `token_hash` is of the token
    that was checked."""

    user_id: str
    session_id: str
    epoch: int
    email: str
    token_hash: str = field(default="", repr=False)


class Sessions:
    """The registry. `now_ms` is the wall clock; the cache is timed by the monotonic one."""

    def __init__(
        self,
        store: Store,
        table: str,
        signer: Signer,
        *,
        ttl_s: int,
        cache_s: float,
        now_ms: Callable[[], int],
    ) -> None:
        self._store, self._table, self._signer = store, table, signer
        self._ttl_s, self._cache_s, self._now_ms = ttl_s, cache_s, now_ms
        self._cache: OrderedDict[str, tuple[float, Row | None]] = OrderedDict()
        self._signed: OrderedDict[str, Mapping[str, Any]] = OrderedDict()
        self._changes = 0  # of sessions, by this process

    async def open(self, user_id: str, email: str, device: str = "") -> str:
        """Begin a session that replaces the account's current one; returns its token."""
        for _ in range(TAKEOVER_ATTEMPTS):
            row = await self._store.get(self._table, _key(user_id))
            epoch = whole(row.get("epoch")) if row else 0
            # The epoch must still be as read: two devices that sign in at once must not get the same one,
            # or both would stay signed in.
            as_read: list[Condition] = [Absent()] if row is None else [Exists(), *unchanged(row, "epoch")]
            try:
                return await self._write(user_id, email, device, epoch, as_read)
            except ConditionFailed:
                continue  # another device was faster; take over from that one
        raise StorageError("STORE_UNAVAILABLE", "Too many devices sign in at once; please try again.")

    async def check(self, user_id: str, token: str) -> Session:
        """The session that `token` stands for.

        Raises:
            SessionError: UNAUTHORIZED, or SESSION_TAKEN_OVER where the account has a newer session.
        """
        token_hash = digest(token)
        claims = self._genuine(user_id, token, token_hash)
        if claims is None:
            raise _unauthorized()
        row, fresh = await self._row(user_id)
        verdict = _judge(row, claims, token_hash)
        # A cached row may be older than the sign-in that made this token: before anybody is refused, the
        # row is read.
        if verdict != "valid" and not fresh:
            row = await self._read(user_id)
            verdict = _judge(row, claims, token_hash)
        if verdict == "valid" and row is not None:
            return Session(user_id, claims["s"], claims["e"], text(row.get("email")), token_hash)
        raise _taken_over() if verdict == "taken" else _unauthorized()

    async def current(self, user_id: str) -> Row | None:
        """The account's session row as it stands, for operators; it may have ended."""
        return await self._store.get(self._table, _key(user_id))

    async def refresh(self, session: Session) -> str:
        """A later expiry for the same session; the older token stops working.

        Raises:
            SessionError: SESSION_TAKEN_OVER, another device was faster; UNAUTHORIZED, the session has ended
                or its token was replaced meanwhile.
        """
        token, row = self._issue(session.user_id, session.session_id, session.epoch)
        # The cache may still know a session that has ended, or a token that was replaced: the row decides.
        as_checked = (
            Eq("sessionId", session.session_id),
            Eq("epoch", session.epoch),
            Eq("tokenHash", session.token_hash),
        )
        before = self._changes
        try:
            written = await self._store.write(
                Update(self._table, _key(session.user_id), set=row, when=as_checked)
            )
        except ConditionFailed:
            self._drop(session.user_id)
            stands = await self._read(session.user_id) or {}
            # A store's client sends a write again whose answer was lost: then it is our own that stands.
            if stands.get("tokenHash") == row["tokenHash"]:
                return token
            newer = whole(stands.get("epoch")) > session.epoch
            raise (_taken_over() if newer else _unauthorized()) from None
        self._replace(session.user_id, written, before)
        return token

    async def close(self, user_id: str, token: str) -> bool:
        """Sign out; whether there was a session of this token to end. The row stays with its epoch, so that
        no older token comes back to life.

        A token that was replaced ends its session as well: a refresh that ran beside the sign-out must not
        outlive it.
        """
        claims = self._genuine(user_id, token, digest(token))
        if claims is None or not isinstance(claims.get("e"), int) or not isinstance(claims.get("s"), str):
            return False
        return await self._forget(user_id, Eq("epoch", claims["e"]), Eq("sessionId", claims["s"]))

    async def revoke(self, user_id: str) -> None:
        """End whatever session the account has, as after a changed password."""
        row = await self._store.get(self._table, _key(user_id))
        if row is not None:
            await self._forget(user_id, *unchanged(row, "epoch"))

    async def bury(self, user_id: str) -> None:
        """End an erased account's session. The row stays without a word about anybody, so that nothing looks
        lost and could be repaired."""
        row = await self._store.get(self._table, _key(user_id))
        epoch = whole(row.get("epoch")) if row is not None else 0
        grave = {
            "PK": f"USER#{user_id}",
            "SK": "SESSION",
            "sessionId": "erased",
            "epoch": epoch,
            ERASED: True,
        }
        try:
            await self._store.write(Put(self._table, grave, when=None))
        finally:
            self._drop(user_id)

    async def repair(self, user_id: str, email: str, device: str = "") -> str | None:
        """A new session where the registry lost its row, else None.

        Only for callers whose identity was proved anew; a row of any kind, even a signed-out one, means
        that nothing was lost, so a displaced device can never come back this way.
        """
        try:
            return await self._write(user_id, email, device, 0, [Absent()])
        except ConditionFailed:
            return None

    def _issue(self, user_id: str, session_id: str, epoch: int) -> tuple[str, dict[str, Any]]:
        now_s = self._now_ms() // 1000
        expires = now_s + self._ttl_s
        token = self._signer.sign(
            # `n` makes tokens of one second differ, so that a refreshed token never equals the one it
            # replaces.
            "session",
            {"u": user_id, "s": session_id, "e": epoch, "x": expires, "n": uuid4()},
        )
        return token, {"tokenHash": digest(token), "issuedAt": now_s, "expiresAt": expires}

    async def _write(
        self, user_id: str, email: str, device: str, epoch: int, as_read: Sequence[Condition]
    ) -> str:
        session_id = uuid4()
        token, row = self._issue(user_id, session_id, epoch + 1)
        item = {
            "PK": f"USER#{user_id}",
            "SK": "SESSION",
            **row,
            "sessionId": session_id,
            "epoch": epoch + 1,
            "device": device[:200],
            "email": email,
        }
        before = self._changes
        await self._store.write(Put(self._table, item, when=as_read))
        self._replace(user_id, item, before)
        return token

    async def _forget(self, user_id: str, *as_known: Condition) -> bool:
        """End the account's session, if it is the one that is known; whether it was."""
        try:
            await self._store.write(
                Update(self._table, _key(user_id), remove=("tokenHash",), when=(Exists(), *as_known))
            )
        except ConditionFailed:
            return False  # a newer session has begun meanwhile: it is not ours to end
        finally:
            self._drop(user_id)
        return True

    async def _row(self, user_id: str) -> tuple[Row | None, bool]:
        """The account's row, and whether it was read just now."""
        cached = self._cache.get(user_id)
        if cached is not None and time.monotonic() - cached[0] < self._cache_s:
            return cached[1], False
        return await self._read(user_id), True

    async def _read(self, user_id: str) -> Row | None:
        before = self._changes
        row = await self._store.get(self._table, _key(user_id))
        # While the row was on its way a session may have changed here: then it may be the older one.
        if before == self._changes:
            self._remember(user_id, row)
        return row

    def _drop(self, user_id: str) -> None:
        """Forget a row that was written; whatever of it is on its way is not remembered either."""
        self._changes += 1
        self._cache.pop(user_id, None)

    def _replace(self, user_id: str, row: Row | None, before: int) -> None:
        """Remember a row that was written here, unless another change came between."""
        alone = before == self._changes
        self._drop(user_id)
        if alone:
            self._remember(user_id, row)

    def _remember(self, user_id: str, row: Row | None) -> None:
        self._cache.pop(user_id, None)
        # That an account has no row is not remembered: it may be made in the next moment by another
        # instance.
        if row is None or self._cache_s <= 0:
            return
        self._cache[user_id] = (time.monotonic(), row)
        if len(self._cache) > CACHED_USERS:
            self._cache.popitem(last=False)

    def _genuine(self, user_id: str, token: str, token_hash: str) -> Mapping[str, Any] | None:
        """What a token says, None where it is not this account's, nobody here signed it, or its time is over.

        A signature that was checked stays checked.
        """
        claims = self._signed.get(token_hash)
        if claims is None:
            claims = self._signer.verify("session", token) if token else None
            if claims is None:
                return None
            self._signed[token_hash] = claims
            if len(self._signed) > CACHED_USERS:
                self._signed.popitem(last=False)
        expires = claims.get("x")
        unexpired = isinstance(expires, int) and expires > self._now_ms() // 1000
        return claims if claims.get("u") == user_id and unexpired else None


def _judge(row: Row | None, claims: Mapping[str, Any], token_hash: str) -> Verdict:
    epoch = claims.get("e")
    if row is None or not isinstance(epoch, int):
        return "unknown"
    # Before the comparison of the rest: only a newer session makes it 460, everything else is 401.
    if whole(row.get("epoch")) > epoch:
        return "taken"
    stands = (row.get("epoch"), row.get("sessionId"), row.get("tokenHash"))
    same = stands == (epoch, claims.get("s"), token_hash)
    return "valid" if same else "unknown"


def _key(user_id: str) -> Key:
    return Key(f"USER#{user_id}", "SESSION")


def _taken_over() -> SessionError:
    return SessionError(
        "SESSION_TAKEN_OVER",
        "This account was signed in on another device.",
        "Sign in again to use it here.",
    )


def _unauthorized() -> SessionError:
    return SessionError("UNAUTHORIZED", "Sign-in is needed.", "Sign in and try again.")
