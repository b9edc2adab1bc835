"""Counts in fixed windows of time, in RATE# rows that every instance shares.

See docs/spec/backend.md: Identity and security, Tables.
"""

from __future__ import annotations

from dataclasses import dataclass

from lunalux_core.backend.storage.table import Absent, AnyOf, Key, Le, Update


@dataclass(frozen=True, slots=True)
class Rule:
    """At most `count` per `seconds`, counted apart for each `scope`."""

    scope: str
    count: int
    seconds: int


def one_more(table: str, rule: Rule, who: str, now_ms: int) -> Update:
    """The write that counts one more; its condition fails where the window is full."""
    ends = window_end(rule, now_ms)
    # One conditional write both tests and counts, so two instances cannot both take the last request.
    # The TTL is a minute late: DynamoDB must not delete a window that is still open.
    return Update(
        table,
        Key(f"RATE#{rule.scope}#{who}", str(ends // rule.seconds - 1)),
        incr={"count": 1},
        set_default={"expiresAt": ends + 60},
        when=AnyOf(Absent(), Le("count", rule.count - 1)),
    )


def window_end(rule: Rule, now_ms: int) -> int:
    """When the window of this moment ends, in seconds."""
    return (now_ms // 1000 // rule.seconds + 1) * rule.seconds
