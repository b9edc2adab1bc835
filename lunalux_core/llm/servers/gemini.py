"""Google Gemini over its REST protocol (`streamGenerateContent`, server-sent events).

The key travels in the header `x-goog-api-key`, never in a URL, where logs and proxies would keep it. What
comes back is read in `events`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from lunalux_core.llm.model import Message, ModelRequest, ModelSpec
from lunalux_core.llm.servers.http_call import Call
from lunalux_core.llm.servers.model_list import listed_rows
from lunalux_core.llm.servers.pool import checked_base_url
from lunalux_core.llm.servers.refused_fields import FieldRefusal
from lunalux_core.llm.servers.reply import effective_sampling
from lunalux_core.llm.servers.reports import ServerReport, read_report
from lunalux_core.llm.servers.request_fields import completed, request_fields
from lunalux_core.llm.servers.server_model import ServerExchange, ServerModel

DEFAULT_BASE_URL = "https://generativelanguage.googleapis.com/v1beta"
LIST_PAGES = 20

_OPTIONAL = {
    "thinkingConfig": r"thinking",
    "frequencyPenalty": r"frequency_?penalty|penalty is not",
    "presencePenalty": r"presence_?penalty|penalty is not",
    "topK": r"top_?k",
}
"""Fields of generationConfig that some models refuse, and how a refusal names them."""
_LIMIT = "maxOutputTokens"
_TOO_MANY_TOKENS = re.compile(r"max_?output_?tokens.{0,80}?to (?P<beyond>\d{2,7}) \(exclusive\)")


class _Exchange(ServerExchange):
    """A call of streamGenerateContent."""

    def call(self) -> Call:
        body = _contents(self.messages)
        config = _generation_config(self.spec, self.request)
        refused = self.learnt.refused
        config = {name: value for name, value in config.items() if name not in refused}
        if self.learnt.most is not None and isinstance(limit := config.get(_LIMIT), int):
            config[_LIMIT] = min(limit, self.learnt.most)
        body["generationConfig"] = config
        model = quote(self.spec.model.removeprefix("models/"), safe="/")
        # `tunedModels/NAME` is a path already.
        path = model if "/" in model else f"models/{model}"
        method = "streamGenerateContent?alt=sse" if self.streams else "generateContent"
        return completed(Call(f"{self.base_url}/{path}:{method}", self.headers, body), self.spec.options)

    @property
    def _sent(self) -> Mapping[str, Any]:
        """What is asked of the reply; nothing where a person drops all of it."""
        config = self.call().body.get("generationConfig")
        return config if isinstance(config, Mapping) else {}

    def fields(self, refusal: FieldRefusal, report: ServerReport) -> set[str]:
        if self.failures.refusal(report).code != "MODEL_REFUSED":
            return set()
        text, sent = report.message.lower(), self._sent
        named = {name for name, sign in _OPTIONAL.items() if name in sent and re.search(sign, text)}
        return named or refusal.fields(set(sent) - {_LIMIT})

    def stops_sent(self) -> object:
        return self._sent.get("stopSequences")

    def amend(self, status: int, body: bytes) -> bool:
        return ServerExchange.amend(self, status, body) or self._capped(status, body)

    def _capped(self, status: int, body: bytes) -> bool:
        """Whether the reply was allowed more tokens than this model writes; from now on it is not."""
        text = read_report(body, status, {}).message.lower()
        match = _TOO_MANY_TOKENS.search(text) if status == 400 else None
        # The number that Gemini names is the first that is too many.
        return self.capped_at(int(match["beyond"]) - 1 if match is not None else 0)

    def asked_tokens(self) -> object:
        return self._sent.get(_LIMIT)


class GeminiModel(ServerModel):
    """A chat model of the Gemini API, or of a proxy that speaks it. `repeat_penalty` has no counterpart
    here and is not sent."""

    exchange = _Exchange

    @staticmethod
    def address(url: str) -> str:
        return gemini_base_url(url)

    def authorised(self, key: str) -> dict[str, str]:
        return {"x-goog-api-key": key}

    async def models(self) -> tuple[str, ...]:
        """The names of the models that can chat, without the prefix `models/`, in the server's order.

        Raises:
            NetworkError, ProviderError: as for `stream`.
        """
        names: list[str] = []
        page = ""
        for _ in range(LIST_PAGES):
            query = urlencode({"pageSize": 1000, **({"pageToken": page} if page else {})})
            document = await self.listing(f"models?{query}")
            # A page without a list is Gemini's way to say that nothing is on it.
            rows = listed_rows({"models": None, **document}) if isinstance(document, dict) else None
            if not isinstance(document, dict) or rows is None:
                raise self._failures.bad_answer("no list of models")
            names += [name for row in rows if (name := _chat_model(row))]
            page = str(document.get("nextPageToken") or "")
            if not page:
                break
        return tuple(dict.fromkeys(names))


def gemini_base_url(url: str) -> str:
    """The base URL made usable: `/v1beta` for a bare host, nothing after the version.

    Raises:
        InvalidInput: MODEL_URL_INVALID.
    """
    url = checked_base_url(url, DEFAULT_BASE_URL).removesuffix("/models")
    return url if urlsplit(url).path else f"{url}/v1beta"


def _chat_model(row: Mapping[str, Any]) -> str:
    """The name of a listed model that generates text, else nothing."""
    if not isinstance(name := row.get("name"), str):
        return ""
    methods = row.get("supportedGenerationMethods")
    chats = not isinstance(methods, list) or "generateContent" in methods
    return name.removeprefix("models/") if chats else ""


def _generation_config(spec: ModelSpec, request: ModelRequest) -> dict[str, Any]:
    sampling = effective_sampling(spec.sampling, request.sampling)
    config: dict[str, Any] = request_fields("gemini", sampling).body.get("generationConfig", {})
    # Asked of all but the generations known to have none; a refusal is remembered.
    thinks = not re.search(r"gemini-(1|2\.0)\b|gemma|learnlm", spec.model)
    if thinks or "thinkingConfig" in config:
        config["thinkingConfig"] = {"includeThoughts": True, **config.get("thinkingConfig", {})}
    return config


def _contents(messages: tuple[Message, ...]) -> dict[str, object]:
    """`systemInstruction` from the leading system messages, `contents` from the rest.

    A system message further down keeps its place and becomes the user's, which is as near as the
    protocol comes; neighbours of one role are merged, since it wants the roles to alternate.
    """
    lead = next((i for i, message in enumerate(messages) if message.role != "system"), len(messages))
    system, rest = messages[:lead], messages[lead:]
    if not rest:
        # Contents must not be empty: the last instruction is what the model is to answer.
        system, rest = system[:-1], system[-1:]
    turns: list[tuple[str, list[Message]]] = []
    for message in rest:
        role = "model" if message.role == "assistant" else "user"
        if not message.filled:
            continue
        if turns and turns[-1][0] == role:
            turns[-1][1].append(message)
        else:
            turns.append((role, [message]))
    body: dict[str, object] = {
        "contents": [{"role": role, "parts": _parts(messages)} for role, messages in turns]
    }
    instruction = "\n\n".join(message.content for message in system if message.content.strip())
    if instruction:
        body["systemInstruction"] = {"parts": [{"text": instruction}]}
    return body


def _parts(messages: list[Message]) -> list[dict[str, object]]:
    """One text; where there are pictures, each before the words that it came with."""
    parts: list[dict[str, object]] = []
    texts: list[str] = []
    for message in messages:
        if message.pictures:
            from lunalux_core.llm.servers.images import gemini_parts

            parts += [{"text": "\n\n".join(texts)}] if texts else []
            parts += gemini_parts(message.pictures)
            texts = []
        texts += [message.content] if message.content.strip() else []
    return [*parts, {"text": "\n\n".join(texts)}] if texts else parts
