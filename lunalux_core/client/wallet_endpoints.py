"""The endpoints of coins: the wallet, its movements, coupons and invitations."""

from __future__ import annotations

from lunalux_core.client.backend_exchange import BackendExchange
from lunalux_core.wire.users import (
    HistoryResponse,
    InviteResponse,
    LedgerResponse,
    RedeemResponse,
    SettleResponse,
    WalletResponse,
)


class WalletEndpoints:
    """The coins of whoever is signed in."""

    def __init__(self, exchange: BackendExchange) -> None:
        self._exchange = exchange

    async def balance(self) -> WalletResponse:
        return await self._exchange.get(WalletResponse, "/api/wallet/me")

    async def ledger(self) -> LedgerResponse:
        return await self._exchange.get(LedgerResponse, "/api/ledger/summary/me")

    async def history(self, cursor: str | None = None, limit: int = 50) -> HistoryResponse:
        return await self._exchange.get(HistoryResponse, "/api/ledger/history/me", cursor=cursor, limit=limit)

    async def redeem(self, coupon: str, key: str) -> RedeemResponse:
        """Claim a coupon; `key` is the idempotency key, the same for every try of one wish."""
        return await self._exchange.post(
            RedeemResponse, "/api/coupon/redeem", {"coupon": coupon}, key=key, again=True
        )

    async def invite(self) -> InviteResponse:
        return await self._exchange.get(InviteResponse, "/api/invite/me")

    async def settle_invites(self) -> SettleResponse:
        return await self._exchange.post(SettleResponse, "/api/invite/settle/me", {})
