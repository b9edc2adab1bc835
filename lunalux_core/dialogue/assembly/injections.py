"""Texts that are inserted into the history at a depth; a person's instructions for one reply are among them.

See docs/spec/formats.md: SillyTavern assembly.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from lunalux_core.dialogue.assembly.labels import LABELS, Labels
from lunalux_core.dialogue.assembly.placeholders import expand_around
from lunalux_core.dialogue.assembly.prompt_material import DepthText, Expand, PromptMaterial
from lunalux_core.dialogue.direction import Direction
from lunalux_core.language import Language
from lunalux_core.llm.model import Role

DEFAULT_ORDER = 100
"""Order of every injection that is not from a preset."""
INSTRUCTION_ORDER = 1000
"""Order of the person's instructions for one reply: they are the last texts at their depth."""
_ROLES: tuple[Role, ...] = ("assistant", "user", "system")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Injection:
    """A text for the history; `order` and `slot` as in `PresetPrompt`."""

    depth: int
    role: Role
    content: str
    order: int = DEFAULT_ORDER
    slot: str = "atDepth"


def material_injections(material: PromptMaterial, expand: Expand) -> list[Injection]:
    """The note, the card's own prompt, the worldbook's texts and the person's instructions, in the order in
    which they are joined."""
    injections = []
    note = material.note
    if note is not None and note.position == "in_chat":
        injections.append(Injection(note.depth, note.role, expand(material.note_text()), slot="authorsNote"))
    card = material.card
    injections.append(
        Injection(
            card.depth_prompt_depth, card.depth_prompt_role, expand(card.depth_prompt), slot="depthPrompt"
        )
    )
    injections.extend(
        Injection(depth_text.depth, depth_text.role, expand(depth_text.content), slot="depthPrompt")
        for depth_text in material.group_depths
    )
    injections.extend(
        Injection(depth_text.depth, depth_text.role, expand(depth_text.content), slot="worldInfoDepth")
        for depth_text in material.at_depth
    )
    injections.extend(
        Injection(standing.depth, standing.role, standing.content, slot=standing.slot)
        for standing in material.standing
        if standing.position == "in_chat"
    )
    memory = material.memory
    if memory.position == "in_chat":
        injections.append(Injection(memory.depth, memory.role, memory.block, slot="memory"))
    injections.append(Injection(memory.recall_depth, "system", memory.recalled, slot="memoryRecalled"))
    injections.extend(
        Injection(wish.depth, wish.role, wish.content, INSTRUCTION_ORDER, "instruction")
        for wish in material.directions
    )
    return [injection for injection in injections if injection.content.strip()]


def joined(from_preset: Iterable[Injection], from_material: Iterable[Injection]) -> list[Injection]:
    """One injection for each depth, order and role, in the order in which they appear in the prompt.

    Deeper ones first; at one depth by order; of one order assistant, user, system. In one message the texts
    of the preset come before those of the material.
    """
    # SillyTavern joins what has the same depth, order and role into one message.
    groups: dict[tuple[int, int, int], tuple[list[Injection], list[Injection]]] = {}
    for source, injections in enumerate((from_preset, from_material)):
        for injection in injections:
            # Depths below 0 mean the end of the history, as 0 does.
            key = -max(injection.depth, 0), injection.order, _ROLES.index(injection.role)
            groups.setdefault(key, ([], []))[source].append(injection)
    return [
        Injection(-depth, _ROLES[role], _text(*group), order, _slots(*group))
        for (depth, order, role), group in sorted(groups.items(), key=lambda item: item[0])
    ]


def _text(from_preset: Sequence[Injection], from_material: Sequence[Injection]) -> str:
    own = "\n".join(injection.content for injection in from_preset).strip()
    return "\n".join(
        part for part in (own, *(injection.content.strip() for injection in from_material)) if part
    )


def _slots(from_preset: Sequence[Injection], from_material: Sequence[Injection]) -> str:
    return "+".join(dict.fromkeys(injection.slot for injection in (*from_preset, *from_material)))


def inject(history: Sequence[T], injections: Iterable[Injection]) -> list[T | Injection]:
    """The history, oldest first, with the result of `joined` inserted.

    Depths count only real messages; an injection deeper than the history goes before its first message.
    """
    result: list[T | Injection] = []
    position = 0
    for injection in injections:
        # The deepest come first, so one walk over the history is enough.
        place = max(len(history) - injection.depth, 0)
        result.extend(history[position:place])
        position = max(position, place)
        result.append(injection)
    result.extend(history[position:])
    return result


def directions_of(
    direction: Direction, kind: str, language: Language, expand: Expand, begin: str = ""
) -> tuple[DepthText, ...]:
    """The texts, macros replaced in what the person wrote. `kind` is the turn's.

    Args:
        begin: the words that the model is told to begin with; "" where it continues them by itself, or where
            no beginning is wished.
    """
    labels = LABELS[language]
    texts = [_instruction(direction, labels, expand)]
    if kind == "impersonate":
        texts += _as_the_person(direction, labels, expand)
    depth_texts = [DepthText(direction.depth, direction.role, text) for text in texts if text]
    # At the very end, because the model has to write these words next.
    if begin:
        depth_texts.append(DepthText(0, "system", expand_around(labels.begin, expand, {"start": begin})))
    return tuple(depth_texts)


def _instruction(direction: Direction, labels: Labels, expand: Expand) -> str:
    wish = expand(direction.instruction).strip()
    if not direction.rewrites or not wish:
        return wish
    # Macros in the reply are not expanded: a model wrote them.
    values = {"reply": direction.rewrites, "instruction": wish}
    return expand_around(labels.rewrite, expand, values)


def _as_the_person(direction: Direction, labels: Labels, expand: Expand) -> list[str]:
    """How the model writes the person's words."""
    texts = [expand(labels.persons[direction.person])] if direction.person else []
    if outline := direction.outline.strip():
        texts.append(expand_around(labels.outline, expand, {"outline": outline}))
    return texts
