"""Erasing one's account: says what goes and what stays, and asks for a word before it does anything."""

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
from lunalux_tui.parts.told import Told

if TYPE_CHECKING:
    from lunalux_core.account import Account


class EraseDialog(FormDialog[bool]):
    """Answers True when the account is gone. The local account needs no password."""

    ACTIONS = (
        Action("account.erase_now", "go_on", "ctrl+s", footer=80, priority=True, palette=False),
        CANCEL,
    )
    BINDINGS = bindings(ACTIONS)

    def __init__(self, account: Account) -> None:
        super().__init__(t("account.erase.title"))
        self._account = account
        self._word = account.state.username or t("account.erase.word")

    def compose_body(self) -> ComposeResult:
        yield Told(f"{t('account.erase.goes')}\n\n{t('account.erase.stays')}")
        yield OneLineInput(placeholder=t("account.erase.type", word=self._word), id="word", max_length=64)
        if not self._account.state.local:
            yield OneLineInput(
                placeholder=t("account.field.password"), id="password", password=True, max_length=256
            )

    @on(Input.Changed)
    def _changed(self) -> None:
        if not self.busy:
            self.say("")

    @on(Input.Submitted)
    def _submitted(self) -> None:
        self.action_go_on()

    def action_go_on(self) -> None:
        """Send what is complete; otherwise say what is missing, with the cursor there."""
        word = self.query_one("#word", Input)
        if word.value.strip() != self._word:
            self._missing(word, t("account.erase.not_typed", word=self._word))
            return
        fields = self.query("#password").results(Input)
        password = next(fields, None)
        if password is not None and not password.value:
            self._missing(password, t("account.missing", field=t("account.field.password")))
            return
        self.send(self._erase(password.value if password is not None else ""))

    def _missing(self, field: Input, sentence: str) -> None:
        field.focus()
        self.say(sentence, error=True)

    async def _erase(self, password: str) -> None:
        await self._account.erase(password)
        self.finish(True)
