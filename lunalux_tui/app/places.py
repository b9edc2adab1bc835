"""The places of the app: one screen each, imported when it is first visited."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from textual.screen import Screen

from lunalux_tui.actions import Action, actions_of

FIRST = "chat"


@dataclass(frozen=True, slots=True)
class Place:
    """A screen by name: its words are `place.<id>` in the catalogue, its key shows it."""

    id: str
    module: str
    screen: str
    key: str

    def make(self) -> Screen[Any]:
        """The screen itself."""
        made: Screen[Any] = getattr(import_module(self.module), self.screen)()
        return made


PLACES = (
    Place(FIRST, "lunalux_tui.chat.screen", "ChatScreen", "f2"),
    Place("market", "lunalux_tui.market.screen", "MarketScreen", "f3"),
    Place("create", "lunalux_tui.create.screen", "CreateScreen", "f4"),
    Place("user", "lunalux_tui.account.screen", "AccountScreen", "f5"),
    Place("settings", "lunalux_tui.settings.screen", "SettingsScreen", "f6"),
)

MANAGED = ("models", "presets", "worldbooks", "regex", "plugins", "keys", "data")
"""Sections of the settings that the palette leads to."""

ACTIONS = (
    *(Action(f"go.{place.id}", f"app.go('{place.id}')", place.key, priority=True) for place in PLACES),
    *(Action(f"go.{section}", f"app.settings('{section}')") for section in MANAGED),
)


@cache
def exists(place_id: str) -> bool:
    """Whether the screen of a place is there to be shown."""
    return any(place.id == place_id and find_spec(place.module) is not None for place in PLACES)


def all_actions() -> Iterator[Action]:
    """Every declared action of the app, for the key map and the reference of keys."""
    from lunalux_tui.app.app import LunaluxApp
    from lunalux_tui.chat import (
        conversations_dialog,
        group_dialog,
        new_group_dialog,
        note_dialog,
        personas_dialog,
        raw_dialog,
        scripts_dialog,
        search_dialog,
    )
    from lunalux_tui.chat.actions import ChatTranscript
    from lunalux_tui.chat.inspector.dialog import InspectorDialog
    from lunalux_tui.chat.prompt import Prompt
    from lunalux_tui.chat.roster import RosterRows
    from lunalux_tui.chat.screen import ChatScreen
    from lunalux_tui.create import sections
    from lunalux_tui.parts import models_dialog, preset_dialog
    from lunalux_tui.settings import model_dialog
    from lunalux_tui.settings import sections as panes
    from lunalux_tui.settings.screen import SearchField, SectionRows

    screens = [
        getattr(import_module(place.module), place.screen)
        for place in PLACES
        if exists(place.id) and place.id != FIRST
    ]
    dialogs = (
        conversations_dialog.ConversationsDialog,
        personas_dialog.PersonasDialog,
        search_dialog.SearchDialog,
    )
    dialogs_of_texts = (
        InspectorDialog,
        scripts_dialog.ScriptsDialog,
        raw_dialog.RawDialog,
        note_dialog.NoteDialog,
    )
    dialogs_of_groups = (group_dialog.GroupDialog, new_group_dialog.NewGroupDialog)
    dialogs_of_models = (models_dialog.ModelsDialog, model_dialog.ModelDialog, preset_dialog.PresetDialog)
    yield from actions_of(
        *(LunaluxApp, ChatScreen, Prompt, ChatTranscript, RosterRows, *screens),
        *(SectionRows, SearchField, *panes.classes(), *sections.classes()),
        *(*dialogs, *dialogs_of_groups, *dialogs_of_models, *dialogs_of_texts),
    )
