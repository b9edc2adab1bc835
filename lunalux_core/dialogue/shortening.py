"""A turn whose prompt its server found too long, made shorter: for the window that the refusal named."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from lunalux_core.dialogue.context_window import window_of
from lunalux_core.dialogue.counting import counter
from lunalux_core.llm.tokens import MOST_FACTOR

if TYPE_CHECKING:
    from lunalux_core.dialogue.turn import Ready, TurnInput
    from lunalux_core.errors import ProviderError
    from lunalux_core.llm.model_registry import Registry

SPARE = 1.15
"""How much more than the refusal's own count is reckoned with: what stays of the prompt may be denser than
what goes, and there is no third try."""


async def shorter_turn(models: Registry, ready: Ready, error: ProviderError) -> TurnInput | None:
    """The turn for the true window, None where nobody names one that would help.

    What the refusal names is learnt. One that names no window is followed by a question to the server.
    """
    turn = ready.request.turn
    if error.code != "CONTEXT_TOO_LONG":
        return None
    window, counted = _number(error, "window"), _number(error, "prompt")
    if window:
        models.learn_limit(turn.model, window)
    else:
        facts = await models.look(turn.model)
        window = facts.window or 0 if facts is not None else 0
    thought = window_of(turn)
    estimated = _estimated(ready)
    # A window as large as the one that was reckoned with explains nothing, unless our count was too low.
    if not window or (window >= thought and not counted > estimated):
        return None
    factor, tokens = turn.token_factor, min(window, thought)
    denser = max(counted / estimated * SPARE, 1) if counted and estimated else 1
    if turn.counts is not None and turn.counts.ratio() is not None:
        # Its own counts are taken as they are: what its template adds to them has to come off the window.
        tokens = math.floor(tokens / denser)
    else:
        factor *= denser
    if factor > MOST_FACTOR:  # estimates go no higher, so the window has to be less
        tokens, factor = math.floor(tokens * MOST_FACTOR / factor), MOST_FACTOR
    model = replace(turn.model, context_tokens=max(tokens, 1), window_source="server")
    return replace(turn, model=model, token_factor=factor, refused=True)


def _estimated(ready: Ready) -> int:
    """Tokens of the prompt as they were counted when it was built."""
    count = counter(ready.request.turn)
    if ready.prompt.form is not None:
        return count.text(ready.prompt.text)
    return sum(
        count.message(message.content) + sum(picture.tokens for picture in message.pictures)
        for message in ready.prompt.messages
    )


def _number(error: ProviderError, name: str) -> int:
    value = error.params.get(name)
    return value if isinstance(value, int) else 0
