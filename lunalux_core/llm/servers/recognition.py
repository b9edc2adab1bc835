"""Ask a server what it is, which model it has loaded and how long its window is.

Each kind has one address that no other answers in the same way. Servers imitate each other (KoboldCpp answers
like Ollama and like llama.cpp), so the most particular answer counts first. Everything is asked at once, each
within a few seconds, and an answer of the wrong shape says nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from lunalux_core.llm.model_prices import openrouter_prices
from lunalux_core.llm.parameters import ServerKind, kind_of
from lunalux_core.llm.servers.facts import SILENT, ServerFacts, whole
from lunalux_core.llm.servers.model_list import named_row, rows_of
from lunalux_core.text import clean_line

if TYPE_CHECKING:
    from lunalux_core.llm.servers.server_model import ServerModel

OLLAMA_ROOM = 16_384
"""The window that we ask Ollama for where nobody chose one: a model's own maximum is too much for most."""

_WINDOWS = ("max_model_len", "context_length", "context_window", "max_context_length", "max_input_tokens")
"""What servers call the window in a row of their list of models."""
_HOSTED = frozenset({"openai", "deepseek"})
"""Services that tell nothing about a model's window."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks one server. `get` takes a path beside the API, `post` a path and a body; both give a document of
    JSON, None where there is none, SILENT where nothing answers. `api` takes a path of the API itself."""

    model: str
    get: Callable[[str], Awaitable[object]]
    post: Callable[[str, Mapping[str, object]], Awaitable[object]]
    api: Callable[[str], Awaitable[object]]


async def recognised(server: ServerModel) -> ServerFacts | None:
    """What the server says of itself and of the model; None where nothing answers. Never raises because a
    server is absent or strange."""
    spec, base_url = server.spec, server.base_url
    asker = Asker(spec.model, server.beside, server.beside, lambda path: server.ask(f"{base_url}/{path}"))
    kind = kind_of(spec.provider, spec.base_url)
    if urlsplit(base_url).hostname == "api.openai.com" or kind in _HOSTED:
        return ServerFacts(kind)
    if kind in _ALONE:
        return await _ALONE[kind](asker)
    return await _local(asker)


async def _local(asker: Asker) -> ServerFacts | None:
    """Of a server that may be any: the particular addresses of all kinds, and the list of models."""
    paths = (
        "api/extra/version",
        "props",
        "api/v0/models",
        "v1/model",
        "v1/internal/model/info",
        "api/version",
    )
    *answers, listed = await asyncio.gather(*(asker.get(path) for path in paths), asker.api("models"))
    if all(answer is SILENT for answer in (*answers, listed)):
        return None
    kobold, props, studio, tabby, textgen, ollama = (
        answer if isinstance(answer, dict) else {} for answer in answers
    )
    row = named_row(listed, asker.model)
    if "kobold" in str(kobold.get("result", "")).lower():
        return await _koboldcpp(asker, props, kobold)
    if isinstance(props.get("default_generation_settings"), dict):
        return await _llamacpp(asker, props, listed, row)
    if isinstance(rows := studio.get("data"), list) and any("state" in row for row in _dicts(rows)):
        return _lmstudio(asker.model, rows)
    if isinstance(parameters := tabby.get("parameters"), dict) and "max_seq_len" in parameters:
        return _tabby(tabby, parameters)
    if isinstance(textgen.get("model_name"), str):
        return await _textgen(asker, textgen)
    if isinstance(ollama.get("version"), str) and "result" not in kobold:
        return await _ollama(asker)
    if row.get("owned_by") == "vllm" or "max_model_len" in row:
        return ServerFacts(
            "vllm", window=whole(row.get("max_model_len")), loaded=_line(row.get("id")), counts=True
        )
    window = next((tokens for name in _WINDOWS if (tokens := whole(row.get(name)))), None)
    return ServerFacts(window=window)


# -- each kind ---------------------------------------------------------------------------------------


async def _llamacpp(
    asker: Asker, props: Mapping[str, Any], listed: object, row: Mapping[str, Any]
) -> ServerFacts:
    """A router, which has no model of its own, is asked for one only where that is loaded: asking loads."""
    loads = props.get("role") == "router"
    if loads:
        status = row.get("status")
        if not isinstance(status, dict) or status.get("value") != "loaded":
            return ServerFacts("llamacpp", counts=True, loads=True)
        answer = await asker.get(f"props?model={quote(asker.model, safe='')}")
        props = answer if isinstance(answer, dict) else {}
    settings = props.get("default_generation_settings")
    meta = row.get("meta") or _first(listed).get("meta")
    window = whole(settings.get("n_ctx")) if isinstance(settings, dict) else None
    window = window or (whole(meta.get("n_ctx")) if isinstance(meta, dict) else None)
    modalities = props.get("modalities")
    return ServerFacts(
        "llamacpp",
        window=window,
        loaded=_line(props.get("model_alias")) or _line(props.get("model_path")),
        template=_template(props.get("chat_template")),
        modalities=tuple(name for name, has in modalities.items() if has is True)
        if isinstance(modalities, dict)
        else (),
        counts=True,
        loads=loads,
    )


async def _koboldcpp(asker: Asker, props: Mapping[str, Any], version: Mapping[str, Any]) -> ServerFacts:
    window, loaded = await asyncio.gather(
        asker.get("api/extra/true_max_context_length"), asker.get("api/v1/model")
    )
    return ServerFacts(
        "koboldcpp",
        window=whole(window.get("value")) if isinstance(window, dict) else None,
        loaded=_line(loaded.get("result")) if isinstance(loaded, dict) else "",
        template=_template(props.get("chat_template")),
        modalities=tuple(name for name in ("vision", "audio") if version.get(name) is True),
        counts=True,
    )


