"""The beginning of the reply that a preset or a person asks for, where the model goes on from it.

SillyTavern sends it to Claude alone. Claude 4.6 and later refuse a request that ends with the assistant's
words, and other models answer it as if it were said; for those it stays in the preset.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from lunalux_core.dialogue.assembly.prompt import Prompt, PromptMessage
from lunalux_core.llm.model import Prefill
from lunalux_core.presets.document import PresetParams

# "claude-sonnet-4-5" and "claude-3-5-haiku"; a date behind the first number is no second one.
_CLAUDE = re.compile(r"claude-(?:[a-z]+-)?(\d+)(?:[.-](\d{1,2})(?!\d))?", re.IGNORECASE)
_REFUSED_FROM = (4, 6)


def goes_on(model: str) -> bool:
    """Whether a model continues a reply that was begun for it."""
    match = _CLAUDE.search(model)
    return match is not None and (int(match[1]), int(match[2] or 0)) < _REFUSED_FROM


def takes_beginning(prefill: Prefill, model: str) -> bool:
    """Whether a model continues a reply that was begun for it, as far as it is known."""
    return prefill in ("prefix", "trailing", "flags") or (prefill == "unknown" and goes_on(model))


def prefilled(
    prompt: Prompt,
    params: PresetParams,
    kind: str,
    model: str,
    prefill: Prefill = "unknown",
    start: str = "",
    *,
    expand: Callable[[str], str],
    count_tokens: Callable[[str], int],
) -> Prompt:
    """The prompt with the beginning of the reply as its last message, where there is one: `start`, which has
    no macros any more, before the preset's own.

    `prefill` is what is known of the model; of one that nobody knows its name must do.
    """
    own = params.assistant_impersonation if kind == "impersonate" else params.assistant_prefill
    ending = prompt.messages[-1].slot if prompt.messages else ""
    # A reply that is continued is its own beginning, and what a quiet prompt asks for is not shown as a
    # reply.
    if kind == "quiet" or ending == "continuePrefill" or not takes_beginning(prefill, model):
        return prompt
    text, slot = start.strip(), "replyStart"
    if not text:
        text, slot = expand(own).strip() if own else "", "assistantPrefill"
    if not text:
        return prompt
    last = PromptMessage("assistant", text, None, slot, count_tokens(text))
    return replace(prompt, messages=(*prompt.messages, last))
