"""Coins: what comes in by coupons and invitations, what replies take, and the history of both."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from lunalux_core.account.account_state import AccountState, coins, wire_fields
from lunalux_core.errors import InvalidInput, LunaluxError
from lunalux_core.ids import uuid4
from lunalux_core.text import coupon_code

if TYPE_CHECKING:
    from lunalux_core.account.snapshot import Snapshot
    from lunalux_core.client.backend_client import BackendClient


class AccountWallet:
    """The wallet of who is signed in.

    Args:
        online: makes sure of a session; raises what `Account.online` raises.
    """

    def __init__(
        self,
        client: Callable[[], BackendClient],
        snapshot: Snapshot,
        online: Callable[[], Awaitable[AccountState]],
    ) -> None:
        self._client = client
        self._snapshot = snapshot
        self._online = online
        self._redeeming: dict[str, str] = {}

    async def redeem(self, coupon: str) -> tuple[str, int]:
        """Redeem a coupon; returns currency and amount. Spaces and full-width signs are put right first."""
        code = coupon_code(coupon)
        if not code:
            raise InvalidInput("COUPON_EMPTY", "There is no coupon code.", "Type the code as it was given.")
        await self._online()
        # Where the answer is lost, the same wish tried again is answered like the first time.
        answer = await self._client().wallet.redeem(code, self._redeeming.setdefault(code, uuid4()))
        self._redeeming.pop(code, None)
        await self._snapshot.update(wallet=wire_fields(answer.wallet), ledger=wire_fields(answer.ledger))
        return answer.currency, answer.amount

    async def settle_invites(self) -> tuple[int, int]:
        """Pay out reached milestones; returns how many and the star coins."""
        await self._online()
        return await self._settle()

    async def settle_due(self) -> None:
        """Pay out invite rewards that are due, at the sign-in; where that fails they stay due."""
        invite = self._snapshot.state.invite
        threshold = coins(invite, "threshold")
        if not threshold or coins(invite, "unissuedRewardCount") < threshold:
            return
        with suppress(LunaluxError):
            await self._settle()

    async def history(
        self, cursor: str | None = None, limit: int = 50
    ) -> tuple[list[dict[str, Any]], str | None]:
        """A page of the wallet's movements, newest first, and the cursor of the next."""
        await self._online()
        page = await self._client().wallet.history(cursor, limit)
        return [wire_fields(movement) for movement in page.movements], page.next_key

    async def billed(
        self, wallet: Mapping[str, Any], ledger: Mapping[str, Any] | None = None
    ) -> AccountState:
        """Take over the wallet that came with a paid reply."""
        # A reply may come without the totals: then those of before stand until the next fetch.
        before = self._snapshot.state.ledger
        return await self._snapshot.update(wallet=dict(wallet), ledger=dict(ledger) if ledger else before)

    async def recount(self) -> AccountState:
        """Fetch the wallet because the backend has shown that the known one is wrong, as when coins were
        spent on another device. Where that fails, the known one stands."""
        try:
            wallet, ledger = await asyncio.gather(
                self._client().wallet.balance(), self._client().wallet.ledger()
            )
        except LunaluxError:
            return self._snapshot.state
        return await self._snapshot.update(
            wallet=wire_fields(wallet.wallet), ledger=wire_fields(ledger.ledger)
        )

    async def _settle(self) -> tuple[int, int]:
        answer = await self._client().wallet.settle_invites()
        await self._snapshot.update(
            wallet=wire_fields(answer.wallet),
            ledger=wire_fields(answer.ledger),
            invite=wire_fields(answer.invite),
        )
        return answer.settled_times, answer.reward_star
