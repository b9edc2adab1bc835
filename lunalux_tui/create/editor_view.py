"""What acts on the character in the editor as a whole may ask of the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from lunalux_core.runtime import Runtime
    from lunalux_tui.parts.dialog import Dialog

Answer = TypeVar("Answer")


class EditorView(Protocol):
    """The character editor (`create.screen.CreateScreen`) as the files and the library of it see it."""

    @property
    def runtime(self) -> Runtime:
        """The core with library and settings."""

    async def ask(self, dialog: Dialog[Answer]) -> Answer | None:
        """Ask something; None when the person does not want to answer."""

    def draft_replaced(self) -> None:
        """The draft changed as a whole: show all of it, and keep it."""

    def tell_undo(self, key: str, **params: object) -> None:
        """Say what was done, and that it can be taken back."""

    def notify(
        self,
        message: str,
        *,
        severity: Any = "information",
        timeout: float | None = None,
        markup: bool = True,
    ) -> None:
        """A notice."""

    def show_failure(self, error: BaseException) -> None:
        """Tell a failure."""

    def show_section(self, section_id: str, *, enter: bool = False, at: str = "") -> None:
        """Show a part of the form."""

    def reveal(self, place: str) -> None:
        """Go to a field that something is said about."""

    def copy(self, text: str) -> bool:
        """Put a text into the clipboard; False where the terminal has none."""

    async def show_in_chat(self, character_id: str) -> None:
        """Let the chat screen show a saved character as it is now."""
