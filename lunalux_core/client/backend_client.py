"""BackendClient: the endpoints of the backend, by subject; each subject is loaded when it is first used."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from lunalux_core.client.backend_exchange import BackendExchange
from lunalux_core.wire.wire_body import Success

if TYPE_CHECKING:
    from lunalux_core.client.account_endpoints import AccountEndpoints
    from lunalux_core.client.gateway_endpoints import GatewayEndpoints
    from lunalux_core.client.market_endpoints import MarketEndpoints
    from lunalux_core.client.wallet_endpoints import WalletEndpoints


class BackendClient:
    """The Lunalux backend, remote or in the process: one typed method for each endpoint."""

    def __init__(self, exchange: BackendExchange) -> None:
        self.exchange = exchange

    @cached_property
    def accounts(self) -> AccountEndpoints:
        from lunalux_core.client.account_endpoints import AccountEndpoints

        return AccountEndpoints(self.exchange)

    @cached_property
    def wallet(self) -> WalletEndpoints:
        from lunalux_core.client.wallet_endpoints import WalletEndpoints

        return WalletEndpoints(self.exchange)

    @cached_property
    def market(self) -> MarketEndpoints:
        from lunalux_core.client.market_endpoints import MarketEndpoints

        return MarketEndpoints(self.exchange)

    @cached_property
    def gateway(self) -> GatewayEndpoints:
        from lunalux_core.client.gateway_endpoints import GatewayEndpoints

        return GatewayEndpoints(self.exchange)

    async def health(self) -> None:
        """Whether the backend and its storage answer; needs no session."""
        await self.exchange.get(Success, "/ready")

    async def aclose(self) -> None:
        await self.exchange.aclose()
