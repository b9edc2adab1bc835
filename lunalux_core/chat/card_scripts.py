"""Regex scripts that a card brings: they run only after the person allowed this character.

See docs/spec/formats.md: Regex script files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lunalux_core.library.characters import Character, load_character
from lunalux_core.library.conversations import load_conversation

if TYPE_CHECKING:
    from lunalux_core.database import Connection
    from lunalux_core.library import Library
    from lunalux_core.regex.script import RegexScript

# SillyTavern's numbers. 0 and 4 are old ones, which `regex.script` replaces as it reads a script.
NAMED = {1: "input", 2: "reply", 3: "command", 5: "worldbook", 6: "reasoning"}
"""Words for `RegexScript.placement`: what a script works on."""


@dataclass(frozen=True, slots=True)
class CardScripts:
    """The scripts of one character's card; `allowed` is the person's answer, None before there is one."""

    character_id: str
    name: str
    scripts: tuple[RegexScript, ...]
    allowed: bool | None

    @property
    def names(self) -> tuple[str, ...]:
        """What the scripts are called; one without a name by its pattern."""
        return tuple(script.name or script.find for script in self.scripts)


async def scripts_of_cards(library: Library, conversation_id: str) -> Sequence[CardScripts]:
    """The characters of a conversation whose cards bring scripts. Raises NotFound."""

    def read(connection: Connection) -> list[CardScripts]:
        conversation = load_conversation(connection, conversation_id)
        ids = [conversation.character_id]
        if conversation.group_id:
            from lunalux_core.library.groups import load_group

            ids = [member.character_id for member in load_group(connection, conversation.group_id).members]
        characters = (scripts_of(load_character(connection, character_id)) for character_id in ids)
        return [scripts for scripts in characters if scripts is not None]

    return await library.database.read(read)


def scripts_of(character: Character) -> CardScripts | None:
    """The scripts of one character's card, None where it brings none that could run."""
    if '"regex_scripts"' not in character.document:  # most cards; the others are worth reading
        return None
    from lunalux_core.dialogue.active_books import parsed_card
    from lunalux_core.regex.script import scripts_inside

    scripts = tuple(
        script
        for script in scripts_inside(parsed_card(character.document).regex_scripts)
        if script.find and not script.disabled
    )
    if not scripts:
        return None
    return CardScripts(character.id, character.name, scripts, character.scripts_allowed)


def works_on(script: RegexScript) -> tuple[str, ...]:
    """What kinds of text a script is for, as names of `NAMED`."""
    return tuple(name for number, name in NAMED.items() if number in script.placement)


def changes(script: RegexScript) -> tuple[str, ...]:
    """What a script changes: what is stored, or only what is shown, or only what is sent."""
    only = [
        name for name, wanted in (("display", script.markdown_only), ("prompt", script.prompt_only)) if wanted
    ]
    return tuple(only) or ("store",)
