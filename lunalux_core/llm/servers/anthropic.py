"""Anthropic's Messages, spoken by Claude, by llama.cpp and by gateways.

What one model takes and another does not (a temperature, two ways to think, a reply begun for it, marks for
the cache) is not known by name: it is sent, and a refusal teaches to do without, as in `openai`.

See docs/guide.md: Claude.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote, urlencode, urlsplit

from lunalux_core.documents.coerce import is_integer
from lunalux_core.llm.model import Message, ModelRequest, Prefill, Sampling
from lunalux_core.llm.servers.http_call import Call, ask_json
from lunalux_core.llm.servers.model_list import listed_rows, row_name
from lunalux_core.llm.servers.pool import checked_base_url
from lunalux_core.llm.servers.prompt_cache import Block, block_of, marked_part
from lunalux_core.llm.servers.prompt_post_processing import CLOSERS, OPENERS, shaped
from lunalux_core.llm.servers.refused_fields import FieldRefusal, names
from lunalux_core.llm.servers.reply import ReplyDecoder, effective_sampling
from lunalux_core.llm.servers.reports import ServerReport, read_report
from lunalux_core.llm.servers.request_fields import completed
from lunalux_core.llm.servers.server_model import LIST_SECONDS, ServerExchange, ServerModel

DEFAULT_BASE_URL = "https://api.anthropic.com/v1"
VERSION = "2023-06-01"
"""Not the latest: that one (2026-10-21) refuses temperature, top_p and top_k of every model."""
DEFAULT_TOKENS = 4096
"""Reply tokens where nobody says how many: the protocol wants a number, and every model takes this one."""
LEAST_BUDGET = 1024
LIST_PAGES = 20

_BUDGETS = {
    "min": 1024,
    "minimal": 1024,
    "low": 2048,
    "medium": 8192,
    "high": 16_384,
    "xhigh": 24_576,
    "max": 32_768,
}
"""Tokens for thinking by effort; they come on top of the reply's."""
_EFFORTS = {"min": "low", "minimal": "low"}
"""Efforts that the protocol calls otherwise."""

_PREFILL_REFUSED = re.compile(r"prefill|(must|should|needs to) end with.{0,30}user")
_TOO_MANY_TOKENS = re.compile(r"max_tokens\D{0,12}\d+ > (?P<most>\d{2,7})")
_ONLY_ONE = re.compile(r"temperature.{0,40}top_p.{0,80}(both|one)|both.{0,40}temperature.{0,40}top_p")
_RANGE = re.compile(r"temperature.{0,60}(range|less than|<=|at most|between|maximum)")
_REFUSES_FIELD = re.compile(
    r"deprecated|unsupported|not support|unrecogni[sz]ed|unknown|unexpected|not permitted|not allowed"
    r"|may only|must be unset|not available|extra inputs|cannot be"
)
_SAMPLING = ("temperature", "top_p", "top_k")
_OPTIONAL = (*_SAMPLING, "stop_sequences")
_ONE_OF = "temperature and top_p"
_WIDE = "temperature above 1"
_DISPLAY = "thinking.display"


@dataclass(frozen=True, slots=True)
class _Wish:
    """How much a person wants a model to think. `budget` in tokens, 0 for not at all."""

    effort: str = ""
    budget: int = 0
    shown: bool = True


