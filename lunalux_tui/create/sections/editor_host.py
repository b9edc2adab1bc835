"""What the sections of the character editor may ask of the screen they stand on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from lunalux_core.editor.draft import Draft
    from lunalux_core.runtime import Runtime
    from lunalux_tui.actions import Action


class EditorHost(Protocol):
    """The character editor (`create.screen.CreateScreen`) as its sections see it."""

    ACTIONS: Sequence[Action]

    @property
    def draft(self) -> Draft: ...

    @property
    def runtime(self) -> Runtime: ...

    def touched(self) -> None:
        """The draft changed: show it everywhere, and keep it."""

    def tell_undo(self, key: str, **params: object) -> None:
        """Say what was done, and that it can be taken back."""

    def show_section(self, section_id: str, *, enter: bool = False, at: str = "") -> None:
        """Show a part of the form."""

    def key_of(self, action: Action) -> str:
        """The first key of an action as the app shows it, "" if it has none."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Whether an action can be done now."""

    async def run_action(self, action: str) -> bool:
        """Do what an action says."""

    def show_failure(self, error: BaseException) -> None:
        """Tell a failure."""
