"""The parameters of a request as one kind of server takes them, and what a person adds to every request.

Values change their form only here: where a server wants a list instead of an object, half a range instead of
its two ends, a word of its own. What it does not take is left out and named, never sent to be refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from lunalux_core.documents.prompt_values import Sampling
from lunalux_core.llm.model import ModelOptions
from lunalux_core.llm.parameters import PARAMETERS, ServerKind, kind_of
from lunalux_core.llm.servers.http import Call

Untaken = Literal["kind", "limit", "value"]
"""Why a parameter is not sent: the kind of server has none, takes fewer values, or none of this form."""

STOP_LIMITS: Mapping[ServerKind, int] = {"openai": 4, "gemini": 5, "deepseek": 16}
_TEXT_NAMES: Mapping[ServerKind, Mapping[str, str]] = {
    "llamacpp": {"max_tokens": "n_predict"},
    "koboldcpp": {
        "max_tokens": "max_length",
        "stop": "stop_sequence",
        "seed": "sampler_seed",
        "frequency_penalty": "",
        "json_schema": "",
    },
}
"""Names of a server's own protocol for one text, where they differ; "" where it has none."""

_KOBOLD_SAMPLERS = ("top_k", "top_a", "top_p", "tfs", "typical_p", "temperature", "penalties")
_LLAMA_SAMPLERS = {"typical_p": "typ_p", "repeat_penalty": "penalties"}
_SECRET = re.compile(r"auth|key|token|secret|cookie|password", re.I)


@dataclass(slots=True)
class RequestFields:
    """`body` is what goes over the wire; `untaken` says by our names what does not, and why."""

    body: dict[str, Any] = field(default_factory=dict)
    untaken: dict[str, Untaken] = field(default_factory=dict)


def request_fields(kind: ServerKind, sampling: Sampling, *, text: bool = False) -> RequestFields:
    """The parameters that are set, as this kind of server takes them; `text`: in its protocol for text."""
    made = RequestFields()
    names = _TEXT_NAMES.get(kind, {}) if text else {}
    for one in fields(sampling):
        value = getattr(sampling, one.name)
        if value is None or value == "auto" or (one.name == "seed" and value < 0):
            continue  # the server's own choice
        wire = names.get(one.name, PARAMETERS[one.name].wire.get(kind, ""))
        if not wire:
            made.untaken[one.name] = "kind"
            continue
        _put(made, kind, one.name, wire, value)
    _dynamic_temperature(made, kind, sampling)
    if sampling.repeat_penalty is not None and kind == "generic":
        # The same parameter: llama.cpp and Ollama know this name, vLLM and OpenRouter the other.
        made.body["repeat_penalty"] = sampling.repeat_penalty
    return made


def _put(made: RequestFields, kind: ServerKind, name: str, wire: str, value: Any) -> None:
    if name in {"dynatemp_low", "dynatemp_high"} and wire == "dynatemp_range":
        return
    value = _converted(made, kind, name, value)
    if value is None:
        made.untaken[name] = "value"
        return
    _set(made.body, wire, value)
    if kind == "gemini" and name == "json_schema":
        _set(made.body, "generationConfig.responseMimeType", "application/json")
    if kind == "textgen" and name == "dynatemp_low":
        made.body["dynamic_temperature"] = True
    if kind == "anthropic" and name == "reasoning_budget":
        _set(made.body, "thinking.type", "enabled")


def _converted(made: RequestFields, kind: ServerKind, name: str, value: Any) -> Any:
    """The value in the server's form; None where it has none for it."""
    match name:
        case "stop":
            limit = STOP_LIMITS.get(kind, len(value))
            if len(value) > limit:
                made.untaken[name] = "limit"
            return list(value[:limit])
        case "logit_bias":
            return _bias(kind, value)
        case "dry_sequence_breakers" if kind == "textgen":
            return json.dumps(list(value), ensure_ascii=False)
        case "banned_strings" if kind == "textgen":
            return ",".join(value) if all(one.strip().isdigit() for one in value) else None
        case "sampler_order":
            return _order(kind, value)
        case "json_schema" if PARAMETERS[name].wire[kind] == "response_format":
            return {"type": "json_schema", "json_schema": {"name": "reply", "schema": dict(value)}}
        case "reasoning_effort":
            return _effort(kind, value)
        case "show_thoughts" if kind == "openrouter":
            return not value
    return list(value) if isinstance(value, tuple) else value


