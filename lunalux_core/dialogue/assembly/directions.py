"""A person's instructions for one reply, as texts that are inserted into the history at a depth."""

from __future__ import annotations

from lunalux_core.dialogue.assembly.labels import LABELS, Labels
from lunalux_core.dialogue.assembly.placeholders import expand_around
from lunalux_core.dialogue.assembly.prompt_material import DepthText, Expand
from lunalux_core.dialogue.direction import Direction
from lunalux_core.language import Language


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
