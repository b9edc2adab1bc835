"""preset: what the card, the persona and the preset bring into the prompt."""

from __future__ import annotations

from lunalux_core.dialogue.assembly.prompt_material import AuthorsNote, CardFields, PromptMaterial
from lunalux_core.dialogue.authors_note import ChatNote
from lunalux_core.dialogue.context_window import prompt_budget
from lunalux_core.dialogue.turn import PromptDraft, TurnInput, TurnRequest
from lunalux_core.dialogue.workflow import TurnContext


async def preset(request: TurnRequest, _context: TurnContext) -> PromptDraft:
    turn = request.turn
    card = turn.card
    depth_prompt = card.depth_prompt
    fields = CardFields(
        name=turn.character.name,
        nickname=card.nickname,
        description=card.description,
        personality=card.personality,
        scenario=card.scenario,
        mes_example=card.mes_example,
        system_prompt=card.system_prompt,
        post_history_instructions=card.post_history_instructions,
        depth_prompt=depth_prompt.prompt,
        depth_prompt_depth=depth_prompt.depth,
        depth_prompt_role=depth_prompt.role,
    )
    material = PromptMaterial(
        card=fields,
        user=turn.user,
        persona=turn.persona,
        note=_note(turn),
        type=turn.kind,
        budget=prompt_budget(turn),
        language=turn.language,
        reply_words=turn.settings.reply_words,
        group=turn.group.names if turn.group else (),
        group_depths=turn.group.depths if turn.group else (),
    )
    return PromptDraft(request, material, turn.variables())


def _note(turn: TurnInput) -> AuthorsNote | None:
    """The author's note where it is due; also an empty one, since worldbook entries may stand around it."""
    if not turn.conversation.note:
        return AuthorsNote("")
    note = note_of(turn)
    return note.for_prompt() if note is not None else None


def note_of(turn: TurnInput) -> ChatNote | None:
    """The author's note as the chat keeps it, where it is due."""
    note = ChatNote.read(turn.conversation.note)
    return note if note.due(turn.said + (1 if turn.text else 0)) else None
