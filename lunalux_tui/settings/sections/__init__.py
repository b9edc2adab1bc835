"""The sections of the settings screen, each imported when it is first shown."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from lunalux_core.config.settings import DECLARATIONS, Declaration
from lunalux_tui.i18n import t

if TYPE_CHECKING:
    from lunalux_tui.settings.sections.section_view import SectionView


@dataclass(frozen=True, slots=True)
class Section:
    """A section by name: its words are `settings.section.<id>`.

    A section of plain values shows the settings whose keys begin with one of `prefixes`; any other is a
    view of its own, `module:class`. `actions` are actions of the app that belong here too.
    """

    id: str
    prefixes: tuple[str, ...] = ()
    view: str = ""
    actions: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return t(f"settings.section.{self.id}.title")

    @property
    def help(self) -> str:
        return t(f"settings.section.{self.id}.help")

    def load(self) -> type[SectionView]:
        """The class of its view."""
        module, _, name = (self.view or "setting_values:ValuesSection").partition(":")
        view: type[SectionView] = getattr(import_module(f"{__name__}.{module}"), name)
        return view

    def make(self) -> SectionView:
        """The view itself."""
        return self.load()(self)


SECTIONS = (
    Section("general", ("language",), actions=("app.tour",)),
    Section("look", ("ui.",)),
    Section("models", view="models:ModelsSection"),
    Section("chat", ("chat.",)),
    Section("presets", view="presets:PresetsSection"),
    Section("worldbooks", view="shelf:WorldbooksSection"),
    Section("lore", ("worldbook.",)),
    Section("memory", ("memory.", "tracker.", "bank.", "vectors.")),
    Section("regex", view="shelf:ScriptsSection"),
    Section("plugins", view="plugins:PluginsSection"),
    Section("keys", view="keys:KeysSection"),
    Section("market", ("market.", "editor.")),
    Section("backend", ("backend.",)),
    Section("data", view="data:DataSection"),
)
BY_ID = {section.id: section for section in SECTIONS}
ELSEWHERE = ("plugins.",)
"""Settings that a view of its own takes care of."""


def section_of(key: str) -> Section | None:
    """The section that shows a setting; what fits nowhere is general; None for what a view takes care of."""
    if key.startswith(ELSEWHERE):
        return None
    return next(
        (section for section in SECTIONS if section.prefixes and key.startswith(section.prefixes)),
        SECTIONS[0],
    )


def settings_of(section: Section) -> list[Declaration]:
    """The settings of a section, in the order of their declaration."""
    return [declaration for key, declaration in DECLARATIONS.items() if section_of(key) is section]


def classes() -> list[type[SectionView]]:
    """The classes of all views, each once."""
    return list(dict.fromkeys(section.load() for section in SECTIONS))
