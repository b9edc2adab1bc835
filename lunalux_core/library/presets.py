"""Presets by name: those of the library, and the ones that are built in."""

from __future__ import annotations

from contextlib import suppress

from lunalux_core.errors import NotFound
from lunalux_core.language import Language
from lunalux_core.library.name_lookup import NamedReference, find_named, missing
from lunalux_core.library.shelf import Shelf, ShelfItem


async def named_preset(shelf: Shelf, name: str, language: Language) -> ShelfItem | str:
    """The imported preset of that name, or the key of a built-in one; whole names go before parts.

    Args:
        language: of the titles under which the built-in ones are known, beside their keys.

    Raises:
        NotFound: PRESET_NOT_FOUND, with the nearest names.
    """
    from lunalux_core.presets.builtin import builtin_presets

    with suppress(NotFound):
        return await shelf.find(name, whole=True)
    shipped = builtin_presets(language)
    for preset in shipped:
        if name.strip().casefold() in (preset.key, preset.title.casefold()):
            return preset.key
    with suppress(NotFound):
        return await shelf.find(name)
    keys = [NamedReference(preset.key, preset.key.replace("_", " ")) for preset in shipped]
    titles = [NamedReference(preset.key, preset.title) for preset in shipped]
    # Apart: together, each preset would be there twice, and no beginning would be unique.
    for names in (keys, titles):
        if (item := find_named(names, name)) is not None:
            return item.id
    raise missing(
        "PRESET_NOT_FOUND",
        f"There is no preset {name!r}.",
        "`lunalux preset list` shows them all.",
        name,
        [*(item.name for item in await shelf.list()), *(preset.key for preset in shipped)],
    )
