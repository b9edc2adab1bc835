"""The head of the user screen: its name, how old what is shown is, and the balances."""

from __future__ import annotations

from collections.abc import Sequence

from textual.reactive import reactive

from lunalux_core.account import AccountState
from lunalux_tui.i18n import t
from lunalux_tui.parts.amounts import age, wallet_parts
from lunalux_tui.parts.drawn import Bar, Part
from lunalux_tui.theme.styles import BOLD, CHARACTER, MUTED, SURFACE, WARNING


class AccountHead(Bar):
    """One line over the panels."""

    GROUND = SURFACE
    account: reactive[AccountState | None] = reactive(None)
    busy: reactive[bool] = reactive(False)

    def left(self) -> Sequence[Part]:
        return [Part(t("place.user.title"), CHARACTER | BOLD)]

    def right(self) -> Sequence[Part]:
        state, parts = self.account, []
        if self.busy:
            parts.append(Part(t("account.working"), MUTED, weight=2))
        elif state is not None and state.fetched_at:
            text = t("market.state.as_of", age=age(state.fetched_at))
            parts.append(Part(text, WARNING if state.offline else MUTED, "screen.refresh", 2))
        return [*parts, *wallet_parts(state)]
