"""What this device knows of the account, and how it is read back from its copy on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from lunalux_core.errors import NotFound

SignInStatus = Literal["signed_out", "signed_in", "taken_over"]


@dataclass(frozen=True, slots=True)
class AccountState:
    """The account as this device knows it; replaced whole, never changed in place.

    `wallet`, `ledger` and `invite` keep the wire's spellings. `fetched_at` is milliseconds since 1970.
    `local` marks the account that the embedded backend made by itself, `stays_out` that the person signed
    out on purpose, so that it is not made use of again by itself.
    """

    status: SignInStatus = "signed_out"
    user_id: str = ""
    email: str = ""
    username: str | None = None
    wallet: Mapping[str, Any] = field(default_factory=dict)
    ledger: Mapping[str, Any] = field(default_factory=dict)
    invite: Mapping[str, Any] = field(default_factory=dict)
    models: tuple[Mapping[str, Any], ...] = ()
    liked: frozenset[str] = frozenset()
    fetched_at: int = 0
    offline: bool = False
    local: bool = False
    stays_out: bool = False
    models_version: str = ""
    agreed: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The prices the person knows of, by official model: what was shown first, or agreed to since."""

    @property
    def signed_in(self) -> bool:
        return self.status == "signed_in"

    @property
    def lux_level(self) -> int:
        return coins(self.wallet, "luxLevel")

    @property
    def star(self) -> int:
        return coins(self.wallet, "starCoin")

    @property
    def luna(self) -> int:
        return coins(self.wallet, "lunaCoin")

    def price_row(self, model_id: str) -> Mapping[str, Any] | None:
        """The price list row of an official model, None where the list has none."""
        return next((config for config in self.models if config.get("modelId") == model_id), None)


def official_config(state: AccountState, model_id: str) -> Mapping[str, Any]:
    """The price list row of an official model. Raises NotFound (MODEL_UNKNOWN)."""
    config = state.price_row(model_id)
    if config is not None:
        return config
    raise NotFound(
        "MODEL_UNKNOWN",
        f"There is no official model {model_id!r}.",
        "`lunalux model list` shows them all.",
        name=model_id,
    )


def coins(amounts: Mapping[str, Any], name: str) -> int:
    """An amount of the wallet, the ledger or the invites; 0 where it is missing."""
    amount = amounts.get(name, 0)
    return amount if isinstance(amount, int) else 0


def wire_fields(value: Any) -> dict[str, Any]:
    """A part of an answer as the state holds it, in the wire's spellings."""
    wire: dict[str, Any] = value.model_dump(by_alias=True, mode="json")
    return wire


def restored_state(value: Any) -> AccountState:
    """The snapshot that a row of the cache holds. What is of another shape is left out and fetched anew."""
    cached = value if isinstance(value, Mapping) else {}
    state = AccountState()
    restored: dict[str, Any] = {}
    for name in AccountState.__dataclass_fields__:
        item, default = cached.get(name), getattr(state, name)
        if name == "username":
            good = isinstance(item, str)
        # For Python a truth value is an `int`; it must not pass for an amount.
        elif isinstance(default, bool) or not isinstance(default, int):
            good = isinstance(item, type(default))
        else:
            good = isinstance(item, int) and not isinstance(item, bool)
        if good:
            restored[name] = item
    if restored.get("status") not in {"signed_out", "signed_in", "taken_over"}:
        restored.pop("status", None)
    likes, rows = cached.get("liked"), cached.get("models")
    restored["liked"] = (
        frozenset(x for x in likes if isinstance(x, str)) if isinstance(likes, list) else frozenset()
    )
    restored["models"] = tuple(filter(_is_row, rows)) if isinstance(rows, list) else ()
    for name in ("wallet", "ledger", "invite"):
        if name in cached and not _is_whole(name, restored.get(name)):
            # Shown only as a whole; without a part all is fetched again.
            restored[name] = {}
            restored["fetched_at"] = 0
    return AccountState(**restored)


_WHOLE: Mapping[str, tuple[str, ...]] = {
    "wallet": ("luxLevel", "starCoin", "lunaCoin"),
    "ledger": ("totalStarCoinUsed", "totalStarCoinGain", "totalLunaCoinUsed", "totalLunaCoinGain"),
    "invite": ("totalInvites", "unissuedRewardCount", "threshold", "milestoneRewardStar"),
}
"""The numbers without which a part of the snapshot cannot be shown."""


def _is_whole(name: str, part: Any) -> bool:
    if not part and isinstance(part, dict):
        return True
    if name == "invite" and not (isinstance(part, dict) and isinstance(part.get("inviteCode"), str)):
        return False
    return isinstance(part, dict) and all(type(part.get(field_name)) is int for field_name in _WHOLE[name])


def _is_row(row: Any) -> bool:
    """Whether this can be shown as a row of the price list."""
    return (
        isinstance(row, dict)
        and all(isinstance(row.get(name), str) for name in ("modelId", "displayname"))
        and all(type(row.get(name)) is int for name in ("freeLevel", "starCost", "lunaCost"))
        and all(isinstance(row.get(name), bool) for name in ("allowStar", "allowLuna"))
    )
