"""What `lunalux chat` is asked for: one kind of turn, whose words, and which options go together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from lunalux_core.dialogue.direction import Direction, Person, Voice
from lunalux_core.dialogue.turn import TurnKind
from lunalux_core.errors import InvalidInput

Kind = Literal["send", "continue", "regenerate", "impersonate"]
MOST_REPLIES = 20


@dataclass(frozen=True, slots=True)
class Wishes:
    """The options that say what kind of turn it is. `kinds` are those of --continue, --regenerate and
    --impersonate that were given.
    """

    message: str = ""
    kinds: tuple[Kind, ...] = ()
    instruction: str = ""
    start_with: str | None = None
    replies: int = 1
    no_reply: bool = False
    as_name: str | None = None
    narrator: bool = False
    show: bool = False
    images: bool = False
    person: Person = ""

    @property
    def kind(self) -> Kind:
        return self.kinds[0] if self.kinds else "send"

    @property
    def turn_kind(self) -> TurnKind:
        """The same as the workflow calls it."""
        kinds: Mapping[Kind, TurnKind] = {
            "send": "normal",
            "continue": "continue",
            "regenerate": "regenerate",
            "impersonate": "impersonate",
        }
        return kinds[self.kind]

    @property
    def voice(self) -> Voice:
        if self.narrator:
            return Voice("narrator")
        return Voice("somebody", self.as_name) if self.as_name is not None else Voice()

    @property
    def direction(self) -> Direction:
        """A message beside --impersonate is the outline of what is to be written."""
        outline = self.message if self.kind == "impersonate" else ""
        start = None
        if self.start_with is not None:
            from lunalux_core.templates.values import ReplyStart

            start = ReplyStart("", self.start_with, show=True)
        return Direction(self.instruction, outline=outline, person=self.person, start=start)

    @property
    def words(self) -> str:
        """What is said in the story."""
        return self.message if self.kind == "send" else ""

    def check(self) -> None:
        """Raises InvalidInput (USAGE): options that exclude each other, by the first pair that does."""
        given = {
            "--continue": "continue" in self.kinds,
            "--regenerate": "regenerate" in self.kinds,
            "--impersonate": "impersonate" in self.kinds,
            "--replies": self.replies > 1,
            "--no-reply": self.no_reply,
            "--as": self.as_name is not None,
            "--narrator": self.narrator,
            "--start-with": self.start_with is not None,
            "--instruction": bool(self.instruction),
            "-m": bool(self.message),
            "--image": self.images,
            "--show-prompt": self.show,
        }
        refuse_together(given, _APART)
        if self.as_name is not None and not self.as_name.strip():
            raise InvalidInput("USAGE", "--as needs a name.", "Say who speaks.", kind="as_name")
        if self.person and self.kind != "impersonate":
            raise InvalidInput(
                "USAGE",
                "--person is about your own words.",
                "Give it together with --impersonate.",
                kind="person",
            )


def refuse_together(given: Mapping[str, bool], apart: Iterable[tuple[str, str]]) -> None:
    """Raises InvalidInput (USAGE) where both options of a pair are given."""
    for flag, other in apart:
        if given[flag] and given[other]:
            raise InvalidInput(
                "USAGE",
                f"{flag} and {other} do not go together.",
                "Leave one of them out.",
                kind="apart",
                one=flag,
                other=other,
            )


_KINDS = ("--continue", "--regenerate", "--impersonate")
# What means nothing beside the other: a reply that goes on has its beginning already, nobody answers a line
# that is only stored, and what the person might say is not kept, so it has no swipes.
_APART = (
    ("--continue", "--regenerate"),
    ("--continue", "--impersonate"),
    ("--regenerate", "--impersonate"),
    ("--continue", "-m"),
    ("--regenerate", "-m"),
    ("--continue", "--replies"),
    ("--impersonate", "--replies"),
    ("--no-reply", "--replies"),
    ("--no-reply", "--instruction"),
    ("--no-reply", "--start-with"),
    ("--continue", "--start-with"),
    ("--impersonate", "--start-with"),
    ("--as", "--narrator"),
    ("--no-reply", "--show-prompt"),
    ("--as", "--show-prompt"),
    ("--narrator", "--show-prompt"),
    ("--as", "--image"),
    ("--narrator", "--image"),
    *((kind, option) for kind in _KINDS for option in ("--no-reply", "--as", "--narrator", "--image")),
)
