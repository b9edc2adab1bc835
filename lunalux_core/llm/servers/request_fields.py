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
from lunalux_core.llm.servers.http_call import Call

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
    result = RequestFields()
    names = _TEXT_NAMES.get(kind, {}) if text else {}
    for param in fields(sampling):
        value = getattr(sampling, param.name)
        if value is None or value == "auto" or (param.name == "seed" and value < 0):
            continue  # the server's own choice
        wire = names.get(param.name, PARAMETERS[param.name].wire.get(kind, ""))
        if not wire:
            result.untaken[param.name] = "kind"
            continue
        _put(result, kind, param.name, wire, value)
    _dynamic_temperature(result, kind, sampling)
    if sampling.repeat_penalty is not None and kind == "generic":
        # The same parameter: llama.cpp and Ollama know this name, vLLM and OpenRouter the other.
        result.body["repeat_penalty"] = sampling.repeat_penalty
    return result


def _put(result: RequestFields, kind: ServerKind, name: str, wire: str, value: Any) -> None:
    if name in {"dynatemp_low", "dynatemp_high"} and wire == "dynatemp_range":
        return
    value = _converted(result, kind, name, value)
    if value is None:
        result.untaken[name] = "value"
        return
    _set(result.body, wire, value)
    if kind == "gemini" and name == "json_schema":
        _set(result.body, "generationConfig.responseMimeType", "application/json")
    if kind == "textgen" and name == "dynatemp_low":
        result.body["dynamic_temperature"] = True
    if kind == "anthropic" and name == "reasoning_budget":
        _set(result.body, "thinking.type", "enabled")


def _converted(result: RequestFields, kind: ServerKind, name: str, value: Any) -> Any:
    """The value in the server's form; None where it has none for it."""
    match name:
        case "stop":
            limit = STOP_LIMITS.get(kind, len(value))
            if len(value) > limit:
                result.untaken[name] = "limit"
            return list(value[:limit])
        case "logit_bias":
            return _bias(kind, value)
        case "dry_sequence_breakers" if kind == "textgen":
            return json.dumps(list(value), ensure_ascii=False)
        case "banned_strings" if kind == "textgen":
            return ",".join(value) if all(token.strip().isdigit() for token in value) else None
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
        return [[int(token) if token.isdigit() else token, bias] for token, bias in value.items()]
    # OpenAI's protocol takes numbers of tokens only, and -100 for a ban.
    numbers = {token: -100 if bias is False else bias for token, bias in value.items() if token.isdigit()}
    return numbers or None


def _order(kind: ServerKind, value: Iterable[str | int]) -> Any:
    """The order in the server's words; KoboldCpp's numbers and the others' names are the same samplers."""
    if kind == "koboldcpp":
        numbers = [
            sampler
            if isinstance(sampler, int)
            else _KOBOLD_SAMPLERS.index(sampler)
            if sampler in _KOBOLD_SAMPLERS
            else None
            for sampler in value
        ]
        return numbers if None not in numbers else None
    count = len(_KOBOLD_SAMPLERS)
    names = [
        (_KOBOLD_SAMPLERS[sampler] if 0 <= sampler < count else None) if isinstance(sampler, int) else sampler
        for sampler in value
    ]
    if None in names:
        return None
    if kind == "llamacpp":
        return [_LLAMA_SAMPLERS.get(str(name), name) for name in names if name not in {"top_a", "tfs"}]
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


def _dynamic_temperature(result: RequestFields, kind: ServerKind, sampling: Sampling) -> None:
    """llama.cpp and KoboldCpp take the middle of the range as temperature, and half its width."""
    low, high = sampling.dynatemp_low, sampling.dynatemp_high
    if kind not in {"llamacpp", "koboldcpp"} or (low is None and high is None):
        return
    if low is None or high is None or low > high:
        result.untaken |= {
            name: "value" for name in ("dynatemp_low", "dynatemp_high") if getattr(sampling, name) is not None
        }
        return
    result.body["temperature"] = round((low + high) / 2, 6)
    result.body["dynatemp_range"] = round((high - low) / 2, 6)


def _set(body: dict[str, Any], path: str, value: Any) -> None:
    *folders, name = path.split(".")
    for folder in folders:
        body = body.setdefault(folder, {})
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
    headers = {name: value for name, value in call.headers.items() if name.lower() not in lower}
    return replace(call, body=body, headers={**headers, **options.headers})


def merged(body: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """`body` with `extra` in it; objects are merged, everything else is replaced."""
    result = dict(body)
    for name, value in extra.items():
        before = result.get(name)
        result[name] = (
            merged(before, value) if isinstance(before, Mapping) and isinstance(value, Mapping) else value
        )
    return result


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
