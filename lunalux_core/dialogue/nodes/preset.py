"""preset: what the card, the persona and the preset bring into the prompt."""

from __future__ import annotations

from typing import Any

from lunalux_core.dialogue.assembly.material import AuthorsNote, CardFields, NotePosition, PromptMaterial
from lunalux_core.dialogue.nodes.macros import branch_variables
from lunalux_core.dialogue.turn import Draft, TurnInput, TurnRequest
from lunalux_core.dialogue.workflow import TurnContext
from lunalux_core.llm.model import Role

_ROLES: tuple[Role, ...] = ("system", "user", "assistant")
_POSITIONS: dict[int, NotePosition] = {0: "after_main", 1: "in_chat", 2: "before_main"}


async def preset(request: TurnRequest, _context: TurnContext) -> Draft:
    turn = request.turn
    card = turn.card
    fields = CardFields(
        name=turn.character.name,
        nickname=card.nickname,
        description=card.description,
        personality=card.personality,
        scenario=card.scenario,
        mes_example=card.mes_example,
        system_prompt=card.system_prompt,
        post_history_instructions=card.post_history_instructions,
        depth_prompt=card.depth_prompt.prompt,
        depth_prompt_depth=card.depth_prompt.depth,
        depth_prompt_role=card.depth_prompt.role,
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
        group=turn.cast.names if turn.cast else (),
        group_depths=turn.cast.depths if turn.cast else (),
    )
    return Draft(request, material, branch_variables(turn))


def prompt_budget(turn: TurnInput) -> int:
    """Tokens for the prompt: the window less the reply. An imported preset's own window counts too."""
    params = turn.preset.params
    window = min(turn.model.context_tokens, turn.settings.context_tokens)
    if turn.preset.source == "sillytavern" and params.context_tokens:
        window = min(turn.model.context_tokens, params.context_tokens)
    return window - reply_room(turn)


def reply_room(turn: TurnInput) -> int:
    """Tokens kept for the reply: the model's own limit, the imported preset's, or the setting."""
    own = turn.model.sampling.max_tokens
    imported = turn.preset.params.sampling.max_tokens if turn.preset.source == "sillytavern" else None
    return own or imported or turn.settings.reply_tokens


def _note(turn: TurnInput) -> AuthorsNote | None:
    """The author's note where it is due; also an empty one, since worldbook entries may stand around it."""
    note = turn.conversation.note
    said = sum(1 for message in turn.history if message.role == "user") + (1 if turn.text else 0)
    if not AuthorsNote.due(_number(note.get("interval"), 1), said):
        return None
    position = _POSITIONS.get(_number(note.get("position"), 1), "in_chat")
    role = _number(note.get("role"), 0)
    return AuthorsNote(
        str(note.get("prompt") or ""),
        position,
        _number(note.get("depth"), 4),
        _ROLES[role] if 0 <= role < len(_ROLES) else "system",
    )


def _number(value: Any, default: int) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return default
