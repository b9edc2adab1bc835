"""How many tokens a prompt may have, and how its parts are counted against that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from lunalux_core.dialogue.assembly.prompt_material import PromptMaterial
from lunalux_core.presets.document import Preset

REPLY_PRIMER = 3
"""Tokens that every request takes beside its messages, to begin the reply."""
FACTORY_CONTEXT, FACTORY_REPLY = 4095, 300


class Costly(Protocol):
    """Anything that has a number of tokens."""

    @property
    def tokens(self) -> int: ...


@dataclass(slots=True)
class Room:
    """The tokens that are left; the more important parts take theirs first."""

    left: int

    def take(self, *pieces: Costly) -> bool:
        """Subtract the tokens of all pieces if they fit together; else change nothing and return False."""
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
        # The reply is already subtracted from the material's budget, but not from the preset's window below.
        return material.budget - REPLY_PRIMER
    params = preset.params
    context = params.context_tokens or FACTORY_CONTEXT
    return context - (params.sampling.max_tokens or FACTORY_REPLY) - REPLY_PRIMER
