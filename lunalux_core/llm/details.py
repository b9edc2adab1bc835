"""What is known of a model: for `lunalux model show` and the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lunalux_core.llm.model import SERVERLESS, ModelSpec
from lunalux_core.llm.parameters import kind_of, taken

if TYPE_CHECKING:
    from lunalux_core.llm.model_prices import Prices
    from lunalux_core.llm.servers.facts import ServerFacts
    from lunalux_core.llm.servers.learnt_refusals import Learnt

_PREFILL = {"deepseek": "prefix", "mistral": "prefix", "openai": "refused", "vllm": "flags"}
_TRAILING = frozenset({"llamacpp", "koboldcpp", "tabby", "textgen"})
"""Kinds that go on from a last message of the assistant."""


def model_details(
    spec: ModelSpec,
    learnt: Learnt | None,
    facts: ServerFacts | None = None,
    prices: Prices | None = None,
) -> dict[str, Any]:
    """The documented object of `lunalux model show --json`.

    The window is the person's where they gave one, else the server's, else the usual one. `params_taken` is
    None where nobody knows; what the server has refused is left out. `facts` are what the server said.
    `learnt` says of `images` whether the model takes them, as soon as that is known.
    """
    kind = kind_of(spec.provider, spec.base_url)
    if kind == "generic" and facts is not None:
        kind = facts.kind
    serves = spec.provider not in SERVERLESS
    return {
        "name": spec.name,
        "provider": spec.provider,
        "mode": spec.mode,
        "model": spec.model,
        "base_url": spec.base_url,
        "window": {
            "tokens": spec.context_tokens,
            "source": spec.window_source,
        },
        "params_taken": _taken(kind, learnt) if serves and kind != "generic" else None,
        "prefill": _prefill(spec, kind) if serves else "unknown",
        "tokenizer": "server" if facts is not None and facts.counts else "estimate",
        "prices": prices.as_json() if prices is not None else None,
        "learnt": {
            **(learnt.as_json() if learnt else {}),
            **({"images": takes} if (takes := _images(spec, learnt, facts)) is not None else {}),
            **({"server": told} if facts is not None and (told := _told(facts, spec)) else {}),
        },
    }


def _images(spec: ModelSpec, learnt: Learnt | None, facts: ServerFacts | None) -> bool | None:
    """Whether the model takes pictures; None until one was sent, where nobody says so."""
    if spec.options.images:
        return spec.options.images == "yes"
    if learnt is not None and not learnt.images:
        return False
    return "vision" in facts.modalities if facts is not None and facts.tells_modalities else None


def _told(facts: ServerFacts, spec: ModelSpec) -> dict[str, Any]:
    """What the server said of itself, beside what the person knows: which kind it is."""
    return {
        name: value for name, value in facts.as_json().items() if (name, value) != ("kind", spec.provider)
    }


def _taken(kind: Any, learnt: Learnt | None) -> list[str]:
    from lunalux_core.llm.parameters import PARAMETERS

    refused = learnt.refused if learnt else set()
    return [name for name in taken(kind) if PARAMETERS[name].wire[kind].rpartition(".")[2] not in refused]


def _prefill(spec: ModelSpec, kind: str) -> str:
    if spec.mode == "text" or kind in _TRAILING:
        return "trailing"
    return _PREFILL.get(kind, "unknown")
