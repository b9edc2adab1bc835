"""How much a prompt may cost, and who takes from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from lunalux_core.dialogue.assembly.material import PromptMaterial
from lunalux_core.presets.document import Preset

REPLY_PRIMER = 3
"""Tokens that begin every reply, outside all messages."""
FACTORY_CONTEXT, FACTORY_REPLY = 4095, 300


class Costly(Protocol):
    """Anything that takes tokens."""

    @property
    def tokens(self) -> int: ...


@dataclass(slots=True)
class Room:
    """Tokens left; pieces take from it in the order of their importance."""

    left: int

    def take(self, *pieces: Costly) -> bool:
        """Take all the pieces or none."""
        cost = 0
        for piece in pieces:
            cost += piece.tokens
        if cost > self.left:
            return False
        self.left -= cost
        return True


def budget_of(preset: Preset, material: PromptMaterial) -> int:
    """Tokens for the prompt: the material's, else the preset's, else SillyTavern's factory values."""
    if material.budget is not None:
        # The material's budget has the reply taken off already; the preset's window below has not.
        return material.budget - REPLY_PRIMER
    params = preset.params
    context = params.context_tokens or FACTORY_CONTEXT
    return context - (params.sampling.max_tokens or FACTORY_REPLY) - REPLY_PRIMER
