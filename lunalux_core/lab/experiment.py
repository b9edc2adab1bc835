"""What an experiment asks for: turns, variants of them, and checks of the replies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from lunalux_core.documents.prompt_values import Role

CheckKind = Literal[
    "contains",
    "not_contains",
    "matches",
    "not_matches",
    "finish",
    "tokens_max",
    "tokens_min",
    "cost_max",
    "seconds_max",
    "prompt_contains",
    "prompt_not_contains",
    "prompt_tokens_max",
    "prompt_tokens_min",
]
CHECK_KINDS: tuple[CheckKind, ...] = get_args(CheckKind)


@dataclass(frozen=True, slots=True)
class Said:
    """A message of a history that the file itself brings; `name` "" is the person's or the character's."""

    role: Role
    content: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class LabTurn:
    """One turn: recorded in a conversation, or made of a character and messages.

    `message` is the id of a reply that is made again, or of words that are answered; "" for the last one.
    `card` is a file. `say` stands in the place of the recorded words. Without `messages` the story begins
    with the card's greeting, unless `greeting` is off.
    """

    name: str
    number: int
    conversation: str = ""
    message: str = ""
    character: str = ""
    card: Path | None = None
    messages: tuple[Said, ...] = ()
    say: str = ""
    user: str = ""
    greeting: bool = True


@dataclass(frozen=True, slots=True)
class LabVariant:
    """What is otherwise in a turn; empty is as in the library.

    A preset and worldbooks are names, or files (`Path`). `without` are books that are left out, of which "*"
    means all. `parameters` are of the request. `repeat` says how many replies there are to be.
    """

    name: str
    number: int
    model: str = ""
    preset: str | Path = ""
    profile: str = ""
    template: str = ""
    card: Path | None = None
    worldbooks: tuple[str | Path, ...] = ()
    without: tuple[str, ...] = ()
    instruction: str = ""
    start_with: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    repeat: int = 1


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that replies are held to, of the named turns and variants, or of all where none is named.

    `expected` are texts, patterns or ways to end, or one number.
    """

    kind: CheckKind
    expected: tuple[str, ...] | float
    name: str = ""
    turns: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    number: int = 0

    def applies(self, turn: str, variant: str) -> bool:
        return (not self.turns or turn in self.turns) and (not self.variants or variant in self.variants)


@dataclass(frozen=True, slots=True)
class Experiment:
    """A file, read. `text` is what stands in it."""

    name: str
    path: Path
    text: str
    turns: tuple[LabTurn, ...]
    variants: tuple[LabVariant, ...]
    checks: tuple[Check, ...] = ()

    def trials(self) -> Iterator[Trial]:
        """All that is to be done, in the order of the file."""
        for turn in self.turns:
            for variant in self.variants:
                for repeat in range(1, variant.repeat + 1):
                    yield Trial(turn, variant, repeat)


@dataclass(frozen=True, slots=True)
class Trial:
    """One reply that is to be had: the `repeat`-th, from 1, to a turn in a variant."""

    turn: LabTurn
    variant: LabVariant
    repeat: int

    @property
    def label(self) -> str:
        """What people call it."""
        name = f"{self.turn.name}/{self.variant.name}"
        return f"{name} {self.repeat}" if self.variant.repeat > 1 else name

    def is_meant(self, only: Sequence[tuple[str, str]]) -> bool:
        """Whether one of these (turn, variant) means it; "" is any, and nothing at all means everything."""
        here = (self.turn.name, self.variant.name)
        fits = (
            all(not want or want == name for want, name in zip(choice, here, strict=True)) for choice in only
        )
        return not only or any(fits)
