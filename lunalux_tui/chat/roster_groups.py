"""Which groups the list shows: narrowed by words, tags and folders as the characters are."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lunalux_core.library import Library
    from lunalux_core.library.character_list import CharacterQuery
    from lunalux_core.library.groups import Group
    from lunalux_core.library.tags import Tag


async def groups_shown(library: Library, wanted: CharacterQuery) -> Sequence[Group]:
    """The groups of the library that fit; a group is never a favourite."""
    groups = () if wanted.favourites else await library.groups.list(wanted.words)
    if not groups:
        return ()
    tags = await library.tags.of_groups()
    return [group for group in groups if _fits(tags.get(group.id, ()), wanted)]


def _fits(tags: Sequence[Tag], wanted: CharacterQuery) -> bool:
    if wanted.folder:
        return any(tag.id == wanted.folder for tag in tags)
    if wanted.outside and any(tag.folder == "closed" for tag in tags):
        return False
    names = {tag.name.casefold() for tag in tags}
    return names.issuperset(name.casefold() for name in wanted.tags) and names.isdisjoint(
        name.casefold() for name in wanted.without
    )
