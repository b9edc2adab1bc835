"""Rate limits: one port, three ways to count.

`MemoryLimiter` is a token bucket per process; `StoredLimiter` counts in RATE# rows, so that many instances
share one count; `NoLimits` is for a server that runs inside its only user's own program.

See docs/spec/backend.md: Identity and security, Money rules, Tables.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Protocol

from lunalux_core.backend.storage.table import ConditionFailed, Store
from lunalux_core.backend.storage.windows import Rule, one_more, window_end

SIGN_UP = Rule("signup", 60, 600)
SIGN_IN_ADDRESS = Rule("signin-ip", 120, 60)
SIGN_IN_EMAIL = Rule("signin", 20, 300)
"""For one account from one address: wrong passwords from elsewhere must not lock its owner out."""
SIGN_IN_ANYWHERE = Rule("signin-all", 200, 300)
CODE = Rule("code", 15, 600)
CODE_ADDRESS = Rule("code-ip", 30, 600)
MAIL = Rule("mail", 5, 600)
MAIL_ADDRESS = Rule("mail-ip", 30, 600)
COUPON = Rule("coupon", 20, 60)
INVITE_CODE = Rule("invite-code", 20, 3600)
"""For one account: codes cannot be guessed, and nobody's guesses cost anybody else."""
LIKE = Rule("like", 240, 60)
UPLOAD = Rule("upload", 120, 60)
REPORT = Rule("report", 30, 3600)
DOWNLOAD = Rule("download", 240, 60)
RENAME = Rule("rename", 30, 600)
FREE_REPLY = Rule("free", 60, 60)
FREE_REPLY_ADDRESS = Rule("free-ip", 240, 60)
FREE_REPLY_DAY = Rule("free-day", 5000, 86_400)
FREE_REPLIES_AT_ONCE = 2
PAID_REPLY = Rule("paid", 120, 60)
CALLED_OFF = Rule("called-off", 20, 3600)
"""Replies that were begun, and called off before a word of them was sent."""
LOOKED_AT = 64
"""How many of the longest unused buckets are compared when one has to go."""


class RateLimiter(Protocol):
    """Counts requests. `who` is a user id, an address or an e-mail, already reduced to ASCII."""

    async def take(self, rule: Rule, who: str) -> float:
        """Count one request; 0 when it may pass, else the seconds to wait."""
        ...


class NoLimits:
    async def take(self, rule: Rule, who: str) -> float:
        return 0.0

    def wait(self, rule: Rule, who: str) -> float:
        return 0.0

    def count(self, rule: Rule, who: str) -> None:
        return


Buckets = OrderedDict[str, tuple[float, float]]
"""By `who`: tokens, and when they were counted; the longest unused first."""


class MemoryLimiter:
    """Token buckets that refill steadily, at most `capacity` for each scope.

    When a scope is full, the fullest of its longest unused buckets goes: it holds back nobody, so that a
    flood of new names cannot throw out the bucket of one that is being limited.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, capacity: int = 50_000) -> None:
        self.clock = clock
        self._capacity = capacity
        self._scopes: dict[str, Buckets] = {}

    async def take(self, rule: Rule, who: str) -> float:
        wait = self.wait(rule, who)
        if not wait:
            self.count(rule, who)
        return wait

    def wait(self, rule: Rule, who: str) -> float:
        """Seconds until the next request may pass, 0 if one may now; counts nothing."""
        tokens = self._tokens(rule, who)
        return 0.0 if tokens >= 1 else (1 - tokens) * rule.seconds / rule.count

    def count(self, rule: Rule, who: str) -> None:
        """Count one request, whether it may pass or not."""
        tokens, buckets = self._tokens(rule, who), self._scopes.setdefault(rule.scope, OrderedDict())
        buckets[who] = (max(0.0, tokens - 1), self.clock())
        # Assigning to a key that is there keeps its place in the order, so it is moved.
        buckets.move_to_end(who)
        if len(buckets) > self._capacity:
            oldest = islice(buckets.items(), LOOKED_AT)
            del buckets[max(oldest, key=lambda bucket: bucket[1][0])[0]]

    def _tokens(self, rule: Rule, who: str) -> float:
        buckets = self._scopes.get(rule.scope)
        stored = None if buckets is None else buckets.get(who)
        if stored is None:
            return float(rule.count)
        tokens, seen = stored
        # Refilled only when read: an idle bucket costs nothing.
        grown = max(0.0, self.clock() - seen) * rule.count / rule.seconds
        return min(float(rule.count), tokens + grown)


class StoredLimiter:
    """Fixed windows in the user table; rows expire by the table's TTL."""

    def __init__(self, store: Store, table: str, now_ms: Callable[[], int]) -> None:
        self._store, self._table, self._now_ms = store, table, now_ms

    async def take(self, rule: Rule, who: str) -> float:
        now_ms = self._now_ms()
        try:
            await self._store.write(one_more(self._table, rule, who, now_ms))
        except ConditionFailed:
            return max(1.0, window_end(rule, now_ms) - now_ms / 1000)
        return 0.0


class Slots:
    """How many calls of one user may run at once in this process."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._running: dict[str, int] = {}

    @contextmanager
    def hold(self, who: str) -> Iterator[bool]:
        """Whether there was room; a slot that was taken is given back at the end."""
        running = self._running.get(who, 0)
        if running >= self._at_once:
            yield False
            return
        self._running[who] = running + 1
        try:
            yield True
        finally:
            left = self._running[who] - 1
            if left:
                self._running[who] = left
            else:
                del self._running[who]
