"""The parts of the character editor, and the view that shows each; imported when it is first looked at."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from lunalux_tui.i18n import t

if TYPE_CHECKING:
    from lunalux_tui.create.sections.editor_section import EditorSection


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the form; its words are under `create.section.<id>`."""

    id: str
    module: str = "fields"
    view: str = "FieldsSection"

    @property
    def title(self) -> str:
        return t(f"create.section.{self.id}")

    def make(self) -> EditorSection:
        """The view itself."""
        module = import_module(f"lunalux_tui.create.sections.{self.module}")
        view: EditorSection = getattr(module, self.view)(self)
        return view


SECTIONS = (
    Section("basics"),
    Section("character"),
    Section("greetings", "greetings", "GreetingsSection"),
    Section("examples"),
    Section("book", "worldbook_section", "WorldbookSection"),
    Section("prompts"),
    Section("notes"),
    Section("finish", "finish", "FinishSection"),
)
BY_ID = {section.id: section for section in SECTIONS}


def section_of(place: str) -> str:
    """The section where a change of this place shows; see `editor.draft.Draft.become`."""
    from lunalux_core.editor.card_fields import BY_ID as FIELDS

    name = place.partition(" ")[0]
    if name in FIELDS:
        return FIELDS[name].section
    return name if name in BY_ID else ""
