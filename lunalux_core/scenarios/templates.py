"""Replays scenarios of text completion (`lunalux template test --scenarios`): prompts, replies, choices.

The three are told apart by what a scenario has: `reply`, `presets`, or neither.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from lunalux_core.dialogue.assembly.prompt_material import (
    DepthText,
    HistoryMessage,
    PromptMaterial,
)
from lunalux_core.dialogue.assembly.text.assembly import TextPrompt, text_prompt
from lunalux_core.dialogue.assembly.text.source import TextWishes
from lunalux_core.dialogue.text_templates import template_macros
from lunalux_core.documents.coerce import as_flag, as_integer, as_object, as_text
from lunalux_core.errors import LunaluxError
from lunalux_core.macros.expansion import ChatMessage, MacroContext, Variables, expander
from lunalux_core.scenarios.case import COUNTERS, cases, objects, read_card, read_role, read_type
from lunalux_core.templates.cleanup import Cleaning, clean_reply
from lunalux_core.templates.template_activation import Matches, wants
from lunalux_core.templates.template_files import read_context, read_instruct
from lunalux_core.templates.template_values import Context, Instruct, SystemPrompt, TextTemplate

# So large that nothing is left out for want of room unless a scenario gives its own numbers.
_MAX_CONTEXT, _MAX_REPLY = 100_000, 100
_PERSONA_AT_DEPTH = 4
_NOBODY = "-"
"""How scenarios write that no template is chosen."""

_TOLD_INSTRUCT = (
    "input_sequence", "output_sequence", "last_output_sequence", "system_sequence", "stop_sequence", "wrap",
    "macro", "names_behavior", "first_output_sequence", "skip_examples", "output_suffix", "input_suffix",
    "system_suffix", "user_alignment_message", "system_same_as_user", "last_system_sequence",
    "first_input_sequence", "last_input_sequence", "sequences_as_stop_strings", "story_string_prefix",
    "story_string_suffix",
)  # fmt: skip
_TOLD_CONTEXT = (
    "story_string", "chat_start", "example_separator", "use_stop_strings", "names_as_stop_strings",
    "story_string_position", "story_string_depth", "story_string_role",
)  # fmt: skip
_OLD_FIELDS = ("names", "names_force_groups", "separator_sequence", "system_sequence_prefix")


def replay(document: object) -> list[dict[str, Any]]:
    """One result for each scenario, in the shape of the vectors; `{"error"}` where a template is refused.

    A scenario may stand alone or under `scenario`, as in a file of vectors.
    """
    from lunalux_core.dialogue.text_templates import regex_matches

    with regex_matches() as matches:
        return [_replay(scenario, matches) for scenario in cases(document)]


def _replay(scenario: Mapping[str, Any], matches: Matches) -> dict[str, Any]:
    try:
        if isinstance(scenario.get("presets"), list):
            return _choice(scenario, matches)
        if "reply" in scenario:
            return _cleanup(scenario)
        return _prompt(scenario)
    except LunaluxError as error:
        return {"error": {"code": error.code, "message": error.message}}


# -- prompts -------------------------------------------------------------------------------------------


def _prompt(scenario: Mapping[str, Any]) -> dict[str, Any]:
    template, prompt = _assembled(scenario)
    turns = [*prompt.turns[:-1], prompt.turns[-1] + prompt.ending] if prompt.turns else []
    result: dict[str, Any] = {
        "prompt": prompt.text,
        "story_string": prompt.story,
        "messages": turns,
        "stop": list(prompt.prompt.form.stop) if prompt.prompt.form else [],
    }
    if examples := "".join(prompt.examples):
        result["examples"] = examples
    if template.instruct is not None and scenario.get("type") != "continue":
        result["last_line"] = prompt.last_line
    if prompt.continued is not None:
        result["continued"] = prompt.continued
    if _is_old(scenario):
        result["effective"] = _effective(template)
    return result


def _assembled(scenario: Mapping[str, Any]) -> tuple[TextTemplate, TextPrompt]:
    template = _template(scenario)
    power = as_object(scenario.get("power_user"))
    material = _material(scenario, power)
    chat = objects(scenario.get("chat"))
    anchors = as_object(scenario.get("anchors"))
    wishes = TextWishes(
        start=as_text(scenario.get("start_reply_with")),
        loud=as_flag(scenario.get("quiet_to_loud")),
        anchor_before=as_text(anchors.get("before")),
        anchor_after=as_text(anchors.get("after")),
        own_stops=_own_stops(power),
        single_line=as_flag(power.get("single_line")),
        strip_examples=as_flag(power.get("strip_examples")),
        collapse=as_flag(power.get("collapse_newlines")),
        card_prompts=as_flag(power.get("prefer_character_prompt"), True),
        card_instructions=as_flag(power.get("prefer_character_jailbreak"), True),
        force_name=as_flag(power["always_force_name2"]) if "always_force_name2" in power else None,
        raw_length=len(chat),
        user_last=bool(chat) and as_flag(chat[-1].get("is_user")),
    )
    expand = expander(_macros(scenario, material, template), Variables())
    return template, text_prompt(template, material, expand, COUNTERS["guess"], wishes)


def _template(scenario: Mapping[str, Any]) -> TextTemplate:
    instruct, sysprompt = scenario.get("instruct"), scenario.get("sysprompt")
    return TextTemplate(
        name="scenario",
        context=read_context(as_object(scenario.get("context"))),
        instruct=read_instruct(instruct) if isinstance(instruct, dict) else None,
        sysprompt=SystemPrompt(
            content=as_text(sysprompt.get("content")), post_history=as_text(sysprompt.get("post_history"))
        )
        if isinstance(sysprompt, dict)
        else None,
    )


def _material(scenario: Mapping[str, Any], power: Mapping[str, Any]) -> PromptMaterial:
    user = as_text(scenario.get("user")) or "User"
    char = as_text(scenario.get("char")) or "Char"
    kind = as_text(scenario.get("type"))
    history = [_message(message, user, char) for message in objects(scenario.get("chat"))]
    if kind == "swipe":  # the reply that is to be replaced
        # A hidden message is no reply, so the one that is to be replaced may stand further up.
        last = next((at for at in range(len(history) - 1, -1, -1) if not history[at].hidden), None)
        history = [message for at, message in enumerate(history) if at != last]
    context = as_integer(scenario.get("maxContext"), _MAX_CONTEXT)
    persona_place = as_integer(power.get("persona_description_position"), 0)
    return PromptMaterial(
        card=read_card(as_object(scenario.get("card")), char),
        user=user,
        # At any other place the story string has no persona: it goes into the chat, or nowhere.
        persona="" if persona_place else as_text(scenario.get("persona")),
        history=tuple(history),
        before=as_text(scenario.get("worldinfo_before")),
        after=as_text(scenario.get("worldinfo_after")),
        at_depth=tuple(
            DepthText(
                as_integer(entry.get("depth"), 4), read_role(entry.get("role")), as_text(entry.get("content"))
            )
            for entry in objects(scenario.get("inject"))
        )
        + _persona_at_depth(scenario, power, persona_place),
        type=read_type(kind),
        quiet=as_text(scenario.get("quiet_prompt")),
        pin_examples=as_flag(power.get("pin_examples")),
        budget=context - as_integer(scenario.get("maxTokens"), _MAX_REPLY),
        newest_required=False,
        group=tuple(as_text(name) for name in scenario.get("group_names") or ()),
    )


def _persona_at_depth(
    scenario: Mapping[str, Any], power: Mapping[str, Any], place: int
) -> tuple[DepthText, ...]:
    """The persona's description where SillyTavern's settings put it into the chat."""
    text = as_text(scenario.get("persona"))
    if place != _PERSONA_AT_DEPTH or not text:
        return ()
    depth = as_integer(power.get("persona_description_depth"), 2)
    return (DepthText(depth, read_role(power.get("persona_description_role", 0)), text),)


def _message(message: Mapping[str, Any], user: str, char: str) -> HistoryMessage:
    is_user = as_flag(message.get("is_user"))
    narrator = as_object(message.get("extra")).get("type") == "narrator"
    return HistoryMessage(
        role="system" if narrator else "user" if is_user else "assistant",
        content=as_text(message.get("mes")),
        name=as_text(message.get("name")),
        hidden=as_flag(message.get("is_system")),
        foreign=bool(message.get("force_avatar")),
    )


def _macros(scenario: Mapping[str, Any], material: PromptMaterial, template: TextTemplate) -> MacroContext:
    card = material.card
    return MacroContext(
        user=material.user,
        char=card.name,
        group=material.group,
        persona=material.persona,
        description=card.description,
        personality=card.personality,
        scenario=card.scenario,
        examples=card.mes_example,
        char_prompt=card.system_prompt,
        char_instruction=card.post_history_instructions,
        depth_prompt=card.depth_prompt,
        chat=[
            ChatMessage(message.name, message.content, message.role == "user", message.hidden)
            for message in material.history
        ],
        generation_type=material.type,
        max_context=as_integer(scenario.get("maxContext"), _MAX_CONTEXT),
        max_response=as_integer(scenario.get("maxTokens"), _MAX_REPLY),
        extra=template_macros(template, card.system_prompt),
    )


def _own_stops(power: Mapping[str, Any]) -> tuple[str, ...]:
    """SillyTavern keeps them as a JSON array in a text."""
    stops = power.get("custom_stopping_strings")
    if isinstance(stops, str):
        try:
            stops = json.loads(stops)
        except (ValueError, RecursionError):
            return ()
    return tuple(stop for stop in stops if isinstance(stop, str) and stop) if isinstance(stops, list) else ()


def _is_old(scenario: Mapping[str, Any]) -> bool:
    """Whether reading changes a file of the scenario: old fields, or fields that are missing."""
    instruct, context = scenario.get("instruct"), as_object(scenario.get("context"))
    if "story_string_position" not in context:
        return True
    if not isinstance(instruct, dict):
        return False
    return any(name not in instruct for name in _TOLD_INSTRUCT) or any(
        name in instruct for name in _OLD_FIELDS
    )


def _effective(template: TextTemplate) -> dict[str, Any]:
    instruct = asdict(template.instruct or Instruct())
    context = asdict(template.context)
    return {
        "instruct": {name: instruct[name] for name in _TOLD_INSTRUCT},
        "context": {name: context[name] for name in _TOLD_CONTEXT},
    }


# -- replies -------------------------------------------------------------------------------------------


def _cleanup(scenario: Mapping[str, Any]) -> dict[str, Any]:
    template, prompt = _assembled({**scenario, "context": _with_story(scenario)})
    power = as_object(scenario.get("power_user"))
    form = prompt.prompt.form
    assert form is not None
    kind = as_text(scenario.get("type"))
    impersonate = kind == "impersonate"
    first_kept = as_flag(power.get("allow_name1_display"))
    second_kept = as_flag(power.get("allow_name2_display"))
    start = "" if kind in ("impersonate", "continue") else as_text(scenario.get("start_reply_with"))
    expand = expander(_macros(scenario, _material(scenario, power), template), Variables())
    how = Cleaning(
        form.cleaning.names,
        form.stop,
        template.instruct,
        impersonate,
        start=expand(start),
        own_names=not (first_kept if impersonate else second_kept),
        others_names=not (second_kept if impersonate else first_kept),
        char_lines=not second_kept,
        group_lines=not as_flag(power.get("disable_group_trimming")),
        trim=as_flag(power.get("trim_spaces"), True),
        whole_sentences=(template.context.trim_sentences or as_flag(power.get("trim_sentences")))
        and not as_flag(scenario.get("display_incomplete")),
        collapse=as_flag(power.get("collapse_newlines")),
        fix_marks=as_flag(power.get("auto_fix_generated_markdown"), True),
    )
    return {"text": clean_reply(as_text(scenario.get("reply")), how).text}


def _with_story(scenario: Mapping[str, Any]) -> Mapping[str, Any]:
    """A reply's scenario needs no readable story string."""
    return {**as_object(scenario.get("context")), "story_string": ""}


