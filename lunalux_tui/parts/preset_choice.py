"""The preset in use, and choosing another: for the settings and the chat."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lunalux_core.library.shelf import ShelfItem
from lunalux_core.text import clean_line
from lunalux_tui.i18n import has, t
from lunalux_tui.parts.rows import Row

if TYPE_CHECKING:
    from lunalux_core.config.settings import Settings
    from lunalux_core.presets.document import Preset
    from lunalux_tui.parts.host import Host

BUILTIN = "builtin "
"""Prefix of the row ids of built-in presets; other rows have the id in the library."""


@dataclass(frozen=True, slots=True)
class PresetChoice:
    """A preset; `item` is its row in the library, None for a built-in one."""

    row_id: str
    preset: Preset
    item: ShelfItem | None = None


async def in_use(app: Host) -> PresetChoice:
    """The preset that the next turn uses. Raises InvalidInput if its document is no preset."""
    settings = app.runtime.settings
    for item in await app.runtime.library.presets.list(enabled_only=True):
        return preset_of_row(item.id, settings, [item])
    return preset_of_row(BUILTIN + settings.preset, settings)


def preset_of_row(row_id: str, settings: Settings, items: Iterable[ShelfItem] = ()) -> PresetChoice:
    """The preset of a row. Raises InvalidInput if its document is no preset, KeyError for an unknown row."""
    from lunalux_core.presets.builtin import builtin_presets, load_builtin
    from lunalux_core.presets.document import read_preset

    if row_id.startswith(BUILTIN):
        key = row_id.removeprefix(BUILTIN)
        titles = {preset.key: preset.title for preset in builtin_presets(settings.lang)}
        return PresetChoice(row_id, replace(load_builtin(key, settings.lang), name=titles[key]))
    item = {item.id: item for item in items}[row_id]
    return PresetChoice(row_id, read_preset(item.document, item.name).preset, item)


async def put_in_use(app: Host, row_id: str) -> None:
    """Use the preset of a row for the next turns."""
    shelf = app.runtime.library.presets
    if not row_id.startswith(BUILTIN):
        await shelf.enable(row_id)
        return
    # An enabled preset of the library takes precedence over the setting, so all of them are disabled.
    for other in await shelf.list(enabled_only=True):
        await shelf.enable(other.id, False)
    app.change_setting("chat.preset", row_id.removeprefix(BUILTIN))


def builtin_rows(settings: Settings, items: Iterable[ShelfItem]) -> Sequence[Row]:
    """The built-in presets; the one in use is marked where none of the shelf is."""
    from lunalux_core.presets.builtin import builtin_presets

    own = any(item.enabled for item in items)
    return [
        _row(BUILTIN + preset.key, preset.title, used=not own and settings.preset == preset.key)
        for preset in builtin_presets(settings.lang)
    ]


def own_rows(items: Iterable[ShelfItem]) -> Sequence[Row]:
    """The presets of the shelf."""
    return [_row(item.id, item.name, used=item.enabled) for item in items]


def prompt_title(preset: Preset, identifier: str) -> str:
    """What a prompt is called: in the person's language where the preset is built in or the program fills it,
    else as its author says."""
    prompt = preset.prompt(identifier)
    key = f"inspector.slot.{identifier}"
    if (prompt is None or prompt.marker or not prompt.name or preset.source == "builtin") and has(key):
        return t(key)
    return clean_line(prompt.name if prompt is not None and prompt.name else identifier, 80)


def _row(row_id: str, name: str, *, used: bool) -> Row:
    return Row(row_id, name, right=t("shelf.preset.in_use") if used else "", mark="✓" if used else " ")
