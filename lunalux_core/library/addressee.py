"""Whom a person means who names somebody to talk with: a character, or a group."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from lunalux_core.errors import NotFound

if TYPE_CHECKING:
    from lunalux_core.library import Library
    from lunalux_core.library.characters import Character
    from lunalux_core.library.groups import Group


async def whom(library: Library, name: str) -> Character | Group:
    """The character or the group that a name means; one with the whole name goes before any with a part.

    Raises:
        NotFound: CHARACTER_NOT_FOUND. InvalidInput: CHARACTER_AMBIGUOUS.
    """
    # A group with the whole name must not lose to a character that only has it as a word.
    for whole in (True, False):
        with suppress(NotFound):
            return await library.characters.find(name, whole=whole)
        with suppress(NotFound):
            return await library.groups.find(name, whole=whole)
    # Nothing fits: asked once more for its error, which names what is like it.
    return await library.characters.find(name)
