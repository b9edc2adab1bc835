"""What stands within the sections of the character editor and declares actions."""

from __future__ import annotations

from lunalux_tui.create.json_view import JsonView
from lunalux_tui.create.sections.greetings import GreetingsSection
from lunalux_tui.create.sections.tags_field import TagsField
from lunalux_tui.create.sections.worldbook_entry import EntryRows
from lunalux_tui.create.sections.worldbook_section import WorldbookSection
from lunalux_tui.create.tags_dialog import TagsDialog
from lunalux_tui.parts.form_field import ChoiceField


def classes() -> tuple[type, ...]:
    """Everything within the parts that declares actions."""
    return (GreetingsSection, WorldbookSection, EntryRows, TagsField, ChoiceField, JsonView, TagsDialog)
