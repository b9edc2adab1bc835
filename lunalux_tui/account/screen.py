"""The user screen: who one is, what the wallet holds, coupons and invites, signing in and out."""

from __future__ import annotations

from typing import Any, ClassVar

from textual import work

from lunalux_tui.account.actions import ACCOUNT_ACTIONS
from lunalux_tui.account.screen_base import MOVES, AccountBase
from lunalux_tui.actions import bindings
from lunalux_tui.i18n import t
from lunalux_tui.parts.amounts import rewards_due


class AccountScreen(AccountBase):
    """What can be done with account and wallet."""

    PLACE = "user"
    AUTO_FOCUS = "#account-body"
    CSS_PATH: ClassVar = "screen.tcss"
    ACTIONS = ACCOUNT_ACTIONS
    BINDINGS = bindings(ACTIONS)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hide what cannot be done now."""
        state = self.state
        if action in {"username", "coupon", "copy_id", "erase"}:
            return state.signed_in
        if action == "copy_invite":
            return bool(state.invite)
        if action == "settle":
            return state.signed_in and rewards_due(state) > 0
        if action == "more":
            return self.older is not None
        if action in {"sign_in", "sign_up"}:
            return not state.signed_in or state.local
        if action == "use_local":
            return not state.signed_in and self.account.keeps_local
        if action == "sign_out":
            return state.signed_in and not state.local
        return True

    # -- what can be done --------------------------------------------------------------------------

    def action_scroll(self, lines: int) -> None:
        self.query_one("#account-body").scroll_relative(y=lines, animate=False)

    @work(group="account", exclusive=True, exit_on_error=False)
    async def action_refresh(self) -> None:
        self.read_for = ()
        await self.attempt(self.account.refresh)

    @work(group="history", exclusive=True, exit_on_error=False)
    async def action_more(self) -> None:
        movements, following = await self.account.history(self.older, MOVES)
        self.show_moves((*self.moves.movements, *movements), following)

    @work(group="dialog", exclusive=True, exit_on_error=False)
    async def action_username(self) -> None:
        from lunalux_tui.account.username_dialog import UsernameDialog

        if (name := await self.app.push_screen_wait(UsernameDialog(self.account))) is not None:
            self.notify(t("account.username.saved", name=name), markup=False)

    @work(group="dialog", exclusive=True, exit_on_error=False)
    async def action_coupon(self) -> None:
        from lunalux_tui.account.coupon_dialog import CouponDialog

        if (gained := await self.app.push_screen_wait(CouponDialog(self.account))) is not None:
            currency, amount = gained
            self.notify(t(f"wallet.coupon.redeemed_{currency}", n=amount), markup=False)

    @work(group="settle", exclusive=True, exit_on_error=False)
    async def action_settle(self) -> None:
        _, reward = await self.account.settle_invites()
        self.notify(t("wallet.settled", n=reward), markup=False)

    def action_copy_invite(self) -> None:
        self._copy(str(self.state.invite.get("inviteCode", "")))

    def action_copy_id(self) -> None:
        self._copy(self.state.user_id)

    def _copy(self, text: str) -> None:
        if text:
            self.app.copy_to_clipboard(text)
            self.notify(t("account.copied"), markup=False, timeout=2)

    def action_sign_in(self) -> None:
        self._sign("in")

    def action_sign_up(self) -> None:
        self._sign("up")

    @work(group="dialog", exclusive=True, exit_on_error=False)
    async def _sign(self, step: Any) -> None:
        from lunalux_tui.account.sign_in_dialog import SignInDialog

        state = self.state
        email = "" if state.local else state.email
        hint = t("account.notice.taken_over_hint") if state.status == "taken_over" else ""
        if await self.app.push_screen_wait(SignInDialog(self.account, step, email=email, hint=hint)):
            self.notify(t("account.welcome"), markup=False)
            if self.account.referral_refused:
                self.notify(t("account.referral_refused"), severity="warning", markup=False)
            self.lunalux.ask_for_name()

    @work(group="account", exclusive=True, exit_on_error=False)
    async def action_use_local(self) -> None:
        await self.attempt(self.account.sign_in_locally)

    @work(group="dialog", exclusive=True, exit_on_error=False)
    async def action_sign_out(self) -> None:
        from lunalux_tui.parts.ask_dialog import ConfirmDialog

        question = ConfirmDialog(t("account.sign_out.title"), t("account.sign_out.question"))
        if await self.app.push_screen_wait(question):
            await self.account.sign_out()

    @work(group="dialog", exclusive=True, exit_on_error=False)
    async def action_erase(self) -> None:
        from lunalux_tui.account.erase_dialog import EraseDialog

        if await self.app.push_screen_wait(EraseDialog(self.account)):
            self.notify(t("account.erase.done"), markup=False)
