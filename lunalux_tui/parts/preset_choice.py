"""Which preset is in use, and putting another one in use: for the settings and for the chat."""

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
"""Begins the row id of a built-in preset; other rows have the id of the shelf."""


@dataclass(frozen=True, slots=True)
class PresetChoice:
    """A preset; `item` is its place on the shelf, None for a built-in one."""

    row_id: str
    preset: Preset
    item: ShelfItem | None = None


async def in_use(app: Host) -> PresetChoice:
    """The preset that the next turn goes by. Raises what `held` raises."""
    settings = app.runtime.settings
    for item in await app.runtime.library.presets.list(enabled_only=True):
        return held(item.id, settings, [item])
    return held(BUILTIN + settings.preset, settings)


def held(row_id: str, settings: Settings, items: Iterable[ShelfItem] = ()) -> PresetChoice:
    """The preset of a row. Raises InvalidInput for a document that is none, KeyError for an unknown row."""
    from lunalux_core.presets.builtin import builtin_presets, load_builtin
    from lunalux_core.presets.document import read_preset

    if row_id.startswith(BUILTIN):
        key = row_id.removeprefix(BUILTIN)
        titles = {preset.key: preset.title for preset in builtin_presets(settings.lang)}
        return PresetChoice(row_id, replace(load_builtin(key, settings.lang), name=titles[key]))
    item = {item.id: item for item in items}[row_id]
    return PresetChoice(row_id, read_preset(item.document, item.name).preset, item)


async def put_in_use(app: Host, row_id: str) -> None:
    """Let the next turns go by the preset of a row."""
    shelf = app.runtime.library.presets
    if not row_id.startswith(BUILTIN):
        await shelf.enable(row_id)
        return
    # A preset of the shelf wins over the setting, so all of them have to be off.
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
