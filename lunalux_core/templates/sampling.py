"""A SillyTavern text-completion preset as sampling under our own names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lunalux_core.documents.coerce import as_flag, as_number, as_optional_integer, as_text
from lunalux_core.templates.template_values import Sampler

_NUMBERS = {
    "temp": "temperature",
    "top_p": "top_p",
    "min_p": "min_p",
    "top_a": "top_a",
    "typical_p": "typical_p",
    "tfs": "tfs",
    "rep_pen": "repeat_penalty",
    "freq_pen": "frequency_penalty",
    "presence_pen": "presence_penalty",
    "dry_multiplier": "dry_multiplier",
    "dry_base": "dry_base",
    "xtc_threshold": "xtc_threshold",
    "xtc_probability": "xtc_probability",
    "smoothing_factor": "smoothing_factor",
    "smoothing_curve": "smoothing_curve",
    "mirostat_tau": "mirostat_tau",
    "mirostat_eta": "mirostat_eta",
    "nsigma": "top_n_sigma",
    "adaptive_target": "adaptive_target",
    "adaptive_decay": "adaptive_decay",
}
_WHOLE = {
    "top_k": "top_k",
    "rep_pen_range": "repeat_last_n",
    "dry_allowed_length": "dry_allowed_length",
    "dry_penalty_last_n": "dry_penalty_last_n",
    "mirostat_mode": "mirostat",
    "n": "n",
    "genamt": "max_tokens",
}
_RANGE = {"min_temp": "dynatemp_low", "max_temp": "dynatemp_high", "dynatemp_exponent": "dynatemp_exponent"}
_TEXTS = {"grammar_string": "grammar"}


def read_sampler(document: Mapping[str, Any], name: str = "") -> Sampler:
    """A sampler preset. Values of a wrong type are left out, a seed below 0 is no seed."""
    values: dict[str, Any] = {}
    # Files hold the range of a dynamic temperature even where it is switched off.
    ranged = _RANGE if as_flag(document.get("dynatemp")) else {}
    for theirs, ours in {**_NUMBERS, **ranged}.items():
        number = as_number(document.get(theirs), float("nan"))
        # NaN, which alone differs from itself, stands for no number.
        if number == number:
            values[ours] = number
    for theirs, ours in _WHOLE.items():
        if (whole := as_optional_integer(document.get(theirs))) is not None:
            values[ours] = whole
    seed = as_optional_integer(document.get("seed"))
    if seed is not None and seed >= 0:
        values["seed"] = seed
    for theirs, ours in _TEXTS.items():
        if text := as_text(document.get(theirs)):
            values[ours] = text
    if banned := _lines(document.get("banned_tokens")):
        values["banned_strings"] = banned
    if breakers := _strings(document.get("dry_sequence_breakers")):
        values["dry_sequence_breakers"] = breakers
    order = document.get("sampler_order")
    if isinstance(order, list) and order and all(type(number) is int for number in order):
        values["sampler_order"] = list(order)
    return Sampler(name, values, as_optional_integer(document.get("max_length")))


def _lines(value: object) -> list[str]:
    """Strings that must not be written, one a line, maybe in quotation marks; numbers of tokens are not."""
    lines = (line.strip() for line in as_text(value).splitlines())
    return [
        line.strip('"') for line in lines if line.strip('"') and not line.lstrip("[").rstrip("]").isdigit()
    ]


def _strings(value: object) -> list[str]:
    """A list of texts, or one written as JSON."""
    if isinstance(value, str):
        import json

        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return []
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []
