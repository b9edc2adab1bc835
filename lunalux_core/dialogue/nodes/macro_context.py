"""What macros can see in one turn, and which texts of a prompt may hold macros that say what stands where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, overload

from lunalux_core.dialogue.turn import PromptDraft, TurnInput
from lunalux_core.library.conversations import Message
from lunalux_core.macros.expansion import ChatMessage, MacroContext

if TYPE_CHECKING:
    from lunalux_core.library.trackers import TrackerState


def macro_context(turn: TurnInput, said: str, outlets: Mapping[str, str] | None = None) -> MacroContext:
    """The context of a turn; `said` is the person's words as they are sent."""
    card = turn.card
    now = (ChatMessage(turn.user, said, is_user=True),) if said else ()
    return MacroContext(
        user=turn.user,
        char=turn.character.name,
        nickname=card.nickname,
        group=turn.group.names if turn.group else (),
        muted=turn.group.muted if turn.group else (),
        persona=turn.persona,
        description=card.description,
        personality=card.personality,
        scenario=card.scenario,
        examples=card.mes_example,
        char_prompt=card.system_prompt,
        char_instruction=card.post_history_instructions,
        depth_prompt=card.depth_prompt.prompt,
        creator_notes=card.creator_notes,
        char_version=card.character_version,
        first_message=card.first_mes,
        alternate_greetings=card.alternate_greetings,
        chat=_Chat(turn.history, now),
        generation_type=turn.kind,
        input=turn.text,
        outlets=outlets or {},
        trackers=tracker_values(turn.trackers),
        model=turn.model.model,
        max_context=turn.model.context_tokens,
        max_response=turn.settings.reply_tokens,
        chat_id=turn.conversation.id,
        language=turn.language,
        random=turn.draws(),
    )


def tracker_values(standing: Sequence[TrackerState]) -> dict[str, str]:
    """What the trackers that are on hold, for ``{{tracker::NAME}}``."""
    return {
        state.tracker.name.casefold(): state.value.value.strip() if state.value else ""
        for state in standing
        if state.tracker.enabled
    }


class _Chat(Sequence[ChatMessage]):
    """The messages of a turn as macros see them, made when one is asked for: nearly none ever is, and every
    node of a turn has a context of its own.
    """

    def __init__(self, history: Sequence[Message], now: tuple[ChatMessage, ...]) -> None:
        self._history = history
        self._now = now

    def __len__(self) -> int:
        return len(self._history) + len(self._now)

    @overload
    def __getitem__(self, index: int) -> ChatMessage: ...
    @overload
    def __getitem__(self, index: slice) -> list[ChatMessage]: ...
    def __getitem__(self, index: int | slice) -> ChatMessage | list[ChatMessage]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        # Turns negative places round, and raises for those that there are not.
        at = range(len(self))[index]
        if at >= len(self._history):
            return self._now[at - len(self._history)]
        message = self._history[at]
        return ChatMessage(
            message.name,
            message.content,
            is_user=message.role == "user",
            is_system=message.hidden,
            swipes=message.swipes,
            swipe=message.swipe,
            sent_at=datetime.fromtimestamp(message.created_at / 1000, UTC).astimezone(),
        )


def placing_texts(draft: PromptDraft) -> list[str]:
    """The texts of preset, card or template that are part of the prompt."""
    turn = draft.request.turn
    texts = [turn.card.system_prompt, turn.card.post_history_instructions]
    if draft.template is None:
        prompts = (turn.preset.prompt(name) for name, enabled in turn.preset.order if enabled)
        texts += [prompt.content for prompt in prompts if prompt is not None and prompt.runs_on(turn.kind)]
    else:
        system = draft.template.sysprompt
        texts += [draft.template.context.story_string]
        texts += [system.content, system.post_history] if system is not None else []
    return texts
