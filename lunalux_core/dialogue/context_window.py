"""How many tokens a turn has, the window of its model, what of it is allowed and the reply's part, and how it
counts them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lunalux_core.llm.servers.pool import is_near
from lunalux_core.llm.tokens import TokenEstimator, estimator

if TYPE_CHECKING:
    from lunalux_core.config.settings import Settings
    from lunalux_core.dialogue.turn import TurnInput
    from lunalux_core.llm.model import ModelSpec
    from lunalux_core.llm.token_counts import KnownTokens


def allowed_window(model: ModelSpec, settings: Settings) -> int:
    """Tokens for prompt and reply together, without a preset's own window.

    The setting `chat.context_tokens` bounds every model once a person has set it. Left at its default it
    bounds those whose window is unknown, and those that are paid for by the token: a window of a
    million tokens is no reason to send so many each turn.
    """
    # A window is trusted where the person gave it, or where a server near by says it: there tokens cost no
    # money.
    told = model.window_source == "person" or (
        model.window_source == "server" and (is_near(model.base_url) or model.provider == "ollama")
    )
    if told and settings.source("chat.context_tokens") == "default":
        return model.context_tokens
    return min(model.context_tokens, settings.context_tokens)


def window_of(turn: TurnInput) -> int:
    """Tokens for prompt and reply together. An imported preset's own window counts too, up to the model's."""
    if preset_counts(turn) and (asked := turn.preset.params.context_tokens):
        return min(turn.model.context_tokens, asked)
    return allowed_window(turn.model, turn.settings)


def prompt_budget(turn: TurnInput) -> int:
    """Tokens for the prompt: the window less the reply."""
    return window_of(turn) - reply_room(turn)


def reply_room(turn: TurnInput) -> int:
    """Tokens kept for the reply: the wish of this turn, of its profiles, the model's own limit, the imported
    preset's, the setting.

    A reply that was not asked for in this turn and would take more than half of the window gets a quarter,
    or what the setting says, so that a prompt has room too.
    """
    window = window_of(turn)
    asked = turn.parameters.get("max_tokens", turn.profiled.get("max_tokens"))
    if isinstance(asked, int) and asked > 0:
        return min(asked, max(window - 1, 1))
    imported = turn.preset.params.sampling.max_tokens if preset_counts(turn) else None
    wanted = turn.model.sampling.max_tokens or imported or turn.settings.reply_tokens
    # Presets are made for large models: what they ask for must leave room for a prompt in a small window.
    if wanted > window // 2:
        return min(wanted, max(window // 4, min(turn.settings.reply_tokens, window // 2)))
    return wanted


def preset_counts(turn: TurnInput) -> bool:
    """Whether the preset's numbers are meant for this model: an imported one, which is made for chats."""
    return turn.preset.source == "sillytavern" and turn.model.mode == "chat"


def counter(turn: TurnInput) -> TokenEstimator | KnownTokens:
    """What counts the texts of this turn: as its model's server has counted, as far as that is known, else by
    estimate.
    """
    estimate = estimator(turn.model.model, turn.token_factor)
    if turn.counts is None:
        return estimate
    from lunalux_core.llm.token_counts import KnownTokens

    return KnownTokens(estimate, turn.counts)
