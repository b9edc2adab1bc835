"""What the parts of the character editor share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from textual.widget import Widget
from textual.worker import Worker, WorkerState

from lunalux_core.editor.draft_checks import FieldRemark, tokens
from lunalux_tui.create.sections import Section
from lunalux_tui.i18n import t
from lunalux_tui.parts.drawn import Column
from lunalux_tui.parts.form_field import FieldBox

if TYPE_CHECKING:
    from lunalux_core.editor.draft import Draft
    from lunalux_tui.create.sections.editor_host import EditorHost
    from lunalux_tui.parts.screen import LunaScreen


class EditorSection(Column):
    """A part of the form. Children show the draft and hand every edit to it."""

    def __init__(self, section: Section) -> None:
        super().__init__(id=f"section-view-{section.id}", classes="create-section")
        self.section = section
        self.stands = False
        self._wishes: list[Callable[[], object]] = []

    @property
    def host(self) -> EditorHost:
        """The screen the view stands on."""
        return cast("EditorHost", self.screen)

    @property
    def draft(self) -> Draft:
        return self.host.draft

    def on_mount(self) -> None:
        self.stands = True
        self.read()
        for wish in self._wishes:
            self.call_after_refresh(wish)
        self._wishes.clear()

    def once_it_stands(self, wish: Callable[[], object]) -> None:
        """Do this when the view is there and laid out."""
        if self.stands:
            self.call_after_refresh(wish)
        else:
            self._wishes.append(wish)

    def read(self) -> None:
        """Show the draft as it is now."""
        raise NotImplementedError

    def come_up(self) -> None:
        """The view comes into view again."""
        self.read()

    def reveal(self, place: str) -> None:
        """Go to where a change was undone."""

    def enter(self) -> None:
        """Take the focus."""
        raise NotImplementedError

    def back(self) -> bool:
        """One step back within the view; False when there is none and the list of sections is meant."""
        return False

    @property
    def long_box(self) -> FieldBox | None:
        """The field that an editor of the person's own is opened for: the one with the focus, else the main
        one.
        """
        node: Widget | None = self.screen.focused
        while node is not None and not isinstance(node, FieldBox):
            node = cast("Widget | None", node.parent) if isinstance(node.parent, Widget) else None
        if isinstance(node, FieldBox) and self in node.ancestors:
            return node
        return next((box for box in self.query(FieldBox) if box.kind == "text" and box.display), None)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        event.stop()
        if event.state is WorkerState.ERROR and event.worker.error is not None:
            cast("LunaScreen[None]", self.screen).show_failure(event.worker.error)


def show_remark(box: FieldBox, problem: FieldRemark | None, *, count: bool = True) -> None:
    """Show the remark about a field below it, if there is one, and its number of tokens."""
    size = tokens(box.text) if count and box.text else 0
    sentence = t(f"create.check.{problem.code}", **problem.params) if problem is not None else ""
    box.judge(
        problem.level if problem else "",
        sentence,
        t("create.tokens", n=size, count=f"{size:,}") if size else "",
    )