# -- choices -------------------------------------------------------------------------------------------


def _choice(scenario: Mapping[str, Any], matches: Matches) -> dict[str, Any]:
    presets = [preset for preset in scenario["presets"] if isinstance(preset, dict)]
    active = as_text(scenario.get("active")) or _NOBODY
    context = as_text(scenario.get("context")) or _NOBODY
    bound = as_flag(scenario.get("bind_to_context"))
    contexts = [as_text(name) for name in scenario.get("contexts") or ()]
    model = as_text(scenario.get("model"))
    named = [as_text(preset.get("name")) for preset in presets]
    chosen = next(
        (
            name
            for name, preset in zip(named, presets, strict=True)
            if as_text(preset.get("activation_regex"))
            and wants(as_text(preset.get("activation_regex")), model, matches)
        ),
        None,
    )
    if chosen is None and bound and context in named:
        chosen = context
    if chosen is None:
        return {"result": False, "instruct": active, "context": context}
    if bound and chosen != active and chosen in contexts:
        context = chosen
    return {"result": True, "instruct": chosen, "context": context}


_FIELDS = {field.name for field in fields(Instruct)} | {field.name for field in fields(Context)}
# A field that is renamed fails here at once, and not only in a scenario that happens to use it.
assert _FIELDS.issuperset((*_TOLD_INSTRUCT, *_TOLD_CONTEXT))
