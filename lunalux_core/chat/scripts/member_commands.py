"""Commands on the members of a group, by name or by number from 0."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from lunalux_core.chat.scripts.arguments import bad, one_of
from lunalux_core.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lunalux_core.chat.scripts.conversation_host import ConversationHost
    from lunalux_core.library.groups import Group, Member
    from lunalux_core.stscript.host import AppCall


async def _group(host: ConversationHost) -> Group:
    place = await host.runtime.library.conversations.get(host.place)
    if not place.group_id:
        raise InvalidInput(
            "MEMBERS_OF_A_GROUP",
            "This chat is with one character and has no members.",
            "Open a chat of a group for commands on its members.",
        )
    return await host.runtime.library.groups.get(place.group_id)


def _named(group: Group, written: str) -> Member:
    key = written.strip()
    if not key:
        raise bad("NAME", written)
    # Six digits at most: Python refuses numbers of thousands of digits, and no group has a million members.
    if key.isascii() and key.isdecimal() and int(key[:6]) < len(group.members):
        return group.members[int(key[:6])]
    return group.find(key)


async def _keep(host: ConversationHost, group: Group, members: Sequence[tuple[str, bool]]) -> None:
    await host.runtime.library.groups.set_members(group.id, members)
    await host.surface.surroundings_changed()


async def _mute(muted: bool, host: ConversationHost, call: AppCall) -> str:
    group = await _group(host)
    meant = _named(group, call.text).character_id
    now = [
        (member.character_id, muted if member.character_id == meant else member.muted)
        for member in group.members
    ]
    await _keep(host, group, now)
    return ""


async def _add(host: ConversationHost, call: AppCall) -> str:
    """Gives the name of who came."""
    group, name = await _group(host), call.text.strip()
    if not name:
        raise bad("NAME", "")
    character = await host.runtime.library.characters.find(name)
    if group.member(character.id) is None:
        members = [(member.character_id, member.muted) for member in group.members]
        await _keep(host, group, [*members, (character.id, False)])
    return character.name


async def _remove(host: ConversationHost, call: AppCall) -> str:
    """Gives the name of who left; the character stays in the library."""
    group = await _group(host)
    meant = _named(group, call.text)
    members = [(member.character_id, member.muted) for member in group.members if member is not meant]
    await _keep(host, group, members)
    return meant.name


async def _move(step: int, host: ConversationHost, call: AppCall) -> str:
    """Gives the new number of the member."""
    group = await _group(host)
    members = list(group.members)
    at = members.index(_named(group, call.text))
    to = min(max(at + step, 0), len(members) - 1)
    members.insert(to, members.pop(at))
    await _keep(host, group, [(member.character_id, member.muted) for member in members])
    return str(to)


async def _get(host: ConversationHost, call: AppCall) -> str:
    """The name (field=name, the default), the number (index) or the id of a member."""
    group = await _group(host)
    member = _named(group, call.text)
    field = one_of(call, "field", ("name", "index", "id"), "name")
    if field == "index":
        return str(group.members.index(member))
    return member.name if field == "name" else member.character_id


async def _count(host: ConversationHost, call: AppCall) -> str:
    return str(len((await _group(host)).members))


COMMANDS = {
    "member-enable": partial(_mute, False),
    "member-disable": partial(_mute, True),
    "member-add": _add,
    "member-remove": _remove,
    "member-up": partial(_move, -1),
    "member-down": partial(_move, 1),
    "member-get": _get,
    "member-count": _count,
}
