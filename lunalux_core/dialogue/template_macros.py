"""Macros that a text template brings: its sequences, and the system prompt as it is written."""

from __future__ import annotations

from collections.abc import Mapping

from lunalux_core.templates.values import Instruct, SystemPrompt, TextTemplate


def template_macros(template: TextTemplate, card_prompt: str = "") -> Mapping[str, str]:
    """Values by lower-case name, for `MacroContext.extra`; they are inserted unread.

    Args:
        card_prompt: the card's own system prompt, which goes before the template's.
    """
    one = template.instruct or Instruct()
    context, system = template.context, template.sysprompt
    content = (system or SystemPrompt()).content
    named = {
        "instructStoryStringPrefix": one.story_string_prefix,
        "instructStoryStringSuffix": one.story_string_suffix,
        "instructInput instructUserPrefix": one.input_sequence,
        "instructUserSuffix": one.input_suffix,
        "instructOutput instructAssistantPrefix": one.output_sequence,
        "instructSeparator instructAssistantSuffix": one.output_suffix,
        "instructSystemPrefix": one.system_sequence,
        "instructSystemSuffix": one.system_suffix,
        "instructFirstOutput instructFirstAssistantPrefix": one.first_output_sequence or one.output_sequence,
        "instructLastOutput instructLastAssistantPrefix": one.last_output_sequence or one.output_sequence,
        "instructStop": one.stop_sequence,
        "instructUserFiller": one.user_alignment_message,
        "instructSystemInstructionPrefix": one.last_system_sequence,
        "instructFirstInput instructFirstUserPrefix": one.first_input_sequence or one.input_sequence,
        "instructLastInput instructLastUserPrefix": one.last_input_sequence or one.input_sequence,
        "systemPrompt": (card_prompt or content) if system else "",
        "defaultSystemPrompt instructSystem instructSystemPrompt": content,
        "chatSeparator exampleSeparator": context.example_separator,
        "chatStart": context.chat_start,
    }
    return {name.lower(): value for names, value in named.items() for name in names.split()}
