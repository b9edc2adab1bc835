"""The user screen: who one is, what the wallet holds, coupons and invites, signing in and out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from textual import getters, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.reactive import reactive

from lunalux_core.account import AccountState
from lunalux_core.errors import LunaluxError, SessionError
from lunalux_tui.account.history_chart import HistoryPanel
from lunalux_tui.account.movements import Movements
from lunalux_tui.account.panels import BalancePanel, InvitePanel, MovesPanel, NoticePanel, ProfilePanel
from lunalux_tui.actions import Action, bindings
from lunalux_tui.i18n import in_a_row, t, tell
from lunalux_tui.parts.amounts import age, rewards_due, wallet_parts
from lunalux_tui.parts.drawn import Bar, Part
from lunalux_tui.parts.key_bar import KeyBar
from lunalux_tui.parts.panel import Panel
from lunalux_tui.parts.place_bar import PlaceBar
from lunalux_tui.parts.screen import LunaScreen
from lunalux_tui.theme.styles import BOLD, CHARACTER, MUTED, SURFACE, WARNING

if TYPE_CHECKING:
    from lunalux_core.account import Account

ACCOUNT_ACTIONS = (
    Action("account.username", "username", "u", footer=2),
    Action("account.coupon", "coupon", "c", footer=1),
    Action("account.copy_invite", "copy_invite", "i", footer=3),
    Action("account.copy_id", "copy_id", "y"),
    Action("account.settle", "settle", "s", footer=4),
    Action("account.more", "more", "m"),
    Action("account.refresh", "refresh", "r,ctrl+r", footer=5),
    Action("account.sign_in", "sign_in", "o", footer=6),
    Action("account.sign_up", "sign_up", "n", footer=7),
    Action("account.use_local", "use_local", "a", footer=8),
    Action("account.sign_out", "sign_out", "x", footer=9),
    Action("account.erase", "erase", "E"),
    Action("account.down", "scroll(3)", "j,down", palette=False),
    Action("account.up", "scroll(-3)", "k,up", palette=False),
)


AGE_SECONDS = 30


class AccountHead(Bar):
    """One line over the panels: their name, how old what is shown is, and the balances."""

    GROUND = SURFACE
    account: reactive[AccountState | None] = reactive(None)
    busy: reactive[bool] = reactive(False)

    def on_mount(self) -> None:
        self.set_interval(AGE_SECONDS, self.refresh)  # the age on the screen goes on

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


class AccountScreen(LunaScreen[None]):
    """Shows `app.account` and keeps nothing of it; what can be done with account and wallet."""

    PLACE = "user"
    AUTO_FOCUS = "#account-body"
    CSS_PATH: ClassVar = "screen.tcss"
    ACTIONS = ACCOUNT_ACTIONS
    BINDINGS = bindings(ACTIONS)
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (96, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-short"), (18, "-tall")]  # noqa: RUF012

    head = getters.query_one(AccountHead)
    chart = getters.query_one(HistoryPanel)
    moves = getters.query_one(MovesPanel)
    notice = getters.query_one(NoticePanel)

    def __init__(self) -> None:
        super().__init__()
        self.movements = Movements(self)

    @property
    def account(self) -> Account:
        return self.runtime.account

    @property
    def state(self) -> AccountState:
        return self.lunalux.account or AccountState()

    def compose(self) -> ComposeResult:
        yield PlaceBar()
        yield AccountHead()
        with VerticalScroll(id="account-body", can_focus=True):
            yield NoticePanel()
            with Horizontal(id="account-columns"):
                with Vertical(id="account-left"):
                    yield ProfilePanel()
                    yield BalancePanel()
                    yield InvitePanel()
                with Vertical(id="account-right"):
                    yield HistoryPanel()
                    yield MovesPanel()
        yield KeyBar()

    def on_mount(self) -> None:
        self.query_one("#account-body").focus()
        self.watch(self.app, "account", self._account_changed)
        self._begin()

    def on_screen_resume(self) -> None:
        self.lunalux.ask_for_name()

    # -- what is shown -----------------------------------------------------------------------------

    def _account_changed(self, state: AccountState | None) -> None:
        self.head.account = state
        for panel in self.query(Panel):
            panel.account = state
        self.refresh_bindings()
        if state is not None:
            self._read_history()

    @work(group="account", exclusive=True, exit_on_error=False)
    async def _begin(self) -> None:
        """The session, checked; with nothing configured the local account makes itself."""
        await self.attempt(self.account.ensure)

    async def attempt(self, ask: Any) -> None:
        """Ask the backend for something that the panels show; trouble is one of their lines."""
        self.head.busy = True
        try:
            await ask()
            self.notice.trouble = ""
        except SessionError:
            self.notice.trouble = ""  # the notice says it from the state
        except LunaluxError as error:
            self.notice.trouble = in_a_row(*tell(error))
        finally:
            self.head.busy = False

    @work(group="history", exclusive=True, exit_on_error=False)
    async def _read_history(self) -> None:
        await self.movements.follow(self.state)

    def show_movements(self, movements: Sequence[Mapping[str, Any]]) -> None:
        self.chart.movements = self.moves.movements = tuple(movements)
        self.moves.more = self.movements.more

    # -- what can be done --------------------------------------------------------------------------

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
            return self.movements.more
        if action in {"sign_in", "sign_up"}:
            return not state.signed_in or state.local
        if action == "use_local":
            return not state.signed_in and self.account.keeps_local
        if action == "sign_out":
            return state.signed_in and not state.local
        return True

    def action_scroll(self, lines: int) -> None:
        self.query_one("#account-body").scroll_relative(y=lines, animate=False)

    @work(group="account", exclusive=True, exit_on_error=False)
    async def action_refresh(self) -> None:
        # Who asks for it wants to see what the backend has, even where the totals say that nothing moved.
        self.movements.distrust()
        await self.attempt(self.account.refresh)

    @work(group="history", exclusive=True, exit_on_error=False)
    async def action_more(self) -> None:
        await self.movements.read_older()

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
        _, reward = await self.account.wallet.settle_invites()
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
        # The local account has an address that nobody chose and nobody can sign in with elsewhere.
        email = "" if state.local else state.email
        hint = t("account.notice.taken_over_hint") if state.status == "taken_over" else ""
        if await self.app.push_screen_wait(SignInDialog(self.runtime, step, email=email, hint=hint)):
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
