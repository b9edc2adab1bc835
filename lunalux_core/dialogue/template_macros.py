"""Macros that a text template brings: its sequences, and the system prompt as it is written."""

from __future__ import annotations

from collections.abc import Mapping

from lunalux_core.templates.template_values import Instruct, SystemPrompt, TextTemplate


def template_macros(template: TextTemplate, card_prompt: str = "") -> Mapping[str, str]:
    """Values by lower-case name, for `MacroContext.extra`; they are inserted unread.

    Args:
        card_prompt: the card's own system prompt, which goes before the template's.
    """
    instruct = template.instruct or Instruct()
    context, system = template.context, template.sysprompt
    content = (system or SystemPrompt()).content
    named = {
        "instructStoryStringPrefix": instruct.story_string_prefix,
        "instructStoryStringSuffix": instruct.story_string_suffix,
        "instructInput instructUserPrefix": instruct.input_sequence,
        "instructUserSuffix": instruct.input_suffix,
        "instructOutput instructAssistantPrefix": instruct.output_sequence,
        "instructSeparator instructAssistantSuffix": instruct.output_suffix,
        "instructSystemPrefix": instruct.system_sequence,
        "instructSystemSuffix": instruct.system_suffix,
        "instructFirstOutput instructFirstAssistantPrefix": instruct.first_output_sequence
        or instruct.output_sequence,
        "instructLastOutput instructLastAssistantPrefix": instruct.last_output_sequence
        or instruct.output_sequence,
        "instructStop": instruct.stop_sequence,
        "instructUserFiller": instruct.user_alignment_message,
        "instructSystemInstructionPrefix": instruct.last_system_sequence,
        "instructFirstInput instructFirstUserPrefix": instruct.first_input_sequence
        or instruct.input_sequence,
        "instructLastInput instructLastUserPrefix": instruct.last_input_sequence or instruct.input_sequence,
        "systemPrompt": (card_prompt or content) if system else "",
        "defaultSystemPrompt instructSystem instructSystemPrompt": content,
        "chatSeparator exampleSeparator": context.example_separator,
        "chatStart": context.chat_start,
    }
    return {name.lower(): value for names, value in named.items() for name in names.split()}
