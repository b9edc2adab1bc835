"""The beginning of the reply (prefill) that a preset or a person asks for, sent to models that continue it.

SillyTavern sends it only to Claude. Claude 4.6 and later refuse a request that ends with a message of the
assistant, and other models reply to it instead of continuing it; for those it is not sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from lunalux_core.dialogue.assembly.prompt import Prompt, PromptMessage
from lunalux_core.llm.model import Prefill
from lunalux_core.presets.document import PresetParams

# "claude-sonnet-4-5" and "claude-3-5-haiku"; a date after the first number is not a minor version.
_CLAUDE = re.compile(r"claude-(?:[a-z]+-)?(\d+)(?:[.-](\d{1,2})(?!\d))?", re.IGNORECASE)
_REFUSED_FROM = (4, 6)


def goes_on(model: str) -> bool:
    """Whether a model of this name continues a reply that the request ends with."""
    match = _CLAUDE.search(model)
    return match is not None and (int(match[1]), int(match[2] or 0)) < _REFUSED_FROM


def takes_beginning(prefill: Prefill, model: str) -> bool:
    """Whether a model continues a reply that the request ends with; guessed by name if nothing is known."""
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
    """The prompt with the beginning of the reply as its last message, if there is one.

    Args:
        prefill: what is known about the model; for "unknown" its name decides.
        start: the person's beginning, macros already expanded; it takes precedence over the preset's.
    """
    own = params.assistant_impersonation if kind == "impersonate" else params.assistant_prefill
    if not own and not start:
        return prompt
    ending = prompt.messages[-1].slot if prompt.messages else ""
    # A reply that is continued already is the beginning, and the answer to a quiet prompt is not a reply.
    if kind == "quiet" or ending == "continuePrefill" or not takes_beginning(prefill, model):
        return prompt
    text, slot = start.strip(), "replyStart"
    if not text:
        text, slot = expand(own).strip() if own else "", "assistantPrefill"
    if not text:
        return prompt
    last = PromptMessage("assistant", text, None, slot, count_tokens(text))
    return replace(prompt, messages=(*prompt.messages, last))
