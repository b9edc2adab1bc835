"""Choosing a username; forced where an account has none."""

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

SAVE = Action("account.save_username", "save", "enter", footer=80, priority=True, palette=False)
LEAVE = Action("account.leave", "leave", "ctrl+o", footer=81, priority=True, palette=False)


class UsernameDialog(FormDialog[str]):
    """Answers the new username, or None. One that is taken is said so here, and what was typed stays."""

    ACTIONS = (SAVE, CANCEL)
    BINDINGS = bindings(ACTIONS)

    def __init__(self, account: Account, *, hint: str = "") -> None:
        super().__init__(t("account.username.title"), hint=hint or t("account.username.hint"))
        self._account = account

    def compose_body(self) -> ComposeResult:
        yield OneLineInput(
            self._account.state.username or "",
            placeholder=t("account.username.placeholder"),
            id="username",
            max_length=64,
        )

    @on(Input.Changed)
    def _changed(self) -> None:
        if not self.busy:
            self.say("")

    def action_save(self) -> None:
        self.send(self._save(self.query_one("#username", Input).value.strip()))

    async def _save(self, username: str) -> None:
        state = await self._account.set_username(username)
        self.finish(state.username)


class ForcedUsernameDialog(UsernameDialog):
    """An account without a username goes no further; the only other way is to sign out."""

    ACTIONS = (SAVE, LEAVE)
    BINDINGS = bindings(ACTIONS)

    def __init__(self, account: Account) -> None:
        super().__init__(account, hint=t("account.username.forced"))

    def action_cancel(self) -> None:
        """Escape does nothing here."""

    def action_leave(self) -> None:
        self.send(self._leave())

    async def _leave(self) -> None:
        await self._account.sign_out()
        self.finish(None)
