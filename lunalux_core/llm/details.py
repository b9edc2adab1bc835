"""What is known of a model without asking its server: for `lunalux model show` and the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lunalux_core.llm.model import CURRENCY, ModelSpec
from lunalux_core.llm.parameters import kind_of, taken

if TYPE_CHECKING:
    from lunalux_core.llm.servers.learnt import Learnt

USUAL_WINDOW = ModelSpec("", "practice", "").context_tokens

_PREFILL = {"deepseek": "prefix", "mistral": "prefix", "openai": "refused", "vllm": "flags"}
_TRAILING = frozenset({"llamacpp", "koboldcpp", "tabby", "textgen"})
"""Kinds that go on from a last message of the assistant."""


def model_details(spec: ModelSpec, learnt: Learnt | None) -> dict[str, Any]:
    """The documented object of `lunalux model show --json`.

    The window is the person's where it is not the usual one. `params_taken` is None where nobody knows; what
    the server has refused is left out.
    """
    kind = kind_of(spec.provider, spec.base_url)
    serves = spec.provider not in {"practice", "official", "plugin"}
    price = spec.options.price
    return {
        "name": spec.name,
        "provider": spec.provider,
        "mode": spec.mode,
        "model": spec.model,
        "base_url": spec.base_url,
        "window": {
            "tokens": spec.context_tokens,
            "source": "default" if spec.context_tokens == USUAL_WINDOW else "person",
        },
        "params_taken": _taken(kind, learnt) if serves and kind != "generic" else None,
        "prefill": _prefill(spec, kind) if serves else "unknown",
        "tokenizer": "estimate",
        "prices": _prices(price) if price else None,
        "learnt": learnt.as_json() if learnt else {},
    }


def _taken(kind: Any, learnt: Learnt | None) -> list[str]:
    from lunalux_core.llm.parameters import PARAMETERS

    refused = learnt.refused if learnt else set()
    return [name for name in taken(kind) if PARAMETERS[name].wire[kind].rpartition(".")[2] not in refused]


def _prefill(spec: ModelSpec, kind: str) -> str:
    if spec.mode == "text" or kind in _TRAILING:
        return "trailing"
    return _PREFILL.get(kind, "unknown")


def _prices(price: tuple[float, float, float]) -> dict[str, Any]:
    read, cached, written = price
    return {"input": read, "cached": cached, "output": written, "currency": CURRENCY, "source": "person"}
