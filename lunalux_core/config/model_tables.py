"""The tables `[models.NAME]` of config.toml: what they may hold, and reading them.

Loaded only where a file has such tables: most commands never need what a model is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lunalux_core.config.settings import PROBLEMS_LIMIT, TOKENS_LIMIT, SavedModel, place_of
from lunalux_core.documents.coerce import is_integer
from lunalux_core.errors import InvalidInput, LunaluxError
from lunalux_core.llm.additions import extra_body_of, headers_of, price_of
from lunalux_core.llm.model import IMAGE_USES, POST_PROCESSING, PREFILLS, ModelOptions
from lunalux_core.llm.parameters import PROVIDERS, checked_value


def read_models(table: Any, path: str, text: str, problems: list[LunaluxError]) -> dict[str, SavedModel]:
    """The saved models by name. `path` and `text` are the file; what is wrong in it goes into `problems`."""
    models: dict[str, SavedModel] = {}
    for name, entry in table.items() if isinstance(table, dict) else ():
        provider = entry.get("provider") if isinstance(entry, dict) else None
        # A table that is none fails on its provider below, so 0 is as good as any number.
        tokens = entry.get("context_tokens") if isinstance(entry, dict) else 0
        whole = tokens is None or (is_integer(tokens) and 0 < tokens <= TOKENS_LIMIT)
        if provider not in PROVIDERS or not isinstance(entry.get("model"), str) or not whole:
            where = place_of(path, text, "models", name)
            problems.append(
                InvalidInput(
                    "MODEL_CONFIG_INVALID",
                    f"The model {name!r} in {where} lacks a provider ({', '.join(PROVIDERS)}), a model "
                    "name, or a whole number of context_tokens.",
                    "Correct it, or remove it with `lunalux model remove`.",
                    name=name,
                    where=where,
                    providers=", ".join(PROVIDERS),
                )
            )
            continue
        # Told, and used as a chat model: one wrong word must not take the model away.
        mode = entry.get("mode", "chat")
        if mode not in ("chat", "text"):
            where = place_of(path, text, "models", name)
            problems.append(
                InvalidInput(
                    "MODEL_MODE_INVALID",
                    f"The model {name!r} in {where} has the mode {mode!r}.",
                    "Allowed: chat, text. It is used as a chat model meanwhile.",
                    name=name,
                    where=where,
                    mode=str(mode),
                )
            )
        models[name] = SavedModel(
            name=name,
            provider=provider,
            model=entry["model"],
            base_url=_text(entry.get("base_url", "")),
            key_env=_text(entry.get("key_env", "")),
            context_tokens=tokens,
            sampling=_sampling(name, entry.get("sampling", {}), path, text, problems),
            options=_options(name, entry, path, text, problems),
            mode="text" if mode == "text" else "chat",
            template=str(entry.get("template", "")),
        )
    return models


def _sampling(name: str, table: object, path: str, text: str, problems: list[LunaluxError]) -> dict[str, Any]:
    """The parameters of a saved model; one that is unknown or not allowed is told and left to the server."""
    good: dict[str, Any] = {}
    for key, value in table.items() if isinstance(table, dict) else ():
        if len(problems) >= PROBLEMS_LIMIT:
            break
        try:
            good[key] = checked_value(key, value, place_of(path, text, "models", name, "sampling", key))
        except InvalidInput as error:
            problems.append(error)
    return good


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _options(
    name: str, entry: Mapping[str, Any], path: str, text: str, problems: list[LunaluxError]
) -> ModelOptions:
    """How to talk with the server; a value that cannot be is told, and the usual one stands."""
    good: dict[str, Any] = {}
    for key, option in MODEL_OPTIONS.items():
        if key not in entry:
            continue
        if option.fits(entry[key]):
            good[key] = option.read(entry[key])
            continue
        where = place_of(path, text, "models", name, key)
        problems.append(
            InvalidInput(
                "SETTING_INVALID",
                f"models.{name}.{key} = {entry[key]!r} in {where} is not allowed.",
                f"Allowed: {option.allowed}. The default is used meanwhile.",
                key=f"models.{name}.{key}",
                value=str(entry[key]),
                where=where,
                allowed=option.allowed,
            )
        )
    return ModelOptions(**good)


@dataclass(frozen=True, slots=True)
class ModelOption:
    """A key of `[models.NAME]` about talking with the server: what is allowed, in words and as a test."""

    allowed: str
    fits: Callable[[Any], bool]
    help: str
    read: Callable[[Any], Any] = lambda value: tuple(value) if isinstance(value, list) else value


def _reads(read: Callable[[Any], Any]) -> Callable[[Any], bool]:
    """Whether a value can be read at all."""

    def fits(value: Any) -> bool:
        try:
            read(value)
        except InvalidInput:
            return False
        return True

    return fits


MODEL_OPTIONS: Mapping[str, ModelOption] = {
    "timeout": ModelOption(
        "seconds from 1 to 86400",
        lambda value: _is_number(value) and 1 <= value <= 86_400,
        "Longest silence before the first word of a reply; any byte of the server ends it. 900 without it.",
    ),
    "stream": ModelOption(
        "true, false",
        lambda value: isinstance(value, bool),
        "Whether replies come word by word. A server that refuses is found out.",
    ),
    "post_process": ModelOption(
        ", ".join(POST_PROCESSING),
        lambda value: value in POST_PROCESSING,
        "Shapes the roles for a strict chat template. Without it, what the server takes is found out.",
    ),
    "thinking_marks": ModelOption(
        "a list of an opening and a closing mark",
        lambda value: isinstance(value, list) and len(value) == 2 and all(_is_word(word) for word in value),
        "What the model puts around its thoughts, beside the marks that are known.",
    ),
    "prefill": ModelOption(
        ", ".join(PREFILLS),
        lambda value: value in PREFILLS,
        "How the model goes on from a reply that was begun for it. Without it, this is found out.",
    ),
    "extra_body": ModelOption(
        "a table, or a JSON object as a text",
        _reads(extra_body_of),
        "Merged into every request, last of all.",
        extra_body_of,
    ),
    "drop": ModelOption(
        "a list of names of fields; a dot leads into an object",
        lambda value: isinstance(value, list) and all(_is_word(word) for word in value),
        "Fields that are never sent.",
    ),
    "headers": ModelOption(
        "a table of names and values, each in one line",
        _reads(headers_of),
        "Headers that go along with every request. A key belongs into key_env or the credentials instead.",
        headers_of,
    ),
    "images": ModelOption(
        ", ".join(IMAGE_USES),
        lambda value: value in IMAGE_USES,
        "Whether the model takes pictures. Without it, this is found out.",
    ),
    "price": ModelOption(
        "a list of three numbers from 0 to 1000000",
        _reads(price_of),
        "What a million tokens cost: read, read from the cache, written. Without it no cost is told.",
        price_of,
    ),
}


def _is_word(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_number(value: object) -> bool:
    """Whether this can be sent to a server: JSON has no infinity and no unbounded numbers."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -1e15 < value < 1e15
