"""Replays scenarios of macros (`lunalux macro test --scenarios`): a scene and texts, what they become."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lunalux_core.macros.expansion import ChatMessage, MacroContext, Variables, expand
from lunalux_core.scenarios.case import cases, draws

_FIELDS = {
    "description": "description",
    "personality": "personality",
    "scenario": "scenario",
    "persona": "persona",
    "mes_example": "examples",
    "mesExamples": "examples",
    "system_prompt": "char_prompt",
    "charPrompt": "char_prompt",
    "post_history_instructions": "char_instruction",
    "charInstruction": "char_instruction",
    "depth_prompt": "depth_prompt",
    "charDepthPrompt": "depth_prompt",
    "creator_notes": "creator_notes",
    "character_version": "char_version",
    "version": "char_version",
    "first_mes": "first_message",
    "nickname": "nickname",
}
"""Keys of a scenario's `fields` and what they are called in `MacroContext`."""


def replay(document: object) -> list[list[str]]:
    """For each scenario the expanded texts, in order; variables live through one scenario.

    Args:
        document: a file like `vectors/macros.json`, an array of such, or an array of bare scenarios.
    """
    return [_replay_one(scenario) for scenario in cases(document)]


def _replay_one(scenario: Mapping[str, Any]) -> list[str]:
    context = scene(scenario)
    variables = Variables()
    texts = scenario.get("texts", [scenario.get("text", "")])
    return [expand(str(text), context, variables) for text in texts]


def scene(scenario: Mapping[str, Any]) -> MacroContext:
    """The context a scenario describes. What it leaves out is as where the vectors were recorded."""
    dice = draws(scenario.get("random"))
    fields = scenario.get("fields") or scenario.get("charFields") or {}
    values: dict[str, Any] = {
        own: fields[key] for key, own in _FIELDS.items() if isinstance(fields.get(key), str)
    }
    if isinstance(now := scenario.get("now"), str):
        values["now"] = datetime.fromisoformat(now)
    return MacroContext(
        user=str(scenario.get("user", "User")),
        char=str(scenario.get("char", "Char")),
        chat=tuple(map(_message, scenario.get("chat") or ())),
        random=lambda: next(dice),
        model=str(scenario.get("model", "oracle-model")),
        max_context=int(scenario.get("maxContext", 4096)),
        max_response=int(scenario.get("maxTokens", 0)),
        chat_id=str(scenario.get("chatId", "")),
        original=str(scenario.get("original", "")),
        input=str(scenario.get("input", "")),
        **values,
    )


def _message(message: Any) -> ChatMessage:
    if not isinstance(message, dict):
        return ChatMessage("", str(message))
    swipes = message.get("swipes")
    return ChatMessage(
        name=str(message.get("name", "")),
        text=str(message.get("mes", "")),
        is_user=bool(message.get("is_user")),
        is_system=bool(message.get("is_system")),
        swipes=len(swipes) if isinstance(swipes, list) else 0,
        swipe=int(message.get("swipe_id") or 0),
    )
