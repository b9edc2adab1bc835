"""preset: what the card, the persona and the preset bring into the prompt."""

from __future__ import annotations

from lunalux_core.dialogue.assembly.material import CardFields, PromptMaterial
from lunalux_core.dialogue.authors_note import ChatNote
from lunalux_core.dialogue.nodes.macro_context import branch_variables
from lunalux_core.dialogue.turn import Draft, TurnInput, TurnRequest
from lunalux_core.dialogue.workflow import TurnContext


async def preset(request: TurnRequest, _context: TurnContext) -> Draft:
    turn = request.turn
    card, note = turn.card, note_of(turn)
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
        note=note.for_prompt() if note is not None else None,
        type=turn.kind,
        budget=prompt_budget(turn),
        language=turn.language,
        reply_words=turn.settings.reply_words,
        group=turn.group.names if turn.group else (),
        group_depths=turn.group.depths if turn.group else (),
    )
    return Draft(request, material, branch_variables(turn))


def prompt_budget(turn: TurnInput) -> int:
    """Tokens for the prompt: the window less the reply."""
    return window_of(turn) - reply_room(turn)


def window_of(turn: TurnInput) -> int:
    """Tokens for prompt and reply together. An imported preset's own window counts too, up to the model's."""
    window = min(turn.model.context_tokens, turn.settings.context_tokens)
    if _counts(turn) and (tokens := turn.preset.params.context_tokens):
        window = min(turn.model.context_tokens, tokens)
    return window


def reply_room(turn: TurnInput) -> int:
    """Tokens kept for the reply: the wish of this turn, of its profiles, the model's own limit, the imported
    preset's, the setting.

    Presets are made for large models: one that asks for more than half of this model's window gets a
    quarter, or what the setting says, so that a prompt has room too.
    """
    tokens = turn.parameters.get("max_tokens", turn.profiled.get("max_tokens"))
    if isinstance(tokens, int) and tokens > 0:
        return tokens
    if own := turn.model.sampling.max_tokens:
        return own
    imported = turn.preset.params.sampling.max_tokens if _counts(turn) else None
    if not imported or imported <= 0:
        return turn.settings.reply_tokens
    window = window_of(turn)
    if imported > window // 2:
        return min(imported, max(window // 4, min(turn.settings.reply_tokens, window // 2)))
    return imported


def _counts(turn: TurnInput) -> bool:
    """Whether the preset's numbers are meant for this model: an imported one, which is made for chats."""
    return turn.preset.source == "sillytavern" and turn.model.mode == "chat"


def note_of(turn: TurnInput) -> ChatNote | None:
    """The author's note where it is due; also an empty one, since worldbook entries may stand around it."""
    note = ChatNote.read(turn.conversation.note)
    return note if note.due(turn.said + (1 if turn.text else 0)) else None
