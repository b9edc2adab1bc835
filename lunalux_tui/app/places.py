"""The places of the app: one screen each, imported when it is first visited."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from textual.screen import Screen

from lunalux_tui.actions import Action

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
        screen: Screen[Any] = getattr(import_module(self.module), self.screen)()
        return screen


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
