"""The prompts of a preset as expanded slots, in the order of its list.

See docs/spec/formats.md: SillyTavern assembly, Tolerant reading.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from lunalux_core.dialogue.assembly.injections import Injection
from lunalux_core.dialogue.assembly.placeholders import expand_around
from lunalux_core.dialogue.assembly.prompt_material import Expand, PromptMaterial
from lunalux_core.llm.model import Role
from lunalux_core.presets.document import MARKERS, Preset, PresetPrompt

# Markers that SillyTavern appends at the very end if the order list does not have them.
_APPENDED = (
    "worldInfoBefore",
    "worldInfoAfter",
    "charDescription",
    "charPersonality",
    "scenario",
    "personaDescription",
)
MEMORY_SLOTS = ("memory", "summary")
"""Markers of a preset for memories; where it has both, the second is for what happened so far."""
_PLACES = frozenset({"dialogueExamples", "chatHistory"})
_WI_PLACE = "{0}"


@dataclass(frozen=True, slots=True)
class Slot:
    """One entry of the list: a text with its role, or the position of history or examples (no text)."""

    identifier: str
    role: Role = "system"
    content: str = ""


@dataclass(slots=True)
class Slots:
    """The entries in order, and the preset's texts for a depth of the history."""

    places: list[Slot] = field(default_factory=list)
    injections: list[Injection] = field(default_factory=list)


def resolve(preset: Preset, material: PromptMaterial, expand: Expand) -> Slots:
    """Expand and place every prompt that is used in this kind of turn.

    A main prompt that is switched off, absolute or missing still gets a slot, without text, because the
    author's note and the memories are placed beside it.
    """
    texts = {**program_texts(preset, material, expand), **_memory_texts(preset, material)}
    slots = Slots()
    seen: set[str] = set()
    for identifier, enabled in preset.order:
        prompt = preset.prompt(identifier)
        if prompt is None or not enabled or not prompt.runs_on(material.type):
            if identifier == "main":
                # See above: the author's note and the memories need the slot.
                slots.places.append(Slot(identifier))
            # A marker that is switched off, or is for another kind of turn, must not be appended below.
            if prompt is not None or not enabled:
                seen.add(identifier)
            continue
        seen.add(identifier)
        _place(slots, prompt, _content(prompt, texts, material, expand))
    for identifier in _APPENDED:
        if identifier not in seen:
            slots.places.append(Slot(identifier, content=texts[identifier]()))
    # Also where the list has no main prompt at all.
    if all(slot.identifier != "main" for slot in slots.places):
        slots.places.insert(0, Slot("main"))
    return slots


def program_texts(
    preset: Preset, material: PromptMaterial, expand: Expand
) -> Mapping[str, Callable[[], str]]:
    """The texts of the markers that the program fills; each is expanded only when it is needed."""
    card, params = material.card, preset.params

    def formatted(template: str, name: str, text: str) -> str:
        field_text = expand(_trimmed(text))
        if not field_text or not template:
            return field_text
        return expand_around(template, expand, {name: field_text})

    def worldbook(text: str) -> str:
        text = expand(text)
        if not text or not params.wi_format.strip():
            return text
        # `{0}` becomes a macro first, so that a `{0}` inside an entry is not replaced.
        return expand_around(params.wi_format.replace(_WI_PLACE, "{{entries}}"), expand, {"entries": text})

    return {
        "worldInfoBefore": lambda: worldbook(material.before),
        "worldInfoAfter": lambda: worldbook(material.after),
        "charDescription": lambda: expand(_trimmed(card.description)),
        "charPersonality": lambda: formatted(params.personality_format, "personality", card.personality),
        "scenario": lambda: formatted(params.scenario_format, "scenario", card.scenario),
        "personaDescription": lambda: expand(_trimmed(material.persona)),
    }


def _memory_texts(preset: Preset, material: PromptMaterial) -> Mapping[str, Callable[[], str]]:
    """The texts of the markers for memories. A marker with a text of the preset's own keeps that text."""
    memory = material.memory
    there = [name for name in MEMORY_SLOTS if memory_slot(preset, material, name)]
    if memory.position != "auto" or not there:
        return {}
    # A preset with both markers gets facts and story separately; with one marker, both go there.
    if len(there) == 2 and memory.block:
        story = memory.story if memory.block != memory.facts else ""
        return {"memory": lambda: memory.facts, "summary": lambda: story}
    return {there[0]: lambda: memory.block}


def memory_slot(preset: Preset, material: PromptMaterial, name: str) -> bool:
    """Whether the preset has an enabled marker of this name for memories in this kind of turn."""
    prompt = preset.prompt(name)
    if prompt is None or prompt.content.strip() or not prompt.runs_on(material.type):
        return False
    return any(identifier == name and enabled for identifier, enabled in preset.order)


def overridden(prompt: PresetPrompt, own: str, material: PromptMaterial, expand: Expand) -> str:
    """The prompt's expanded text, or the card's instead, in which `{{original}}` is replaced once."""
    overrides = {
        "main": material.card.system_prompt,
        "jailbreak": material.card.post_history_instructions,
    }
    override = _trimmed(overrides.get(prompt.identifier, ""))
    if not override or prompt.forbid_overrides:
        return own
    return expand_around(override, expand, {"original": own}, once=True)


def _trimmed(text: str) -> str:
    """A field of a card without carriage returns, stripped."""
    return text.replace("\r", "").strip()


def _content(
    prompt: PresetPrompt, texts: Mapping[str, Callable[[], str]], material: PromptMaterial, expand: Expand
) -> str:
    if prompt.identifier in texts:
        return texts[prompt.identifier]()
    if prompt.identifier in MARKERS or prompt.marker:
        return ""
    return overridden(prompt, expand(prompt.content), material, expand)


def _place(slots: Slots, prompt: PresetPrompt, content: str) -> None:
    if not prompt.absolute or prompt.identifier in _PLACES:
        slots.places.append(Slot(prompt.identifier, prompt.role, content))
        return
    # Its text goes into the history; the slot stays for what is placed beside the main prompt.
    if prompt.identifier == "main":
        slots.places.append(Slot("main"))
    if content:
        slots.injections.append(
            Injection(prompt.depth, prompt.role, content, prompt.order, prompt.identifier)
        )
