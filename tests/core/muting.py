"""Muting one member of a group, as the screens and the command line do it."""

from __future__ import annotations

from lunalux_core.library import Library


async def mute(library: Library, group_id: str, character_id: str, muted: bool = True) -> None:
    """Mute a member, or let it speak again; the others stay as they are."""
    members = (await library.groups.get(group_id)).members
    wanted = [
        (member.character_id, muted if member.character_id == character_id else member.muted)
        for member in members
    ]
    await library.groups.set_members(group_id, wanted)
