"""How a turn counts tokens: as its model's server has counted, as far as that is known, else by estimate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lunalux_core.llm.tokens import TokenEstimator, estimator

if TYPE_CHECKING:
    from lunalux_core.dialogue.turn import TurnInput
    from lunalux_core.llm.token_counts import KnownTokens


def counter(turn: TurnInput) -> TokenEstimator | KnownTokens:
    """What counts the texts of this turn."""
    estimate = estimator(turn.model.model, turn.token_factor)
    if turn.counts is None:
        return estimate
    from lunalux_core.llm.token_counts import KnownTokens

    return KnownTokens(estimate, turn.counts)
