"""Replay prompt scenarios: the shape that `lunalux preset test --scenarios` reads (vectors README)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lunalux_core.dialogue.assembly import (
    AuthorsNote,
    DepthText,
    HistoryMessage,
    Prompt,
    PromptMaterial,
    assemble,
)
from lunalux_core.dialogue.assembly.prompt_material import NotePosition
from lunalux_core.documents.coerce import as_flag, as_integer, as_object, as_text
from lunalux_core.errors import LunaluxError
from lunalux_core.macros.expansion import ChatMessage, MacroContext, Variables, expander
from lunalux_core.presets.document import read_preset
from lunalux_core.scenarios.case import cases, counter, objects, read_card, read_role, read_type

_NOTE_POSITIONS: Mapping[int, NotePosition] = {0: "after_main", 1: "in_chat", 2: "before_main"}


def replay(document: object) -> list[dict[str, Any]]:
    """One result for each scenario: `{"messages": [{"role", "content", "name"?}]}`, or `{"error"}`.

    A scenario may stand alone or under `scenario`, as in a file of vectors.
    """
    return [_replay(scenario) for scenario in cases(document)]


def assemble_scenario(scenario: Mapping[str, Any]) -> Prompt:
    """The prompt of one scenario. Raises what `assemble` raises."""
    settings = as_object(scenario.get("settings"))
    # A scenario may consist of settings alone, which by themselves are not known for a preset.
    document = {"prompts": [], **as_object(scenario.get("preset")), **settings}
    preset = read_preset(document, "scenario").preset
    material = _material(scenario, document)
    context = MacroContext(
        user=material.user,
        char=material.card.name,
        nickname=material.card.nickname,
        persona=material.persona,
        description=material.card.description,
        personality=material.card.personality,
        scenario=material.card.scenario,
        examples=material.card.mes_example,
        chat=[ChatMessage(m.name, m.content, m.role == "user", m.hidden) for m in material.history],
        generation_type=material.type,
    )
    return assemble(
        preset,
        material,
        expand=expander(context, Variables()),
        count_tokens=counter(scenario.get("tokens")),
    )


def _replay(scenario: Mapping[str, Any]) -> dict[str, Any]:
    try:
        prompt = assemble_scenario(scenario)
    except LunaluxError as error:
        return {"error": {"code": error.code, "message": error.message}}
    return {
        "messages": [
            {"role": message.role, "content": message.content}
            | ({"name": message.name} if message.name else {})
            for message in prompt.messages
        ]
    }


def _material(scenario: Mapping[str, Any], document: Mapping[str, Any]) -> PromptMaterial:
    user = as_text(scenario.get("user")) or "User"
    fields = as_object(scenario.get("card"))
    card = read_card(fields, as_text(fields.get("name")) or as_text(scenario.get("char")) or "Char")
    worldbook = as_object(scenario.get("wi"))
    examples = objects(worldbook.get("examples"))
    context = as_integer(scenario.get("maxContext"), as_integer(document.get("openai_max_context"), 4095))
    reply = as_integer(scenario.get("maxTokens"), as_integer(document.get("openai_max_tokens"), 300))
    return PromptMaterial(
        card=card,
        user=user,
        persona=as_text(scenario.get("persona")),
        history=tuple(_message(message, user, card.name) for message in scenario.get("chat") or ()),
        before=_bucket(worldbook.get("before")),
        after=_bucket(worldbook.get("after")),
        at_depth=tuple(_depth_text(entry) for entry in objects(worldbook.get("depth"))),
        examples_top=tuple(as_text(example.get("content")) for example in examples if _is_top(example)),
        examples_bottom=tuple(
            as_text(example.get("content")) for example in examples if not _is_top(example)
        ),
        note=_note(as_object(scenario.get("authorsNote"))),
        type=read_type(scenario.get("type")),
        quiet=as_text(scenario.get("quiet")),
        pin_examples=as_flag(scenario.get("pinExamples", document.get("pin_examples"))),
        budget=context - reply,
        # SillyTavern drops even the newest message where it does not fit; chats here refuse instead.
        newest_required=False,
    )


def _message(message: object, user: str, character: str) -> HistoryMessage:
    if not isinstance(message, dict):
        return HistoryMessage("assistant", as_text(message), character)
    is_user = as_flag(message.get("is_user"))
    name = as_text(message.get("name")) or (user if is_user else character)
    narrator = as_object(message.get("extra")).get("type") == "narrator"
    return HistoryMessage(
        role="system" if narrator else "user" if is_user else "assistant",
        content=as_text(message.get("mes")),
        name=name,
        hidden=as_flag(message.get("is_system")),
        foreign=bool(message.get("force_avatar")) and name != user,
    )


def _note(note: Mapping[str, Any]) -> AuthorsNote | None:
    if not note:
        return None
    position = _NOTE_POSITIONS.get(as_integer(note.get("position"), 1), "in_chat")
    role = read_role(note.get("role"))
    return AuthorsNote(as_text(note.get("value")), position, as_integer(note.get("depth"), 4), role)


def _depth_text(entry: Mapping[str, Any]) -> DepthText:
    return DepthText(
        as_integer(entry.get("depth"), 4), read_role(entry.get("role")), _bucket(entry.get("entries"))
    )


def _bucket(value: object) -> str:
    return "\n".join(map(as_text, value)) if isinstance(value, list) else as_text(value)


def _is_top(example: Mapping[str, Any]) -> bool:
    # 5 is the number of that place in an entry, 0 what SillyTavern's engine gives out for it.
    return example.get("position") in (0, "before", "top", 5)
