"""Values that presets, worldbooks and models share: who says a message, and how a model samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Sampling:
    """What a request asks for beside its words; None leaves the choice to the server. `max_tokens` are the
    reply's. What each means, what it may be and what servers call it stands in `llm.parameters`."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    max_tokens: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    repeat_penalty: float | None = None
    min_p: float | None = None
    top_a: float | None = None
    typical_p: float | None = None
    tfs: float | None = None
    repeat_last_n: int | None = None
    dry_multiplier: float | None = None
    dry_base: float | None = None
    dry_allowed_length: int | None = None
    dry_penalty_last_n: int | None = None
    dry_sequence_breakers: tuple[str, ...] | None = None
    xtc_threshold: float | None = None
    xtc_probability: float | None = None
    dynatemp_low: float | None = None
    dynatemp_high: float | None = None
    dynatemp_exponent: float | None = None
    smoothing_factor: float | None = None
    smoothing_curve: float | None = None
    mirostat: int | None = None
    mirostat_tau: float | None = None
    mirostat_eta: float | None = None
    top_n_sigma: float | None = None
    adaptive_target: float | None = None
    adaptive_decay: float | None = None
    sampler_order: tuple[str | int, ...] | None = None
    seed: int | None = None
    stop: tuple[str, ...] | None = None
    banned_strings: tuple[str, ...] | None = None
    logit_bias: Mapping[str, float] | None = None
    grammar: str | None = None
    json_schema: Mapping[str, Any] | None = None
    n: int | None = None
    reasoning_effort: str | None = None
    reasoning_budget: int | None = None
    verbosity: str | None = None
    show_thoughts: bool | None = None
