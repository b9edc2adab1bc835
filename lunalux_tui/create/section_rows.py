"""The parts of the character editor as a list: how much is in each, and where something is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lunalux_core.editor.card_fields import of_section
from lunalux_core.editor.card_worldbook import BookView
from lunalux_core.editor.draft_checks import tokens
from lunalux_core.editor.greetings import greetings
from lunalux_tui.actions import Action, bindings
from lunalux_tui.create.sections import SECTIONS, Section, section_of
from lunalux_tui.parts.rows import Row, Rows

if TYPE_CHECKING:
    from lunalux_core.editor.draft_checks import FieldRemark


class SectionRows(Rows):
    """The list of parts."""

    ACTIONS = (Action("create.enter", "screen.enter", "enter,right,l,tab", footer=1, palette=False),)
    BINDINGS = bindings(ACTIONS)

    def show(self, document: Mapping[str, Any], problems: Sequence[FieldRemark]) -> None:
        """Show the parts of a card's document."""
        rows = []
        for section in SECTIONS:
            levels = {problem.level for problem in problems if section_of(problem.field) == section.id}
            mark = "✗" if "error" in levels else "⚠" if "warning" in levels else " "
            rows.append(Row(section.id, section.title, right=_amount(section, document), mark=mark))
        self.set_rows(rows)


def _amount(section: Section, document: Mapping[str, Any]) -> str:
    """How much is in a part."""
    match section.id:
        case "greetings":
            return f"{len([greeting for greeting in greetings(document) if greeting.text.strip()]) or ''}"
        case "book":
            return f"{len(BookView(document)) or ''}"
    count = sum(tokens(field.shown(document)) for field in of_section(section.id) if field.sent)
    return f"{count:,}" if count else ""
