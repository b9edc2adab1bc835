"""The options of `lunalux chat` that decide on the turn, and which of them exclude each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lunalux_core.dialogue.direction import Direction, Person, Voice
from lunalux_core.dialogue.turn import TurnKind
from lunalux_core.errors import InvalidInput

MOST_REPLIES = 20
"""How many replies one command may ask for."""


@dataclass(frozen=True, slots=True)
class ChatOptions:
    """The options that decide on the turn.

    Args:
        kinds: those of --continue, --regenerate and --impersonate that were given.
    """

    message: str = ""
    kinds: tuple[TurnKind, ...] = ()
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
    def kind(self) -> TurnKind:
        return self.kinds[0] if self.kinds else "normal"

    @property
    def voice(self) -> Voice:
        if self.narrator:
            return Voice("narrator")
        return Voice("somebody", self.as_name) if self.as_name is not None else Voice()

    @property
    def direction(self) -> Direction:
        """The instructions for the reply; with --impersonate the message is the outline of it."""
        outline = self.message if self.kind == "impersonate" else ""
        start = None
        if self.start_with is not None:
            from lunalux_core.templates.template_values import ReplyStart

            start = ReplyStart("", self.start_with, show=True)
        return Direction(self.instruction, outline=outline, person=self.person, start=start)

    @property
    def words(self) -> str:
        """The message that is stored in the chat, "" if none is."""
        return self.message if self.kind == "normal" else ""

    def check(self) -> None:
        """Raises InvalidInput (USAGE) for the first pair of options that exclude each other."""
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
# Pairs in which one option has no meaning: a reply that is continued already has a beginning, a message with
# --no-reply gets no reply, and what --impersonate writes is not stored, so it has no swipes.
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