class _Exchange(ServerExchange):
    """A call of /v1/messages."""

    @property
    def messages(self) -> tuple[Message, ...]:
        """Names stand in the text: the protocol has none. Instructions at the end are the person's turn."""
        messages = shaped(replace(self.shape, names=False, user_last=False), self.asked)
        filled = [message for message in messages if message.filled]
        if self.shape.user_last and filled and filled[-1].role == "assistant":
            return (*messages, Message("user", CLOSERS[self.request.language]))
        return messages

    @property
    def begun(self) -> bool:
        """Whether the reply is begun for the model."""
        messages = [message for message in self.messages if message.filled]
        return bool(messages) and messages[-1].role == "assistant"

    def call(self) -> Call:
        body = {**self.conversation(), **self._limits(), **self._stops()}
        if self.streams:
            body["stream"] = True
        return completed(Call(f"{self.base_url}/messages", self.headers, body), self.spec.options)

    def conversation(self) -> dict[str, object]:
        """Model, instructions and turns: what a prompt's tokens are counted from."""
        said = self.said()
        blocks = [block_of(role, message) for role, message in said]
        # What is begun goes on in the next request, so the part that stays ends before it.
        stable = blocks[:-1] if self.begun else blocks
        marked = frozenset[int]() if "cache_control" in self.learnt.refused else self.sent.marks(stable)
        parts = [_parts(message, place in marked) for place, (_, message) in enumerate(said)]
        lead = _lead(blocks)
        turns: list[dict[str, object]] = []
        contents: list[list[dict[str, object]]] = []
        for (role, _), part in zip(blocks[lead:], parts[lead:], strict=True):
            # Turns must alternate: neighbours of one role are parts of one turn.
            if not turns or turns[-1]["role"] != role:
                contents.append([])
                turns.append({"role": role, "content": contents[-1]})
            contents[-1] += part
        body: dict[str, object] = {"model": self.spec.model, "messages": turns}
        if lead:
            body["system"] = [part for own in parts[:lead] for part in own]
        return body

    def blocks(self) -> list[Block]:
        """Every message as a block."""
        return [block_of(role, message) for role, message in self.said()]

    def said(self) -> list[tuple[str, Message]]:
        """Every message with its role here: the leading system ones first; the person speaks first after
        them."""
        messages = [message for message in self.messages if message.filled]
        lead = next(
            (place for place, message in enumerate(messages) if message.role != "system"), len(messages)
        )
        if lead == len(messages):
            lead = max(lead - 1, 0)  # the last instruction is what the model is to answer
        instructions = [("system", message) for message in messages[:lead]]
        turns = [
            ("assistant" if message.role == "assistant" else "user", message) for message in messages[lead:]
        ]
        if not turns or turns[0][0] != "user":
            turns.insert(0, ("user", Message("user", OPENERS[self.request.language])))
        if turns[-1][0] == "assistant":
            # A begun reply must not end in blanks, or the call is refused.
            last = turns[-1][1]
            turns[-1] = ("assistant", replace(last, content=last.content.rstrip()))
        return instructions + turns

    def decoder(self) -> ReplyDecoder:
        """Blanks that may not be sent at the end of a begun reply come from there, and not again."""
        decoder = ServerExchange.decoder(self)
        last = self.request.messages[-1].content if self.begun and self.request.messages else ""
        decoder.echo = last[len(last.rstrip()) :]
        return decoder

    def proved(self) -> None:
        blocks = self.blocks()
        self.sent.keep(blocks[:-1] if self.begun else blocks)
        if self.begun and not self.learnt.prefill:
            self.learnt.prefill = "trailing"
            self._changed = True
        ServerExchange.proved(self)

    def amend(self, status: int, body: bytes) -> bool:
        report = read_report(body, status, {})
        text = report.message.lower()
        if status in {400, 422} and self.begun and _PREFILL_REFUSED.search(text):
            self.learnt.prefill = "refused"
            # A person who wants the roles as they are gets the refusal instead.
            if self.spec.options.post_process != "none":
                self.learnt.shape = replace(self.learnt.shape, user_last=True)
                self._changed = True
                return True
        return ServerExchange.amend(self, status, body) or self._capped(status, text)

    def fields(self, refusal: FieldRefusal, report: ServerReport) -> set[str]:
        text = refusal.blamed
        sent = self.call().body
        thinking = sent.get("thinking")
        if isinstance(thinking, dict) and re.search(r"thinking|adaptive|budget_tokens", text):
            shows = "display" in text and "display" in thinking
            return {_DISPLAY if shows else f"thinking.{thinking['type']}"}
        if "output_config" in sent and re.search(r"effort|output_config", text):
            return {"output_config"}
        if "cache_control" in text and "cache_control" not in self.learnt.refused:
            return {"cache_control"}
        if "temperature" in sent and "top_p" in sent and _ONLY_ONE.search(text):
            return {_ONE_OF}
        temperature = sent.get("temperature")
        if isinstance(temperature, (int, float)) and temperature > 1 and _RANGE.search(text):
            return {_WIDE}
        # A message may name a field without refusing it.
        if not _REFUSES_FIELD.search(text):
            return set()
        return {name for name in _OPTIONAL if name in sent and names(text, name)}

    def _stops(self) -> dict[str, object]:
        stops = effective_sampling(self.spec.sampling, self.request.sampling).stop or ()
        filled = [stop for stop in stops if stop.strip()]  # one of blanks alone is refused
        return {"stop_sequences": filled} if filled and "stop_sequences" not in self.learnt.refused else {}

    def stops_sent(self) -> object:
        return self.call().body.get("stop_sequences")

    def _limits(self) -> dict[str, object]:
        """How long the reply may be, how the model samples and thinks."""
        sampling, refused = effective_sampling(self.spec.sampling, self.request.sampling), self.learnt.refused
        limit = sampling.max_tokens or DEFAULT_TOKENS
        thinking = self._thinking(sampling, limit)
        if thinking:
            return thinking
        most = self.learnt.most
        body: dict[str, object] = {"max_tokens": limit if most is None else min(limit, most)}
        for name in _SAMPLING:
            value = getattr(sampling, name)
            if value is not None and name not in refused:
                body[name] = value
        if "temperature" in body and _ONE_OF in refused:
            body.pop("top_p", None)
        if sampling.temperature is not None and sampling.temperature > 1 and _WIDE in refused:
            body["temperature"] = 1
        return body

    def _thinking(self, sampling: Sampling, reply_tokens: int) -> dict[str, object]:
        """The fields of a call that thinks; nothing where none is wanted or none is possible. A model that
        thinks takes no sampling, and a reply that is begun is not thought about."""
        wish = _wish(sampling)
        if not wish.budget or self.begun:
            return {}
        # An effort fits the adaptive form, a number of tokens the other;
        # the second serves where one was refused.
        forms = ("adaptive", "enabled") if wish.effort else ("enabled", "adaptive")
        form = next((form for form in forms if f"thinking.{form}" not in self.learnt.refused), "")
        most = self.learnt.most or reply_tokens + wish.budget
        # The reply keeps its tokens, or half of what the model writes at most.
        budget = min(wish.budget, most - min(reply_tokens, most // 2))
        if not form or budget < LEAST_BUDGET:
            return {}
        tokens = min(reply_tokens + budget, most)
        if form == "enabled":
            return {"max_tokens": tokens, "thinking": {"type": "enabled", "budget_tokens": budget}}
        thinking: dict[str, object] = {"type": "adaptive"}
        if _DISPLAY not in self.learnt.refused:
            thinking["display"] = "summarized" if wish.shown else "omitted"
        body: dict[str, object] = {"max_tokens": tokens, "thinking": thinking}
        if wish.effort and "output_config" not in self.learnt.refused:
            body["output_config"] = {"effort": _EFFORTS.get(wish.effort, wish.effort)}
        return body

    def _capped(self, status: int, text: str) -> bool:
        """Whether the reply was allowed more tokens than this model writes; from now on it is not."""
        match = _TOO_MANY_TOKENS.search(text) if status in {400, 422} else None
        return self.capped_at(int(match["most"]) if match is not None else 0)


class AnthropicModel(ServerModel):
    """A chat model of Anthropic's API, or of a server that speaks it."""

    exchange = _Exchange

    @staticmethod
    def address(url: str) -> str:
        return anthropic_base_url(url)

    def authorised(self, key: str) -> dict[str, str]:
        return {"x-api-key": key}

    def _headers(self) -> dict[str, str]:
        return {**ServerModel._headers(self), "anthropic-version": VERSION}

    async def models(self) -> tuple[str, ...]:
        """The names of the server's models, in its order.

        Raises:
            NetworkError, ProviderError: as for `stream`.
        """
        names: list[str] = []
        after = ""
        for _ in range(LIST_PAGES):
            query = urlencode({"limit": 1000, **({"after_id": after} if after else {})})
            document = await self.listing(f"models?{query}")
            rows = listed_rows(document)
            if rows is None:
                raise self._failures.bad_answer("no list of models")
            names += [name for row in rows if (name := row_name(row))]
            if not isinstance(document, dict):
                break
            last = document.get("last_id")
            # A cursor that repeats itself would ask for ever.
            if document.get("has_more") is not True or not isinstance(last, str) or last == after:
                break
            after = last
        return tuple(dict.fromkeys(names))

    async def prefill(self) -> Prefill:
        """Taken until a model refuses it."""
        prefill = await ServerModel.prefill(self)
        return "trailing" if prefill == "unknown" else prefill

    async def window(self) -> int | None:
        """The tokens of the model's whole window as the server tells it, None where it does not.

        Raises:
            NetworkError, ProviderError: as for `stream`.
        """
        document = await self.listing(f"models/{quote(self._spec.model, safe='')}")
        tokens = document.get("max_input_tokens") if isinstance(document, dict) else None
        return tokens if is_integer(tokens) and tokens > 0 else None

    async def count_tokens(self, request: ModelRequest) -> int:
        """The tokens of a request's prompt, as the server counts them.

        Raises:
            NetworkError, ProviderError: as for `stream`; also where a server does not count.
        """
        exchange = self._exchange(request)
        body = exchange.conversation() if isinstance(exchange, _Exchange) else {}
        call = Call(f"{self._base_url}/messages/count_tokens", self._headers(), body)
        document = await ask_json(
            self._pool, self._base_url, call, self._failures, LIST_SECONDS, method="POST"
        )
        tokens = document.get("input_tokens") if isinstance(document, dict) else None
        if not isinstance(tokens, int) or isinstance(tokens, bool) or tokens < 0:
            raise self._failures.bad_answer("no count of tokens")
        return tokens


def anthropic_base_url(url: str) -> str:
    """The base URL as people type it, made usable: `…/messages` cut off, `/v1` added where no version is.

    Raises:
        InvalidInput: MODEL_URL_INVALID.
    """
    url = checked_base_url(url, DEFAULT_BASE_URL).removesuffix("/messages").removesuffix("/models")
    return url if re.search(r"/v\d+$", urlsplit(url).path) else f"{url}/v1"


def _wish(sampling: Sampling) -> _Wish:
    """What the parameters ask of thinking; nothing, or an effort of `auto`, asks for none."""
    effort = (sampling.reasoning_effort or "").lower()
    shown = sampling.show_thoughts is not False
    if sampling.reasoning_budget is not None and sampling.reasoning_budget > 0:
        return _Wish(
            effort if effort in _BUDGETS else "", max(sampling.reasoning_budget, LEAST_BUDGET), shown
        )
    return _Wish(effort, _BUDGETS[effort], shown) if effort in _BUDGETS else _Wish()


def _lead(blocks: Sequence[Block]) -> int:
    return next((place for place, (role, _) in enumerate(blocks) if role != "system"), len(blocks))


def _parts(message: Message, marked: bool) -> list[dict[str, object]]:
    """A message as parts: its pictures, then its words; the mark stands at the end."""
    words = message.content
    text: list[dict[str, object]] = []
    if words.strip() or not message.pictures:
        text = [marked_part(words) if marked else {"type": "text", "text": words}]
    if not message.pictures:
        return text
    from lunalux_core.llm.servers.images import anthropic_parts

    parts = [*anthropic_parts(message.pictures), *text]
    if marked and not text:
        parts[-1] = {**parts[-1], "cache_control": {"type": "ephemeral"}}
    return parts
