"""Small questions: one line, checked while it is typed if need be, or yes and no."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar, overload

from textual import on
from textual.app import ComposeResult
from textual.widgets import Input, Static

from lunalux_tui.actions import Action, bindings
from lunalux_tui.parts.answer_field import AnswerField
from lunalux_tui.parts.dialog import CANCEL, Dialog, question
from lunalux_tui.parts.draft_dialog import DraftDialog
from lunalux_tui.parts.told import Told

if TYPE_CHECKING:
    from lunalux_core.library.drafts import Draft

Answer = TypeVar("Answer")


class AskDialog(DraftDialog[Answer]):
    """Asks for one line; answers it, or None. `unsaved` is the line as it was left, without blanks around.

    Args:
        read: makes the answer of the line, which has no blanks around; None of one that is not allowed, and
            the dialog stays. Without it the line itself is the answer.
        allowed: the words under the line: what is allowed, by whether the line is.
        secret: what is typed is not shown, and never kept as a draft.
    """

    ACTIONS = (
        Action("dialog.saved_line", "saved_line", "ctrl+z", footer=81, priority=True, palette=False),
        CANCEL,
    )
    BINDINGS = bindings(ACTIONS)

    @overload
    def __init__(
        self: AskDialog[str],
        title: str,
        *,
        value: str = "",
        hint: str = "",
        placeholder: str = "",
        secret: bool = False,
    ) -> None: ...

    @overload
    def __init__(
        self,
        title: str,
        *,
        value: str = "",
        hint: str = "",
        placeholder: str = "",
        read: Callable[[str], Answer | None],
        allowed: Callable[[bool], str],
    ) -> None: ...

    def __init__(
        self,
        title: str,
        *,
        value: str = "",
        hint: str = "",
        placeholder: str = "",
        read: Callable[[str], Any] = str,
        allowed: Callable[[bool], str] | None = None,
        secret: bool = False,
    ) -> None:
        super().__init__(title, hint=hint)
        self._secret = secret
        self._value = value
        self._saved = value
        self._goes_on = False
        self._other = ""
        self.unsaved = value
        self._placeholder = placeholder
        self._read = read
        self._allowed = allowed

    async def begin_with(self, draft: Draft) -> None:
        """Show what was kept of the line, and keep what is written; before the dialog is shown."""
        assert not self._secret
        self.keep = draft.keep
        if kept := await draft.read():
            self._value, self._other, self._goes_on = kept, self._value, True
            told = question("line_kept_over" if self._other else "line_kept")
            self.hint = f"{self.hint}\n{told}" if self.hint else told

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return bool(self._other) if action == "saved_line" else True

    def compose_body(self) -> ComposeResult:
        yield AnswerField(
            self._value,
            placeholder=self._placeholder,
            password=self._secret,
            # Of words to go on with, the first letter must not take the place.
            select_on_focus=not self._goes_on,
            id="answer",
        )
        if self._allowed is not None:
            yield Told(id="verdict")

    def on_mount(self) -> None:
        self._judge()

    @on(Input.Changed, "#answer")
    def _judge(self) -> None:
        if self._allowed is not None:
            fine = self._answer() is not None
            verdict = self.query_one("#verdict", Static)
            verdict.update(self._allowed(fine))
            verdict.set_class(not fine, "-error")

    @property
    def changed(self) -> bool:
        """Whether the line that was left holds other words than it began with."""
        return self.unsaved not in {"", self._saved}

    def written(self) -> str:
        return self.query_one("#answer", Input).value.strip()

    def _answer(self) -> Any:
        return self._read(self.written())

    def action_saved_line(self) -> None:
        """Show the saved line in the place of the kept one, and the other way round."""
        field = self.query_one("#answer", Input)
        field.value, self._other = self._other, field.value
        field.cursor_position = len(field.value)

    @on(Input.Submitted)
    def _answered(self) -> None:
        self.unsaved = self.written()
        if (answer := self._answer()) is not None:
            self.dismiss(answer)


async def ask_kept(
    ask: Callable[[AskDialog[Answer]], Awaitable[Answer | None]], dialog: AskDialog[Answer], draft: Draft
) -> Answer | None:
    """Ask for a line that outlives the dialog.

    An answer is a draft, too, until the caller has put it where it belongs and forgets the draft.
    """
    await dialog.begin_with(draft)
    answer = await ask(dialog)
    await draft.keep(dialog.unsaved)
    if answer is None and dialog.changed:
        dialog.app.notify(question("draft_kept"), markup=False)
    return answer


class ConfirmDialog(Dialog[bool]):
    """Asks before something that cannot be taken back; answers True, or None."""

    ACTIONS = (Action("dialog.yes", "yes", "y,enter", footer=80, palette=False), CANCEL)
    BINDINGS = bindings(ACTIONS)

    def __init__(self, title: str, question: str) -> None:
        super().__init__(title)
        self._question = question

    def compose_body(self) -> ComposeResult:
        yield Told(self._question)

    def action_yes(self) -> None:
        self.dismiss(True)
