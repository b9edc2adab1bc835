"""The one state of the account that everybody watches, and its copy on disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from lunalux_core.account.account_state import AccountState, restored_state

if TYPE_CHECKING:
    from lunalux_core.library.network_cache import Cache

FOREVER_MS = 10 * 365 * 24 * 3600 * 1000


class Snapshot:
    """The state in force. Whoever watches is told of every new one, before it is stored.

    Args:
        key: the row of the cache that holds the copy.
        clock: milliseconds since 1970.
    """

    def __init__(self, cache: Cache, key: str, clock: Callable[[], int]) -> None:
        self._cache = cache
        self._key = key
        self._clock = clock
        self.state = AccountState()
        self.watchers: list[Callable[[AccountState], None]] = []

    async def stored(self) -> AccountState:
        """The state as it was stored last, by this program or another one of this home."""
        cached = await self._cache.get(self._key)
        return restored_state(cached.value) if cached is not None else AccountState()

    def show(self, state: AccountState) -> None:
        """Put another state in force, without storing it."""
        self.state = state
        for watcher in self.watchers:
            watcher(state)

    async def update(self, **changes: Any) -> AccountState:
        """Change parts of the state, show it, and store these parts."""
        # The balance on screen is of now; where something was never fetched, 0 must stay, or it never would
        # be.
        if "wallet" in changes and "ledger" in changes and self.state.fetched_at:
            changes["fetched_at"] = self._clock()
        self.show(replace(self.state, offline=False, **changes))
        await self.store(tuple(changes))
        return self.state

    async def store(self, names: tuple[str, ...] = (), *, whole: bool = False) -> None:
        """Keep the snapshot: all of it, or the parts that changed, since another program of this home may
        have changed others. What is liked here and there is liked."""
        state = {**asdict(self.state), "liked": sorted(self.state.liked), "offline": False}

        def merged(cached: Any) -> dict[str, Any]:
            same = isinstance(cached, dict) and cached.get("user_id") == state["user_id"]
            if not same:
                return state
            likes = cached.get("liked")
            liked = (
                {like_id for like_id in likes if isinstance(like_id, str)}
                if isinstance(likes, list)
                else set()
            )
            both = {"liked": sorted(liked | self.state.liked)}
            return {
                **(state if whole else {**state, **cached, **{name: state[name] for name in names}}),
                **both,
            }

        await self._cache.update(self._key, merged, FOREVER_MS)
