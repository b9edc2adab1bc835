"""Invitation codes that wait for the account that they were given with."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lunalux_core.library.network_cache import Cache

REFERRAL_MS = 30 * 24 * 3600 * 1000
"""How long an invitation waits for its account to be confirmed and signed in."""


class Invitations:
    """The codes, by the address of who signed up with them; stored, since the code from the mail may come in
    another program, days later.

    Args:
        place: names the backend in the cache.
        clock: milliseconds since 1970.
    """

    def __init__(self, cache: Cache, place: str, clock: Callable[[], int]) -> None:
        self._cache = cache
        self._prefix = f"referral:account:{place}:"
        self._clock = clock

    async def keep(self, email: str, code: str) -> None:
        await self._cache.put(self._key(email), code, REFERRAL_MS)

    async def code_for(self, email: str) -> str:
        """The invitation that a sign-up with this address came with, and that no account has used yet."""
        cached = await self._cache.get(self._key(email)) if email else None
        return (
            cached.value if cached and cached.fresh(self._clock()) and isinstance(cached.value, str) else ""
        )

    async def drop(self, email: str) -> None:
        """The account has used its code."""
        await self._cache.drop(self._key(email))

    def _key(self, email: str) -> str:
        return f"{self._prefix}{email.strip().casefold()}"
