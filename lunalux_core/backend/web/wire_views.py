"""From the service's values to the wire's."""

from __future__ import annotations

from lunalux_core.backend.money import billing
from lunalux_core.backend.repos import invites, ledger, movements, users
from lunalux_core.backend.running.settings import BackendSettings
from lunalux_core.wire.official import ModelConfig
from lunalux_core.wire.users import Invite, Ledger, Movement, User, Wallet


def user_view(user: users.User) -> User:
    return User(id=user.id, email=user.email, username=user.username)


def wallet_view(wallet: billing.Wallet) -> Wallet:
    return Wallet(
        user_id=wallet.user_id,
        lux_level=wallet.lux_level,
        star_coin=wallet.star_coin,
        luna_coin=wallet.luna_coin,
    )


def ledger_view(totals: ledger.Ledger) -> Ledger:
    return Ledger(
        user_id=totals.user_id,
        total_star_coin_used=totals.total_star_coin_used,
        total_star_coin_gain=totals.total_star_coin_gain,
        total_luna_coin_used=totals.total_luna_coin_used,
        total_luna_coin_gain=totals.total_luna_coin_gain,
    )


def invite_view(invite: invites.Invite, settings: BackendSettings) -> Invite:
    return Invite(
        user_id=invite.user_id,
        invite_code=invite.invite_code,
        total_invites=invite.total_invites,
        unissued_reward_count=invite.unissued_reward_count,
        threshold=settings.invite_threshold,
        milestone_reward_star=settings.invite_milestone_star,
    )


def movement_view(movement: movements.Movement) -> Movement:
    return Movement(
        id=movement.id,
        kind=movement.kind,
        currency=movement.currency,
        amount=movement.amount,
        status=movement.status,
        created_at=movement.created_at,
        model_id=movement.model_id,
        character_id=movement.character_id,
    )


def config_view(config: billing.ModelConfig) -> ModelConfig:
    return ModelConfig(
        displayname=config.displayname,
        model_type=config.model_type,
        model_name=config.model_name,
        model_id=config.model_id,
        free_level=config.free_level,
        allow_star=config.allow_star,
        allow_luna=config.allow_luna,
        star_cost=config.star_cost,
        luna_cost=config.luna_cost,
        sort_order=config.sort_order,
        max_input_chars=config.max_input_chars,
        max_output_tokens=config.max_output_tokens,
        **config.extra,
    )
