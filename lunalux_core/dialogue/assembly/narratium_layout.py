"""Which elements the two messages of a framework have, and in which order, before history is filled in.

The text of an element may have placeholders for values that are known later. What a chat needs and no
prompt of the preset places is added at its usual position, unless the person switched it off.

See docs/spec/formats.md: Narratium assembly, Worldbook departures.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from lunalux_core.dialogue.assembly.labels import LABELS
from lunalux_core.dialogue.assembly.placeholders import (
    expand_around,
    placeholder,
    placeholders_in,
    with_placeholders,
)
from lunalux_core.dialogue.assembly.prompt_material import Expand, PromptMaterial
from lunalux_core.dialogue.assembly.slots import overridden
from lunalux_core.presets.builtin import output_contract
from lunalux_core.presets.document import Preset, PresetPrompt

MessageSection = Literal["system", "user"]

_SECTIONS: Mapping[str, MessageSection] = {
    "main": "system",
    "worldInfoBefore": "system",
    "personaDescription": "system",
    "charDescription": "system",
    "charPersonality": "system",
    "scenario": "system",
    "worldInfoAfter": "system",
    "dialogueExamples": "user",
    "chatHistory": "user",
    "userInput": "user",
    "jailbreak": "user",
    "enhanceDefinitions": "user",
}
_TEXTS = frozenset({"main", "jailbreak", "enhanceDefinitions"})
_MACROS: Mapping[str, str] = {
    **{name: name for name in _SECTIONS if name not in _TEXTS},
    "memory": "memory",
    "description": "charDescription",
    "personality": "charPersonality",
    "charScenario": "scenario",
    "persona": "personaDescription",
    "mesExamples": "dialogueExamples",
    "mesExamplesRaw": "dialogueExamples",
}
"""The macros whose values this assembly fills in itself."""
_ELEMENTS = {"jailbreak": "postHistoryInstructions"}
"""Elements are named after their prompt, except where some servers refuse a request for the word."""


@dataclass(frozen=True, slots=True)
class LayoutPart:
    """A part of one of the two messages. `text` is without its element and may have placeholders."""

    slot: str
    section: MessageSection
    text: str
    element: str = ""


def layout(
    preset: Preset,
    material: PromptMaterial,
    expand: Expand,
    *,
    before_input: str,
    after_input: str,
    instruction: str = "",
) -> list[LayoutPart]:
    """All parts in order; empty ones are left out later.

    Args:
        before_input: the worldbook's texts that stand before the person's words.
        after_input: the texts for depth 0.
        instruction: what the person says about this one reply.
    """
    parts = _listed(preset, material, expand)
    # `_complete` adds what is missing, and must not add what the person switched off.
    off = {entry.identifier for entry in preset.order if not entry.enabled}
    _complete(parts, off)
    _insert_note(parts, material, expand)
    place = _index(parts, "userInput")
    # What follows the input is inserted first, because inserting before the input moves its index.
    parts[place + 1 : place + 1] = [
        LayoutPart("atDepth", "user", after_input),
        LayoutPart("instruction", "user", instruction),
    ]
    parts[place:place] = [LayoutPart("worldInfo", "user", before_input)]
    parts.extend(_endings(preset, material, expand))
    return parts


def _listed(preset: Preset, material: PromptMaterial, expand: Expand) -> list[LayoutPart]:
    """The preset's prompts; an unknown identifier goes into the section of the known one before it."""
    parts: list[LayoutPart] = []
    section: MessageSection = "system"
    for identifier, enabled in preset.order:
        prompt = preset.prompt(identifier)
        # Also for a prompt that is off, so that switching it off does not move those that follow it.
        section = _SECTIONS.get(identifier, section)
        if prompt is None or not enabled or not prompt.runs_on(material.type):
            continue
        if identifier in _SECTIONS:
            text = _known_text(prompt, material, expand)
            parts.append(LayoutPart(identifier, section, text, _ELEMENTS.get(identifier, identifier)))
        elif not prompt.marker and (content := expand(with_placeholders(prompt.content, _MACROS))).strip():
            parts.append(LayoutPart(identifier, section, f"【{prompt.name}】\n{content}"))
    return parts


