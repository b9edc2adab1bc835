"""The forms of the character editor's parts, one of them in view; made when they are shown first."""

from __future__ import annotations

from lunalux_tui.create.sections import Section
from lunalux_tui.create.sections.editor_section import EditorSection
from lunalux_tui.parts.drawn import Column


class SectionViews(Column):
    """Keeps every form that was made, so that cursor and scrolling are there when it comes up again."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._made: dict[str, EditorSection] = {}

    def view(self, section: Section) -> EditorSection:
        """The form of a part that was shown before."""
        return self._made[section.id]

    def show(self, section: Section) -> None:
        """Bring the form of a part into view."""
        view = self._made.get(section.id)
        if view is None:
            view = self._made[section.id] = section.make()
            self.mount(view)
        # One that was only just mounted reads by itself.
        elif view.stands:
            view.come_up()
        for section_id, other in self._made.items():
            other.display = section_id == section.id
