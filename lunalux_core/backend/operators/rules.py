"""The tables in the order in which they are moved over, each with its rules."""

from __future__ import annotations

from lunalux_core.backend.market.ranking_schedule import LANGS, table_of
from lunalux_core.backend.operators.adopted_accounts import (
    InviteRows,
    LedgerRows,
    LikedRows,
    UserRows,
    WalletRows,
)
from lunalux_core.backend.operators.adopted_cards import CardRows
from lunalux_core.backend.operators.adopted_catalogue import CouponRows, ModelRows
from lunalux_core.backend.operators.adoption import Adoption, Rules
from lunalux_core.backend.running.services import Services


def adoption(services: Services) -> Adoption:
    """A run over all of a service's tables."""
    store, tables = services.store, services.settings.tables
    rules: dict[str, Rules] = {
        tables.user: UserRows(store, tables.user),
        tables.wallet: WalletRows(store, tables, services.ledgers),
        tables.ledger: LedgerRows(store, tables, services.ledgers),
        tables.invite: InviteRows(store, tables, services.invites),
        tables.model_config: ModelRows(store, tables.model_config),
        tables.coupons: CouponRows(store, tables.coupons),
        tables.liked: LikedRows(store, tables.liked),
    }
    for lang in LANGS:
        table = table_of(services.settings, lang)
        rules[table] = CardRows(
            store, table, lang, services.characters, services.ranking, services.settings.ranking
        )
    return Adoption(store, tables.user, rules)