def _known_text(prompt: PresetPrompt, material: PromptMaterial, expand: Expand) -> str:
    own = overridden(prompt, expand(with_placeholders(prompt.content, _MACROS)), material, expand)
    # A prompt with the macro places the value itself; otherwise the value follows the prompt's own text.
    if prompt.identifier in _TEXTS or prompt.identifier in placeholders_in(own):
        return own
    return "\n".join(filter(None, (own, placeholder(prompt.identifier))))


def _complete(parts: list[LayoutPart], off: Iterable[str]) -> None:
    """Add what no prompt of the preset places: the card, examples, history, memory, the last message."""
    placed = frozenset[str]().union(*(placeholders_in(part.text) for part in parts))
    missing = [name for name in _SECTIONS if name not in _TEXTS | placed and name not in off]
    for name in missing:
        part = LayoutPart(name, _SECTIONS[name], placeholder(name), name)
        if part.section == "system":
            last = max((i for i, part in enumerate(parts) if part.section == "system"), default=-1)
            parts.insert(last + 1, part)
        elif name == "userInput":
            parts.insert(_index(parts, "chatHistory") + 1, part)
        elif name == "chatHistory":
            parts.insert(_index(parts, "userInput"), part)
        else:
            first = next((i for i, part in enumerate(parts) if part.section == "user"), len(parts))
            parts.insert(first, part)
    if "memory" not in placed:
        # Searched only now, because the loop above may have added the history.
        history = _index(parts, "chatHistory")
        parts.insert(history, LayoutPart("memory", "user", placeholder("memory"), "memory"))


def _index(parts: list[LayoutPart], name: str) -> int:
    """The index of the part with the placeholder of that value; the end if there is none."""
    return next((index for index, part in enumerate(parts) if name in placeholders_in(part.text)), len(parts))


def _insert_note(parts: list[LayoutPart], material: PromptMaterial, expand: Expand) -> None:
    note = material.note
    if note is None or note.position == "in_chat":
        return
    main = next((index for index, part in enumerate(parts) if part.slot == "main"), -1)
    place = max(main, 0) if note.position == "before_main" else main + 1
    parts.insert(place, LayoutPart("authorsNote", "system", expand(material.note_text())))


def _endings(preset: Preset, material: PromptMaterial, expand: Expand) -> list[LayoutPart]:
    """What the prompt ends with: the format of the reply, and instructions for the kind of turn."""
    labels, params = LABELS[material.language], preset.params
    parts = []
    if material.group and material.type not in ("impersonate", "quiet"):
        nudge = labels.group_nudge if params.group_nudge_prompt is None else params.group_nudge_prompt
        parts.append(LayoutPart("groupNudge", "user", expand(nudge)))
    if material.type not in ("impersonate", "quiet"):
        form = output_contract(material.language)
        text = expand_around(form, expand, {"reply_words": str(material.reply_words)})
        parts.append(LayoutPart("outputFormat", "user", text))
    if material.type == "continue" and not material.goes_on:
        # The message to continue is the last visible one.
        last = next((message.content for message in reversed(material.history) if not message.hidden), "")
        own = params.continue_nudge_prompt
        nudge = labels.continue_nudge if own is None else own
        text = expand_around(nudge, expand, {"lastChatMessage": last.strip()})
        parts.append(LayoutPart("continueNudge", "user", text))
    if material.type == "impersonate":
        own = params.impersonation_prompt
        text = expand(labels.impersonation if own is None else own)
        parts.append(LayoutPart("impersonate", "user", text))
    parts.append(LayoutPart("quietPrompt", "user", expand(material.quiet)))
    return parts


def by_framework_rules(material: PromptMaterial) -> tuple[PromptMaterial, str]:
    """The material with the worldbook's texts where a framework puts them, and the texts before the input.

    Texts of position 2 join those after the card; texts of 3, 5 and 6 go before the person's message.
    """
    after = "\n".join(filter(None, (material.after, material.note_top)))
    texts = (material.note_bottom, *material.examples_top, *material.examples_bottom)
    plain = replace(material, after=after, note_top="", note_bottom="", examples_top=(), examples_bottom=())
    return plain, "\n".join(filter(None, texts))
