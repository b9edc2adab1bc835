"""What the first frame shows, read while the app is still being built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from lunalux_core.errors import LunaluxError, NotFound

if TYPE_CHECKING:
    from lunalux_core.library.character_list import CharacterSummary
    from lunalux_core.library.conversations import Conversation, LastWords, Message
    from lunalux_core.library.groups import Group
    from lunalux_core.library.tags import Tag
    from lunalux_core.runtime import Runtime

FIRST = 14
"""Messages of the first frame; more are read when the person scrolls."""

TOLD = 60
"""Owners of conversations whose last words the first frame tells: as many as the highest terminal shows."""

LISTED = 100
"""Characters of the first frame; the whole list follows it."""


@dataclass(frozen=True, slots=True)
class Opening:
    """The list of characters, and the conversation to begin with, if there is one.

    `wanted` is the character or group that was asked for when it has no conversation yet; `named` what was
    asked for while the library is empty: the starters may bring it. `problem` is what kept the library from
    being read.
    """

    characters: Sequence[CharacterSummary] = ()
    conversation: Conversation | None = None
    messages: Sequence[Message] = ()
    wanted: str = ""
    persona: str = ""
    problem: LunaluxError | None = None
    groups: Sequence[Group] = ()
    named: str = ""
    last_words: Mapping[str, LastWords] = field(default_factory=dict)
    folders: Sequence[Tag] = ()


async def read_opening(
    runtime: Runtime, character: str = "", conversation: str = "", new: bool = False
) -> Opening:
    """Read what the first frame shows; a problem is told on the screen, never raised."""
    library = runtime.library
    try:
        characters, folders = await library.characters.first(LISTED)
        groups = await library.groups.list()
        persona = await library.personas.chosen()
        last_words = await library.conversations.last_words_of_owners(limit=TOLD)
        character_id, group = await asked_for(runtime, character)
        opening = Opening(
            characters,
            wanted=character_id or group,
            persona=persona.name if persona else runtime.settings.user_name,
            groups=groups,
            folders=folders,
            last_words=last_words,
        )
        place: Conversation | None = None
        if conversation:
            place = await library.conversations.named(conversation)
        elif not (new and opening.wanted):
            place = await library.conversations.latest(character_id or None, group_id=group or None)
        if place is None:
            return opening
        page = await library.conversations.page(place.id, limit=FIRST)
        return replace(opening, conversation=place, messages=page, wanted="")
    except NotFound as error:
        # The starters come after the first frame, and whoever was asked for may be one of them.
        if character and not conversation and not await library.characters.count():
            return Opening(named=character)
        return Opening(await library.characters.list(limit=LISTED), problem=error)
    except LunaluxError as error:
        return Opening(problem=error)


async def asked_for(runtime: Runtime, name: str) -> tuple[str, str]:
    """Ids of the character and of the group that a name means, one of them "". Raises NotFound."""
    if not name:
        return "", ""
    from lunalux_core.library.addressee import whom
    from lunalux_core.library.groups import Group

    target = await whom(runtime.library, name)
    return ("", target.id) if isinstance(target, Group) else (target.id, "")