def _bias(kind: ServerKind, value: Mapping[str, float]) -> Any:
    if kind == "llamacpp":
        return [[int(one) if one.isdigit() else one, bias] for one, bias in value.items()]
    # OpenAI's protocol takes numbers of tokens only, and -100 for a ban.
    numbers = {one: -100 if bias is False else bias for one, bias in value.items() if one.isdigit()}
    return numbers or None


def _order(kind: ServerKind, value: Iterable[str | int]) -> Any:
    """The order in the server's words; KoboldCpp's numbers and the others' names are the same samplers."""
    if kind == "koboldcpp":
        numbers = [
            one if isinstance(one, int) else _KOBOLD_SAMPLERS.index(one) if one in _KOBOLD_SAMPLERS else None
            for one in value
        ]
        return numbers if None not in numbers else None
    count = len(_KOBOLD_SAMPLERS)
    names = [
        (_KOBOLD_SAMPLERS[one] if 0 <= one < count else None) if isinstance(one, int) else one
        for one in value
    ]
    if None in names:
        return None
    if kind == "llamacpp":
        return [_LLAMA_SAMPLERS.get(str(one), one) for one in names if one not in {"top_a", "tfs"}]
    return names


def _effort(kind: ServerKind, value: str) -> Any:
    """The server's word for it, or the nearest it has."""
    nearest: dict[ServerKind, dict[str, Any]] = {
        "openai": {"max": "high"},
        "openrouter": {"max": "xhigh"},
        "anthropic": {"none": "low", "minimal": "low"},
        "gemini": {"none": "minimal", "xhigh": "high", "max": "high"},
        "ollama": {"none": False, "minimal": "low", "xhigh": "high", "max": "high"},
    }
    return nearest.get(kind, {}).get(value, value)


def _dynamic_temperature(made: RequestFields, kind: ServerKind, sampling: Sampling) -> None:
    """llama.cpp and KoboldCpp take the middle of the range as temperature, and half its width."""
    low, high = sampling.dynatemp_low, sampling.dynatemp_high
    if kind not in {"llamacpp", "koboldcpp"} or (low is None and high is None):
        return
    if low is None or high is None or low > high:
        made.untaken |= {
            name: "value" for name in ("dynatemp_low", "dynatemp_high") if getattr(sampling, name) is not None
        }
        return
    made.body["temperature"] = round((low + high) / 2, 6)
    made.body["dynatemp_range"] = round((high - low) / 2, 6)


def _set(body: dict[str, Any], path: str, value: Any) -> None:
    *folders, name = path.split(".")
    for one in folders:
        body = body.setdefault(one, {})
    body[name] = value


# -- what a person adds --------------------------------------------------------------------------------


def completed(call: Call, options: ModelOptions) -> Call:
    """A call with a saved model's extra body (merged last) and headers, without what it drops."""
    if not (options.extra_body or options.drop or options.headers):
        return call
    body = merged(call.body, options.extra_body)
    for path in options.drop:
        _drop(body, path)
    lower = {name.lower() for name in options.headers}
    kept = {name: value for name, value in call.headers.items() if name.lower() not in lower}
    return replace(call, body=body, headers={**kept, **options.headers})


def merged(body: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """`body` with `extra` in it; objects are merged, everything else is replaced."""
    made = dict(body)
    for name, value in extra.items():
        before = made.get(name)
        made[name] = (
            merged(before, value) if isinstance(before, Mapping) and isinstance(value, Mapping) else value
        )
    return made


def _drop(body: dict[str, Any], path: str) -> None:
    if path in body:
        del body[path]
        return
    head, _, rest = path.partition(".")
    if rest and isinstance(body.get(head), Mapping):
        body[head] = dict(body[head])
        _drop(body[head], rest)


def shown_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers for people: what may be a key is three stars."""
    return {name: "***" if _SECRET.search(name) else value for name, value in headers.items()}


def untaken(provider: str, base_url: str, sampling: Sampling, *, text: bool = False) -> Mapping[str, Untaken]:
    """What of `sampling` a saved model's server does not take."""
    return request_fields(kind_of(provider, base_url), sampling, text=text).untaken
