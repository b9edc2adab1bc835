"""All that the backend has of the account, fetched at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from lunalux_core.account.account_state import AccountState, wire_fields
from lunalux_core.errors import SessionError

if TYPE_CHECKING:
    from lunalux_core.account.agreed_prices import AgreedPrices
    from lunalux_core.account.invitations import Invitations
    from lunalux_core.account.snapshot import Snapshot
    from lunalux_core.account.wallet import AccountWallet
    from lunalux_core.client.backend_client import BackendClient

AGAIN_MS = 30_000
"""After part of the account could not be fetched, it is asked for again no sooner than this."""


class AccountFetch:
    """Fetches everything, when somebody has signed in and when a person asks for it.

    Attributes:
        referral_refused: whether the invitation code of the last sign-in was of no effect.

    Args:
        clock: milliseconds since 1970.
    """

    def __init__(
        self,
        client: Callable[[], BackendClient],
        snapshot: Snapshot,
        prices: AgreedPrices,
        wallet: AccountWallet,
        invitations: Invitations,
        clock: Callable[[], int],
    ) -> None:
        self._client = client
        self._snapshot = snapshot
        self._prices = prices
        self._wallet = wallet
        self._invitations = invitations
        self._clock = clock
        self._again_at = 0
        self.referral_refused = False

    @property
    def complete(self) -> bool:
        """Whether everything is there that belongs to the account, or was asked for a moment ago."""
        return bool(self._snapshot.state.fetched_at) or self._clock() < self._again_at

    async def run(self, referral_code: str = "") -> AccountState:
        """Everything at once: first what makes the account, then the rest side by side."""
        client, snapshot = self._client(), self._snapshot
        code = referral_code or await self._invitations.code_for(snapshot.state.email)
        # Set before the requests: where one fails, the same is not asked for again at once.
        self._again_at = self._clock() + AGAIN_MS
        # Makes profile and wallet where they are missing, so it comes before all that reads them.
        first = await client.accounts.init(snapshot.state.email or None, code or None)
        self.referral_refused = bool(code) and first.referral_accepted is False
        if code:
            await self._invitations.drop(snapshot.state.email or first.user.email)
        # Either may fail without the other: a sign-in must not depend on the price list.
        models, liked = await asyncio.gather(
            client.gateway.models(), client.market.liked(), return_exceptions=True
        )
        whole = not isinstance(models, BaseException) and not isinstance(liked, BaseException)
        snapshot.show(
            replace(
                snapshot.state,
                status="signed_in",
                user_id=first.user.id,
                email=first.user.email,
                username=first.user.username,
                wallet=wire_fields(first.wallet),
                ledger=wire_fields(first.ledger),
                invite=wire_fields(first.invite),
                fetched_at=self._clock() if whole else 0,
                offline=False,
                stays_out=False,
            )
        )
        state = snapshot.state
        if not isinstance(models, BaseException):
            state = replace(state, **self._prices.changes(models))
        if not isinstance(liked, BaseException):
            state = replace(state, liked=state.liked | frozenset(liked.character_ids))
        snapshot.show(state)
        await snapshot.store(whole=True)
        for outcome in (models, liked):
            if isinstance(outcome, asyncio.CancelledError | SessionError):
                raise outcome
        await self._wallet.settle_due()
        return snapshot.state
