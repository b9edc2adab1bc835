"""The movements of the account: from disk at once, from the backend when there must be new ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from lunalux_core.errors import NetworkError, SessionError

if TYPE_CHECKING:
    from lunalux_core.account import AccountState
    from lunalux_core.runtime import Runtime

PAGE = 50
"""Movements fetched at a time."""

# Ten years: the totals of the account say whether they are stale, not their age.
KEPT_MS = 3650 * 86_400_000


class MovementsView(Protocol):
    """Where movements are shown."""

    @property
    def runtime(self) -> Runtime:
        """Whose account is asked, and where its movements are kept."""

    def show_movements(self, movements: Sequence[Mapping[str, Any]]) -> None:
        """Show these, the newest first, in the wire's spelling."""


class Movements:
    """What the wallet gained and used, as far as it was read."""

    def __init__(self, view: MovementsView) -> None:
        self._view = view
        self._movements: tuple[Mapping[str, Any], ...] = ()
        self._older: str | None = None
        self._read_for: tuple[object, ...] = ()
        """The account and totals that the movements belong to: while they stand, nothing moved."""

    @property
    def more(self) -> bool:
        """Whether there are older movements than those that are shown."""
        return self._older is not None

    def distrust(self) -> None:
        """Read again when the account changes next, even if its totals are the same."""
        self._read_for = ()

    async def follow(self, state: AccountState) -> None:
        """Show the movements of this account; without an answer those on disk stay."""
        totals = (state.user_id, *(state.ledger.get(key) for key in sorted(state.ledger)))
        if not state.user_id:
            self._show((), None)
            self.distrust()
            return
        if totals == self._read_for:
            return
        cache, key = self._view.runtime.library.cache, f"history:{state.user_id}"
        cached = await cache.get(key)
        if cached is not None:
            # Shown even if something moved since: without an answer it is all there is.
            self._show(cached.value["movements"], cached.value["next"])
            if cached.value["totals"] == [*totals]:
                # Only after the answer: a reading that is interrupted by the next one has to be done again.
                self._read_for = totals
                return
        # `_read_for` stays as it was, so the next change of the account asks again.
        if not state.signed_in or state.offline:
            return
        try:
            movements, following = await self._view.runtime.account.wallet.history(limit=PAGE)
        except (NetworkError, SessionError):
            return  # the screen's notice says why
        self._read_for = totals
        self._show(movements, following)
        value = {"totals": [*totals], "movements": movements, "next": following}
        await cache.put(key, value, KEPT_MS)

    async def read_older(self) -> None:
        """Put the next page after those that are shown."""
        movements, following = await self._view.runtime.account.wallet.history(self._older, PAGE)
        self._show((*self._movements, *movements), following)

    def _show(self, movements: Sequence[Mapping[str, Any]], older: str | None) -> None:
        self._movements, self._older = tuple(movements), older
        self._view.show_movements(self._movements)
