"""What official replies cost, and what of that the person has agreed to pay."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from lunalux_core.account.account_state import AccountState, official_config, wire_fields
from lunalux_core.errors import LunaluxError
from lunalux_core.prices import Price, kept_price, price_changed, price_of, read_price

if TYPE_CHECKING:
    from lunalux_core.account.snapshot import Snapshot
    from lunalux_core.client.backend_client import BackendClient
    from lunalux_core.wire.official import ModelConfigsResponse


class AgreedPrices:
    """The price list as far as the person knows it. Nobody pays more than they were shown."""

    def __init__(self, client: Callable[[], BackendClient], snapshot: Snapshot) -> None:
        self._client = client
        self._snapshot = snapshot
        self._stale = False

    def of(self, model_id: str) -> Price | None:
        """What the person agreed to pay for an official reply; None where the model is not in the list."""
        state = self._snapshot.state
        row = state.price_row(model_id)
        if row is None:
            return None
        return read_price(state.agreed.get(model_id)) or price_of(row, state.lux_level)

    def check(self, model_id: str) -> None:
        """Raises PaymentError (PRICE_CHANGED) where a reply costs more than the person agreed to."""
        state = self._snapshot.state
        row, was = state.price_row(model_id), self.of(model_id)
        if row is None or was is None:
            return
        now = price_of(row, state.lux_level)
        if now.dearer_than(was):
            raise price_changed(str(row.get("displayname") or model_id), model_id, was, now)

    async def agree(self, model_id: str) -> AccountState:
        """The person has seen the price of today and pays it from now on."""
        state = self._snapshot.state
        price = kept_price(price_of(official_config(state, model_id), state.lux_level))
        return await self._snapshot.update(agreed={**state.agreed, model_id: price})

    def note_version(self, version: str | None) -> None:
        """The backend names its price list; one that is not known here is fetched before the next request."""
        if version and version != self._snapshot.state.models_version:
            self._stale = True

    async def refresh(self) -> AccountState:
        """Fetch the price list, because the backend has shown that the known one is old."""
        self._stale = True
        return await self.follow()

    async def follow(self) -> AccountState:
        """The state, with the price list fetched where another one is in force; an old one is no trouble:
        the backend is told what the person was shown."""
        if self._stale:
            with suppress(LunaluxError):
                answer = await self._client().gateway.models()
                await self._snapshot.update(**self.changes(answer))
        return self._snapshot.state

    def changes(self, answer: ModelConfigsResponse) -> dict[str, Any]:
        """The parts of the state that this price list changes; it is the known one from now on. A price that
        fell is agreed to by itself."""
        self._stale = False
        state = self._snapshot.state
        models = tuple(wire_fields(config) for config in answer.configs)
        agreed = dict(state.agreed)
        for row in models:
            now, was = price_of(row, state.lux_level), self.of(row["modelId"])
            if was is None or not now.dearer_than(was):
                agreed[row["modelId"]] = kept_price(now)
        return {"models": models, "models_version": answer.model_config_version or "", "agreed": agreed}
