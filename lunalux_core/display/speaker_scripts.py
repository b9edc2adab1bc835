"""Reads what a conversation is shown with: the display scripts of everybody who speaks in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from lunalux_core.dialogue.active_books import parsed_card
from lunalux_core.dialogue.openings import card_context
from lunalux_core.dialogue.turn import TurnOptions
from lunalux_core.dialogue.turn_input import scripts_in_force
from lunalux_core.display.display_scripts import SpeakerScripts, display_scripts
from lunalux_core.library.characters import Character, load_character
from lunalux_core.library.conversations import load_conversation, load_message
from lunalux_core.library.groups import load_group
from lunalux_core.library.personas import load_persona
from lunalux_core.library.program_state import load_globals
from lunalux_core.library.turns import branch_state
from lunalux_core.macros.expansion import MacroContext

if TYPE_CHECKING:
    from lunalux_core.database import Connection
    from lunalux_core.dialogue.turn_input import TurnReader
    from lunalux_core.presets.document import Preset


class ConversationScripts(NamedTuple):
    """Scripts and names by the speaker's id ("" for everybody else), and the variables at the end."""

    by_speaker: Mapping[str, SpeakerScripts]
    variables: Mapping[str, str]
    global_variables: Mapping[str, str]


def read_speaker_scripts(
    connection: Connection, reader: TurnReader, conversation_id: str
) -> ConversationScripts:
    """Within a transaction. In a group every speaker has the scripts of its own card. Raises NotFound."""
    conversation = load_conversation(connection, conversation_id)
    persona = load_persona(connection, conversation.persona_id)
    user = reader.user_name(connection, conversation, TurnOptions())
    presets: dict[str, Preset] = {}

    def voice(character: Character) -> SpeakerScripts:
        card = parsed_card(character.document)
        language = reader.language(character)
        if language not in presets:  # the same for all who speak it
            presets[language] = reader.preset(connection, conversation, TurnOptions(), language)
        preset = presets[language]
        context = card_context(
            card,
            character.name,
            user=user,
            persona=persona.description if persona else "",
            chat_id=conversation.id,
            language=language,
        )
        return SpeakerScripts(display_scripts(scripts_in_force(connection, character, card, preset)), context)

    if conversation.group_id:
        members = load_group(connection, conversation.group_id).members
        voices = {
            member.character_id: voice(load_character(connection, member.character_id)) for member in members
        }
        # Whoever has left the group since is shown with the scripts of its first member.
        voices[""] = next(iter(voices.values()), SpeakerScripts((), MacroContext(user=user)))
    else:
        voices = {"": voice(load_character(connection, conversation.character_id))}
    head = load_message(connection, conversation.head_id) if conversation.head_id else None
    # Of the branch that is shown: another swipe may have set other values.
    variables = branch_state(connection, head).get("variables")
    stored = variables if isinstance(variables, dict) else {}
    return ConversationScripts(voices, stored, load_globals(connection))
