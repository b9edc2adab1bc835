"""What a server says of itself when it is asked: what it is, which model it has loaded, and how long a prompt
may be.

Values only; `recognition` asks, `learnt` keeps them between starts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lunalux_core.documents.coerce import is_integer
from lunalux_core.llm.parameters import KINDS, ServerKind

_TELL_MODALITIES = frozenset({"llamacpp", "koboldcpp", "tabby", "ollama", "openrouter"})
SILENT = object()
"""Instead of a document, where no answer came."""
MOST_TEMPLATE = 64 * 1024
"""Characters of a chat template that are kept."""


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """Of one model on one server.

    Args:
        kind: what the server is; `generic` where it is none that we know.
        title: what it calls itself, where the kind does not tell (LM Studio), else "".
        window: tokens of the whole window as the server says, None where it does not.
        limit: the window that a refusal named, None where nothing was refused.
        loaded: the model that it has in memory, "" where it does not say.
        template: its chat template, "" where it tells none.
        modalities: what a message may hold beside text, such as `vision`.
        counts: whether it counts tokens for others.
        loads: whether it loads and unloads models when it is told to.
        taken: parameters that the model takes by the server's own word (its names), None where it is silent.
        prices: US dollars for a million tokens: read, from a cache, written; None where it names none.
    """

    kind: ServerKind = "generic"
    title: str = ""
    window: int | None = None
    limit: int | None = None
    loaded: str = ""
    template: str = ""
    modalities: tuple[str, ...] = ()
    counts: bool = False
    loads: bool = False
    taken: tuple[str, ...] | None = None
    prices: tuple[float, float, float] | None = None

    @property
    def tells_modalities(self) -> bool:
        """Whether a server of this kind says which of its models take pictures."""
        return self.kind in _TELL_MODALITIES or self.title == "LM Studio"

    def as_json(self) -> dict[str, Any]:
        """Only what is known; empty where nothing is."""
        told: dict[str, Any] = {}
        if self.kind != "generic":
            told["kind"] = self.kind
        for name in ("title", "window", "limit", "loaded", "template"):
            if value := getattr(self, name):
                told[name] = value
        for name in ("modalities", "taken"):
            if (values := getattr(self, name)) or (name == "taken" and values is not None):
                told[name] = list(values)
        for name in ("counts", "loads"):
            if getattr(self, name):
                told[name] = True
        if self.prices is not None:
            told["prices"] = list(self.prices)
        return told

    @classmethod
    def from_json(cls, value: object) -> ServerFacts:
        """The facts in what `as_json` made; of anything else, facts without content."""
        fields: Mapping[str, Any] = value if isinstance(value, dict) else {}
        return cls(
            next((kind for kind in KINDS if kind == fields.get("kind")), "generic"),
            _text(fields.get("title")),
            whole(fields.get("window")),
            whole(fields.get("limit")),
            _text(fields.get("loaded")),
            _text(fields.get("template")),
            _texts(fields.get("modalities")),
            fields.get("counts") is True,
            fields.get("loads") is True,
            _texts(fields["taken"]) if isinstance(fields.get("taken"), list) else None,
            _prices(fields.get("prices")),
        )


def whole(value: object) -> int | None:
    """A number of tokens as servers write them; None for anything that is none."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 12:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if is_integer(value) and value > 0 else None


def _text(value: object) -> str:
    return value[:MOST_TEMPLATE] if isinstance(value, str) else ""


def _prices(value: object) -> tuple[float, float, float] | None:
    numbers = (
        [float(price) for price in value if isinstance(price, (int, float))]
        if isinstance(value, list)
        else []
    )
    return (numbers[0], numbers[1], numbers[2]) if len(numbers) == 3 else None


def _texts(value: object) -> tuple[str, ...]:
    return tuple(text for text in value if isinstance(text, str)) if isinstance(value, (list, tuple)) else ()
