"""Bodies about one's own account: profile, wallet, ledger, invites, coupons.

See docs/spec/backend.md: HTTP API, Transactions, Money rules, Tables.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from lunalux_core.wire.auth import Email, Password, ReferralCode
from lunalux_core.wire.wire_body import Success, Wire


class User(Wire):
    id: str
    email: str
    username: str | None = None


class Wallet(Wire):
    """Coins are whole numbers and never negative."""

    user_id: str
    lux_level: int
    star_coin: int
    luna_coin: int


class Ledger(Wire):
    """Totals since the account began; the initial coins count as gain."""

    user_id: str
    total_star_coin_used: int
    total_star_coin_gain: int
    total_luna_coin_used: int
    total_luna_coin_gain: int


class Invite(Wire):
    """`threshold` invitees make one milestone of `milestone_reward_star`; 0 means that rewards are off."""

    user_id: str
    invite_code: str
    total_invites: int
    unissued_reward_count: int
    threshold: int = 0
    milestone_reward_star: int = 0


class Movement(Wire):
    """One line of the wallet's history. `amount` is signed; `created_at` is ISO 8601, UTC."""

    id: str
    kind: str
    currency: Literal["star", "luna"] | None = None
    amount: int
    status: str
    created_at: str
    model_id: str | None = None
    character_id: str | None = None


class SessionValidResponse(Success):
    """`model_config_version` names the price list as this server knows it; another one is worth a fetch."""

    user_id: str
    model_config_version: str | None = None


class InitRequest(Wire):
    """The address of the signed-in account is authoritative; the body's is only a fallback, and an empty one
    is none: a client that lost its own copy must still be let in."""

    email: Annotated[Email | None, BeforeValidator(lambda email: email or None)] = None
    referral_code: ReferralCode | None = None


class InitResponse(Success):
    """`referral_accepted`, where a code came along: whether it counts, now or since an earlier try."""

    user: User
    wallet: Wallet
    ledger: Ledger
    invite: Invite
    referral_accepted: bool | None = None


class MeResponse(Success):
    user: User


class UsernameRequest(Wire):
    # Longer than any may be: what a username is like is judged later, with a code of its own.
    username: Annotated[str, StringConstraints(max_length=256)]


class EraseRequest(Wire):
    """The account's password, as proof that it is its owner who wants it gone."""

    password: Password


class WalletResponse(Success):
    wallet: Wallet


class LedgerResponse(Success):
    ledger: Ledger


class InviteResponse(Success):
    invite: Invite


class HistoryResponse(Success):
    """Newest first. `next_key` is opaque; give it back as `cursor` for the next page."""

    movements: list[Movement]
    next_key: str | None = None


class SettleResponse(Success):
    settled_times: int
    reward_star: int
    wallet: Wallet
    ledger: Ledger
    invite: Invite


class RedeemRequest(Wire):
    # Coupons are pasted as often as they are typed.
    coupon: Annotated[str, StringConstraints(strip_whitespace=True, max_length=256)]


class RedeemResponse(Success):
    currency: Literal["star", "luna"]
    amount: int = Field(gt=0)
    wallet: Wallet
    ledger: Ledger
