"""Redeeming a coupon."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.widgets import Input

from lunalux_tui.actions import Action, bindings
from lunalux_tui.i18n import t
from lunalux_tui.parts.answer_field import OneLineInput
from lunalux_tui.parts.dialog import CANCEL
from lunalux_tui.parts.form_dialog import FormDialog

if TYPE_CHECKING:
    from lunalux_core.account import Account

ACTIONS = (Action("account.redeem", "redeem", "enter", footer=80, priority=True, palette=False), CANCEL)


class CouponDialog(FormDialog[tuple[str, int]]):
    """Answers currency and amount when a coupon was redeemed; blanks and full-width signs are fine."""

    ACTIONS = ACTIONS
    BINDINGS = bindings(ACTIONS)

    def __init__(self, account: Account) -> None:
        super().__init__(t("wallet.coupon.title"), hint=t("wallet.coupon.hint"))
        self._account = account

    def compose_body(self) -> ComposeResult:
        yield OneLineInput(placeholder=t("wallet.coupon.placeholder"), id="coupon", max_length=200)

    @on(Input.Changed)
    def _changed(self) -> None:
        # The line under the field tells that the code is on its way; typing must not wipe it away.
        if not self.busy:
            self.say("")

    def action_redeem(self) -> None:
        self.send(self._redeem(self.query_one("#coupon", Input).value))

    async def _redeem(self, code: str) -> None:
        self.finish(await self._account.wallet.redeem(code))
