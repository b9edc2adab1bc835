"""Which texts of a prompt may say by a macro what stands where."""

from __future__ import annotations

from lunalux_core.dialogue.turn import PromptDraft


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
