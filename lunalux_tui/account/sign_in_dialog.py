"""Signing in and up, confirming by a mailed code, and a new password: one dialog in five steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from textual import on
from textual.app import ComposeResult
from textual.reactive import var
from textual.widgets import Input

from lunalux_core.errors import BackendError
from lunalux_tui.actions import Action, bindings
from lunalux_tui.i18n import t
from lunalux_tui.parts.answer_field import OneLineInput
from lunalux_tui.parts.dialog import CANCEL
from lunalux_tui.parts.form_dialog import FormDialog

if TYPE_CHECKING:
    from lunalux_core.runtime import Runtime

Step = Literal["in", "up", "confirm", "forgot", "reset"]
FIELDS: Mapping[Step, tuple[str, ...]] = {
    "in": ("email", "password"),
    "up": ("email", "password", "referral"),
    "confirm": ("email", "code"),
    "forgot": ("email",),
    "reset": ("email", "code", "password"),
}
ACTIONS = (
    Action("account.go_on", "go_on", "ctrl+s", footer=80, priority=True, palette=False),
    Action("account.switch", "other", "ctrl+n", footer=81, priority=True, palette=False),
    Action("account.forgot", "forgot", "ctrl+f", footer=82, priority=True, palette=False),
    Action("account.resend", "resend", "ctrl+r", footer=83, priority=True, palette=False),
    CANCEL,
)


class SignInDialog(FormDialog[bool]):
    """Answers True when somebody is signed in. What was typed stays from step to step."""

    ACTIONS = ACTIONS
    BINDINGS = bindings(ACTIONS)
    step: var[Step] = var("in", init=False, bindings=True)

    def __init__(self, runtime: Runtime, step: Step = "in", *, email: str = "", hint: str = "") -> None:
        super().__init__(t(f"account.step.{step}"), hint=hint)
        self._runtime = runtime
        self._first = step
        self._email = email

    def compose_body(self) -> ComposeResult:
        yield OneLineInput(self._email, placeholder=t("account.field.email"), id="email", max_length=254)
        yield OneLineInput(placeholder=t("account.field.code"), id="code", max_length=32)
        yield OneLineInput(
            placeholder=t("account.field.password"), id="password", password=True, max_length=256
        )
        yield OneLineInput(placeholder=t("account.field.referral"), id="referral", max_length=64)

    def on_mount(self) -> None:
        # The watcher is silent where that is the step already, so the fields are arranged here.
        self.step = self._first
        self._arrange()
        if self._email:
            self.query_one("#password", Input).focus()

    def watch_step(self) -> None:
        self._arrange()

    def _arrange(self) -> None:
        """Show the fields of the step, the cursor in the first that is empty."""
        self.query_one("#dialog").border_title = t(f"account.step.{self.step}")
        shown = FIELDS[self.step]
        for field in self.query(Input):
            field.display = field.id in shown
        empty = [name for name in shown if name != "referral" and not self._value(name)]
        self.query_one(f"#{(empty or shown)[0]}", Input).focus()

    def _value(self, name: str) -> str:
        text = self.query_one(f"#{name}", Input).value
        # Blanks may be a part of a password.
        return text if name == "password" else text.strip()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "forgot":
            return self.step == "in"
        if action == "resend":
            return self.step == "confirm"
        return True

    @on(Input.Changed)
    def _changed(self) -> None:
        # The line under the fields tells that something is on its way; typing must not wipe it away.
        if not self.busy:
            self.say("")

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        """Enter goes to the next empty field, and sends when there is none."""
        names = FIELDS[self.step]
        for name in names[names.index(event.input.id or "") + 1 :]:
            if not self._value(name) and name != "referral":
                self.query_one(f"#{name}", Input).focus()
                return
        self.action_go_on()

    def action_go_on(self) -> None:
        missing = [name for name in FIELDS[self.step] if name != "referral" and not self._value(name)]
        if missing:
            self.say(t("account.missing", field=t(f"account.field.{missing[0]}")), error=True)
            self.query_one(f"#{missing[0]}", Input).focus()
            return
        if "email" in FIELDS[self.step] and not is_address(self._value("email")):
            self.say(t("account.no_email"), error=True)
            self.query_one("#email", Input).focus()
            return
        self.send(self._go_on())

    def action_other(self) -> None:
        """From signing in to signing up, and from anywhere else back to signing in."""
        self.say("")
        self.step = "up" if self.step == "in" else "in"

    def action_forgot(self) -> None:
        self.step = "forgot"

    def action_resend(self) -> None:
        self.send(self._resend())

    async def _resend(self) -> None:
        await self._runtime.client.accounts.resend(self._value("email"))
        self.say(t("account.sent"))

    async def _go_on(self) -> None:
        account, email, password = self._runtime.account, self._value("email"), self._value("password")
        match self.step:
            case "in":
                try:
                    await account.sign_in(email, password)
                except BackendError as error:
                    if error.code == "USER_NOT_CONFIRMED":
                        # Raised on: the reason stands under the fields of the step that it leads to.
                        self.step = "confirm"
                    raise
                self.finish(True)
            case "up":
                if await account.sign_up(email, password, self._value("referral")):
                    self.finish(True)
                else:
                    self.step = "confirm"
                    self.say(t("account.sent"))
            case "confirm":
                await self._runtime.client.accounts.confirm(email, self._value("code"), password)
                await self._enter(email, password)
            case "forgot":
                await self._runtime.client.accounts.forgot(email)
                # What stands there is the old one; a new one is asked for next.
                self.query_one("#password", Input).value = ""
                self.step = "reset"
                self.say(t("account.sent"))
            case "reset":
                await self._runtime.client.accounts.reset(email, self._value("code"), password)
                await self._enter(email, password)

    async def _enter(self, email: str, password: str) -> None:
        """Sign in with what was typed before; ask for the password where it was not."""
        if password:
            await self._runtime.account.sign_in(email, password, self._value("referral"))
            self.finish(True)
        else:
            self.step = "in"
            self.say(t("account.confirmed"))


def is_address(text: str) -> bool:
    """Whether this could be an e-mail address; the service has the last word."""
    name, _, host = text.partition("@")
    return bool(name and host) and "@" not in host and not any(map(str.isspace, text))