def _lmstudio(model: str, rows: object) -> ServerFacts:
    row = next((row for row in _dicts(rows) if row.get("id") == model), {})
    loaded = row.get("state") == "loaded"
    window = whole(row.get("loaded_context_length")) if loaded else None
    return ServerFacts(
        title="LM Studio",
        window=window or whole(row.get("max_context_length")),
        loaded=next((_line(row.get("id")) for row in _dicts(rows) if row.get("state") == "loaded"), ""),
        modalities=("vision",) if row.get("type") == "vlm" else (),
        loads=True,
    )


def _tabby(card: Mapping[str, Any], parameters: Mapping[str, Any]) -> ServerFacts:
    return ServerFacts(
        "tabby",
        window=whole(parameters.get("max_seq_len")),
        loaded=_line(card.get("id")),
        template=_template(parameters.get("prompt_template_content")),
        modalities=("vision",) if parameters.get("use_vision") is True else (),
        counts=True,
        loads=True,
    )


async def _textgen(asker: Asker, info: Mapping[str, Any]) -> ServerFacts:
    props = info.get("props")
    facts: Mapping[str, Any] = props if isinstance(props, dict) else info
    names = ("n_ctx", "ctx_size", "max_seq_len", "truncation_length")
    return ServerFacts(
        "textgen",
        window=next((tokens for name in names if (tokens := whole(facts.get(name)))), None),
        loaded=_line(info.get("model_name")),
        counts=True,
        loads=True,
    )


async def _ollama(asker: Asker) -> ServerFacts | None:
    """The window that the model is loaded with, else as much of its own maximum as we ask for."""
    version, running, shown = await asyncio.gather(
        asker.get("api/version"), asker.get("api/ps"), asker.post("api/show", {"model": asker.model})
    )
    if version is SILENT and running is SILENT and shown is SILENT:
        return None
    rows = _dicts(running.get("models")) if isinstance(running, dict) else []
    names = {asker.model, f"{asker.model}:latest"}
    row = next((row for row in rows if names & {row.get("name"), row.get("model")}), {})
    card = shown if isinstance(shown, dict) else {}
    info = card.get("model_info")
    most = (
        next((whole(value) for name, value in info.items() if str(name).endswith(".context_length")), None)
        if isinstance(info, dict)
        else None
    )
    abilities = card.get("capabilities")
    return ServerFacts(
        "ollama",
        window=whole(row.get("context_length")) or (min(most, OLLAMA_ROOM) if most else None),
        loaded=_line(row.get("name")),
        template=_template(card.get("template")),
        modalities=("vision",) if isinstance(abilities, list) and "vision" in abilities else (),
        loads=True,
    )


async def _openrouter(asker: Asker) -> ServerFacts | None:
    listed = await asker.api("models")
    if listed is SILENT:
        return None
    row = named_row(listed, asker.model)
    top, architecture = row.get("top_provider"), row.get("architecture")
    window = whole(row.get("context_length"))
    served = whole(top.get("context_length")) if isinstance(top, dict) else None
    taken = row.get("supported_parameters")
    inputs = architecture.get("input_modalities") if isinstance(architecture, dict) else None
    return ServerFacts(
        "openrouter",
        window=min(window, served) if window and served else window or served,
        modalities=("vision",) if isinstance(inputs, list) and "image" in inputs else (),
        taken=tuple(name for name in taken if isinstance(name, str)) if isinstance(taken, list) else None,
        prices=openrouter_prices(row),
    )


async def _anthropic(asker: Asker) -> ServerFacts | None:
    card = await asker.api(f"models/{quote(asker.model, safe='')}")
    if not isinstance(card, dict):
        return ServerFacts("anthropic", counts=True)
    return ServerFacts("anthropic", window=whole(card.get("max_input_tokens")), counts=True)


async def _gemini(asker: Asker) -> ServerFacts | None:
    """Its window is what may go in; the reply has room of its own."""
    card = await asker.api(f"models/{quote(asker.model.removeprefix('models/'), safe='')}")
    if not isinstance(card, dict):
        return ServerFacts("gemini", counts=True)
    return ServerFacts("gemini", window=whole(card.get("inputTokenLimit")), counts=True)


async def _mistral(asker: Asker) -> ServerFacts | None:
    row = named_row(await asker.api("models"), asker.model)
    return ServerFacts(
        "mistral", window=next((n for field in _WINDOWS if (n := whole(row.get(field)))), None)
    )


_ALONE: Mapping[ServerKind, Callable[[Asker], Awaitable[ServerFacts | None]]] = {
    "ollama": _ollama,
    "openrouter": _openrouter,
    "anthropic": _anthropic,
    "gemini": _gemini,
    "mistral": _mistral,
}
"""Kinds that are what a person says they are; the others may have been mistaken for each other."""


# -- reading answers ---------------------------------------------------------------------------------


def _dicts(rows: object) -> list[dict[str, Any]]:
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _first(listed: object) -> dict[str, Any]:
    return next(iter(rows_of(listed)), {})


def _line(value: object) -> str:
    return clean_line(value, 200) if isinstance(value, str) else ""


def _template(value: object) -> str:
    return value if isinstance(value, str) else ""
