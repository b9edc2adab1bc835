"""How the person directs the story beside telling it: wishes for one reply, and modes of writing.

What is said about one reply goes to the model once and never into the history. In a mode the words are stored
as they were typed; its instructions are put around them only in the prompt. The words of the story itself may
be somebody else's than the person's: a narrator's, or a character's.

See docs/spec/formats.md: Built-in presets and the output contract.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lunalux_core.documents.prompt_values import Role

if TYPE_CHECKING:
    from lunalux_core.language import Language
    from lunalux_core.templates.template_values import ReplyStart

Person = Literal["", "first", "second", "third"]

_ASIDE = re.compile(r"[ \t]*\(\((.+?)\)\)[ \t]*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Direction:
    """Wishes for one reply.

    Args:
        instruction: `depth` messages before the end of the history (0 is after the last one), as `role`.
        rewrites: the reply that is to be written again as the instruction says.
        outline: what the person's own words are to be made of, where the model writes them.
        person: in which grammatical person it writes them; "" as the preset has it.
        start: what the reply begins with; None leaves it to the chat, an empty one begins with nothing.
    """

    instruction: str = ""
    depth: int = 0
    role: Role = "system"
    rewrites: str = ""
    outline: str = ""
    person: Person = ""
    start: ReplyStart | None = None


@dataclass(frozen=True, slots=True)
class Voice:
    """Whose line the words of a turn are: the person's, a narrator's, or that of somebody with a `name`."""

    kind: Literal["person", "narrator", "somebody"] = "person"
    name: str = ""


def is_script(typed: str) -> bool:
    """Whether what was typed is a script; a blank before the / makes words of it, `//` an instruction."""
    return typed.startswith("/") and not typed.startswith("//")


def split_instruction(typed: str) -> tuple[str, str]:
    """What was typed as (words of the story, instruction): `((…))` anywhere, or all after a leading `//`."""
    if typed.startswith("//"):
        return "", typed[2:].strip()
    asides = [aside.strip() for aside in _ASIDE.findall(typed) if aside.strip()]
    if not asides:
        return typed, ""
    return _ASIDE.sub(" ", typed).strip(), "\n".join(asides)


class ReplyBeginning:
    """Puts what a reply was begun with before it, unless the model says that again.

    Args:
        text: the beginning.
        shown: it is part of the reply; else it is also taken away where the model says it.
        told: the model was told to begin so, and as a rule says it; one that goes on from it as a rule does
            not, and a short beginning may then be a chance.
    """

    def __init__(self, text: str, *, shown: bool, told: bool) -> None:
        self._base = text.rstrip()
        self._gap = text[len(self._base) :]
        self._shown = shown
        self._told = told
        # A model that goes on may happen to say a short beginning again, as "She"; that is part of its words.
        self._watch = bool(self._base) and (told or len(self._base) >= _CHANCE)
        self._held = ""
        self._open = bool(self._base)

    def feed(self, text: str) -> str:
        """What is certain of the reply now."""
        if not self._open or not text:
            return text
        self._held += text
        begun = self._held.lstrip()
        # Too short to tell whether the beginning is said again: nothing is shown yet.
        if self._watch and len(begun) < len(self._base) and self._base.startswith(begun):
            return ""
        return self._over(begun)

    def flush(self) -> str:
        """What was held back, at the end."""
        if not self._open or not self._held:
            return ""
        return self._over(self._held.lstrip())

    def _over(self, begun: str) -> str:
        pending, self._held, self._open = self._held, "", False
        if self._watch and begun.startswith(self._base):
            return begun if self._shown else begun.removeprefix(self._base).lstrip()
        if not self._shown:
            return pending
        return self._base + ("" if pending[:1].isspace() else self._between) + pending

    @property
    def _between(self) -> str:
        """What parts the beginning from what a model says; one that did not go on from it begins a word."""
        # Chinese puts no blank between sentences, so one would stand out there.
        joins = not self._told or not self._base[-1].isascii()
        return self._gap or ("" if joins else " ")

    def whole(self, text: str) -> str:
        """A whole reply with its beginning."""
        return self.feed(text) + self.flush()


_CHANCE = 4
"""Characters from which on a model that says the beginning of its reply again does not do so by chance."""


MODES = ("", "story", "perspective-novel", "perspective-first", "scene")

_INSTRUCTIONS: Mapping[str, Mapping[Language, str]] = {
    "story": {
        "en": "Move the story on by itself: something happens that the player did not ask for and that "
        "follows from the scene. End at a moment where the player wants to act.",
        "zh": "让故事自行向前推进：发生一件玩家没有要求、但顺理成章的事。停在玩家想要行动的时刻。",
    },
    "perspective-novel": {
        "en": "Answer as a novel in the third person: narrate the player's character by name too, with "
        "thoughts and surroundings, and keep to what the player decided.",
        "zh": "以第三人称小说的方式作答：玩家的角色也以名字叙述，写出心理与环境，不改变玩家的决定。",
    },
    "perspective-first": {
        "en": "Answer from inside the player's character, in the first person: what they see, hear and feel "
        "while the scene goes on, without deciding for them.",
        "zh": "以玩家角色的第一人称作答：写出其所见、所闻、所感，推动场景，但不替玩家作决定。",
    },
    "scene": {
        "en": "Set the scene first: place, light, sounds, smells and who is there, in a few vivid sentences; "
        "then let the character act in it.",
        "zh": "先描绘场景：地点、光线、声音、气味与在场的人，寥寥数句而鲜明；然后让角色在其中行动。",
    },
}


def framed(text: str, mode: str, language: Language) -> str:
    """The words as they are sent in a mode; plain talk and unknown modes leave them alone."""
    instructions = _INSTRUCTIONS.get(mode)
    if instructions is None:
        return text
    label = "玩家指令：" if language == "zh" else "player instruction: "
    return (
        f"<input_message>{label}{text}</input_message>\n"
        f"<response_instructions>{instructions[language]}</response_instructions>"
    )
