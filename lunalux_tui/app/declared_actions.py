"""Every declared action of the app: what the key map, the settings and the reference of keys list."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

from lunalux_tui.actions import Action, actions_of
from lunalux_tui.app import places


def all_actions() -> Iterator[Action]:
    """Every declared action of the app, for the key map and the reference of keys."""
    # Every screen and dialog is imported for it, which no start of the app should pay for.
    from lunalux_tui.app.app import LunaluxApp
    from lunalux_tui.chat import (
        books_dialog,
        conversations_dialog,
        group_dialog,
        new_group_dialog,
        note_dialog,
        personas_dialog,
        raw_dialog,
        roster_dialogs,
        scripts_dialog,
        search_dialog,
    )
    from lunalux_tui.chat.action_declarations import ChatTranscript
    from lunalux_tui.chat.inspector.inspector_dialog import InspectorDialog
    from lunalux_tui.chat.memory import compare_dialog, documents_tab, memories_tab, trackers_tab
    from lunalux_tui.chat.memory.memory_dialog import MemoryDialog
    from lunalux_tui.chat.prompt_field import Prompt
    from lunalux_tui.chat.roster import RosterRows
    from lunalux_tui.chat.screen import ChatScreen
    from lunalux_tui.create import book_screen
    from lunalux_tui.create import section_rows as editor
    from lunalux_tui.create.sections import declared
    from lunalux_tui.market import mine_dialog
    from lunalux_tui.parts import fields_dialog, models_dialog, preset_dialog
    from lunalux_tui.settings import model_dialog, script_screen
    from lunalux_tui.settings import sections as settings_sections
    from lunalux_tui.settings.screen import SearchField, SectionRows

    screens = [
        getattr(import_module(place.module), place.screen)
        for place in places.PLACES
        if places.exists(place.id) and place.id != places.FIRST
    ]
    dialogs = (
        books_dialog.BooksDialog,
        conversations_dialog.ConversationsDialog,
        personas_dialog.PersonasDialog,
        roster_dialogs.OwnTagsDialog,
        search_dialog.SearchDialog,
    )
    dialogs_of_texts = (
        InspectorDialog,
        scripts_dialog.ScriptsDialog,
        raw_dialog.RawDialog,
        note_dialog.NoteDialog,
    )
    dialogs_of_memory = (
        *(MemoryDialog, memories_tab.MemoriesTab, trackers_tab.TrackersTab, documents_tab.DocumentsTab),
        *(compare_dialog.CompareDialog, fields_dialog.FieldsDialog),
    )
    dialogs_of_groups = (group_dialog.GroupDialog, new_group_dialog.NewGroupDialog)
    dialogs_of_models = (models_dialog.ModelsDialog, model_dialog.ModelDialog, preset_dialog.PresetDialog)
    yield from actions_of(
        *(LunaluxApp, ChatScreen, Prompt, ChatTranscript, RosterRows, *screens),
        *(SectionRows, SearchField, *settings_sections.classes(), editor.SectionRows, *declared.classes()),
        *(book_screen.BookScreen, script_screen.ScriptScreen, mine_dialog.MineDialog),
        *(*dialogs, *dialogs_of_groups, *dialogs_of_models, *dialogs_of_texts, *dialogs_of_memory),
    )
