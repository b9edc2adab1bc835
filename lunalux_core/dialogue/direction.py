"""What a person says about one reply beside the story: it goes to the model once and never into the history.

The words of the story itself may be somebody else's than the person's: a narrator's, or a character's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lunalux_core.documents.prompt_values import Role

if TYPE_CHECKING:
    from lunalux_core.templates.values import ReplyStart

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


def split_instruction(typed: str) -> tuple[str, str]:
    """What was typed as (words of the story, instruction): `((…))` anywhere, or all behind a leading `//`."""
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
        self._watch = bool(self._base) and (told or len(self._base) >= _CHANCE)
        self._held = ""
        self._open = bool(self._base)

    def feed(self, text: str) -> str:
        """What is certain of the reply now."""
        if not self._open or not text:
            return text
        self._held += text
        begun = self._held.lstrip()
        if self._watch and len(begun) < len(self._base) and self._base.startswith(begun):
            return ""
        return self._over(begun)

    def flush(self) -> str:
        """What was held back, at the end."""
        if not self._open or not self._held:
            return ""
        return self._over(self._held.lstrip())

    def _over(self, begun: str) -> str:
        held, self._held, self._open = self._held, "", False
        if self._watch and begun.startswith(self._base):
            return begun if self._shown else begun.removeprefix(self._base).lstrip()
        if not self._shown:
            return held
        return self._base + ("" if held[:1].isspace() else self._between) + held

    @property
    def _between(self) -> str:
        """What parts the beginning from what a model says; one that did not go on from it begins a word."""
        joins = not self._told or not self._base[-1].isascii()
        return self._gap or ("" if joins else " ")

    def whole(self, text: str) -> str:
        """A whole reply with its beginning."""
        return self.feed(text) + self.flush()


_CHANCE = 4
"""Characters from which on a model that says the beginning of its reply again does not do so by chance."""
