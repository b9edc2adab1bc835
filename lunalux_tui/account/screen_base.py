"""The user screen's layout, and what it shows: the account as the app knows it, and its movements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from textual import getters, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll

from lunalux_core.account import AccountState
from lunalux_core.errors import LunaluxError, NetworkError, SessionError
from lunalux_tui.account.head import AccountHead
from lunalux_tui.account.history_chart import HistoryPanel
from lunalux_tui.account.panels import BalancePanel, InvitePanel, MovesPanel, NoticePanel, ProfilePanel
from lunalux_tui.i18n import tell
from lunalux_tui.parts.keybar import KeyBar
from lunalux_tui.parts.panel import Panel
from lunalux_tui.parts.screen import LunaScreen

if TYPE_CHECKING:
    from lunalux_core.account import Account

MOVES = 50
"""Movements of a page."""

HISTORY_DAYS = 3650


class AccountBase(LunaScreen[None]):
    """Shows `app.account` and keeps nothing of it."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (96, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-short"), (18, "-tall")]  # noqa: RUF012

    head = getters.query_one(AccountHead)
    chart = getters.query_one(HistoryPanel)
    moves = getters.query_one(MovesPanel)
    notice = getters.query_one(NoticePanel)

    def __init__(self) -> None:
        super().__init__()
        self.older: str | None = None
        """Leads to the movements after the last one shown; None when there are none."""

        self.read_for: tuple[object, ...] = ()
        """The account and totals that the movements on the screen belong to."""

    @property
    def account(self) -> Account:
        return self.lunalux.runtime.account

    @property
    def state(self) -> AccountState:
        return self.lunalux.account or AccountState()

    def compose(self) -> ComposeResult:
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
            self.notice.trouble = " ".join(part for part in tell(error) if part)
        finally:
            self.head.busy = False

    @work(group="history", exclusive=True, exit_on_error=False)
    async def _read_history(self) -> None:
        """Movements from disk at once; from the backend only when the totals say that there are new ones."""
        state = self.state
        totals = (state.user_id, *(state.ledger.get(key) for key in sorted(state.ledger)))
        if totals == self.read_for or not state.user_id:
            if not state.user_id:
                self.show_moves((), None)
                self.read_for = ()
            return
        cache, key = self.lunalux.runtime.library.cache, f"history:{state.user_id}"
        kept = await cache.get(key)
        if kept is not None:
            self.show_moves(kept.value["movements"], kept.value["next"])
            if kept.value["totals"] == [*totals]:
                self.read_for = totals
                return
        if not state.signed_in or state.offline:
            return
        try:
            movements, following = await self.account.history(limit=MOVES)
        except (NetworkError, SessionError):
            return  # the movements on disk stay; the notice says why
        self.read_for = totals
        self.show_moves(movements, following)
        value = {"totals": [*totals], "movements": movements, "next": following}
        await cache.put(key, value, HISTORY_DAYS * 86_400_000)

    def show_moves(self, movements: Sequence[Mapping[str, Any]], cursor: str | None) -> None:
        self.chart.movements = self.moves.movements = tuple(movements)
        self.older = cursor
        self.moves.more = cursor is not None
