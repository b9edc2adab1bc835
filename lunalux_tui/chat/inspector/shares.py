"""Of what the window of a turn was full, by its record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SHARES = ("system", "card", "worldbook", "memory", "history")
"""What a prompt is made of."""
_OF = {
    **dict.fromkeys(("charDescription", "charPersonality", "scenario", "personaDescription"), "card"),
    **dict.fromkeys(("dialogueExamples", "newExampleChat", "depthPrompt", "storyString"), "card"),
    **dict.fromkeys(("worldInfoBefore", "worldInfoAfter", "worldInfoDepth"), "worldbook"),
    **dict.fromkeys(("chatHistory", "newMainChat", "userInput", "user", "continued", "lastLine"), "history"),
    **dict.fromkeys(("memory", "memoryRecalled", "tracker", "bank"), "memory"),
}
"""The share of a slot; any other is the system's."""


@dataclass(frozen=True, slots=True)
class WindowShares:
    """How a window was filled, in tokens: `parts` are the shares of the prompt, room for the reply and what
    is free. `source` says who told the size of the window: "person", "server" or "default".
    """

    window: int
    source: str
    parts: Sequence[tuple[str, int]]

    @property
    def used(self) -> int:
        """What the prompt takes."""
        return sum(tokens for name, tokens in self.parts if name in SHARES)


def shares_of(record: Mapping[str, Any]) -> WindowShares | None:
    """How the window was filled; None for an older record, which says nothing of it."""
    window = record.get("window")
    if not isinstance(window, dict) or not window["tokens"]:
        return None
    shares = dict.fromkeys(SHARES, 0)
    for slot in record["prompt"]["slots"]:
        # Slots that became one message count for the first of them.
        shares[_OF.get(slot["slot"].partition("+")[0], "system")] += slot["tokens"]
    tokens, reply = window["tokens"], window["reply"]
    parts = [*shares.items(), ("reply", reply), ("free", max(tokens - sum(shares.values()) - reply, 0))]
    return WindowShares(tokens, window["source"], parts)
