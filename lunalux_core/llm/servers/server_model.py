"""What models behind a server have in common, whichever protocol they speak: who they are, one call of
theirs, and what of such a call the server has refused so far."""

from __future__ import annotations

import asyncio
import json
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import ClassVar

from lunalux_core import __version__
from lunalux_core.errors import LunaluxError
from lunalux_core.llm.model import POST_PROCESSING, Delta, Message, ModelRequest, ModelSpec, Prefill
from lunalux_core.llm.parameters import ServerKind, kind_of
from lunalux_core.llm.probe import ModelTest, probe
from lunalux_core.llm.servers.facts import SILENT, ServerFacts
from lunalux_core.llm.servers.http_call import Call, ask_bytes, ask_json, read_all, stream_reply
from lunalux_core.llm.servers.learnt_refusals import Learnt
from lunalux_core.llm.servers.marks import marks
from lunalux_core.llm.servers.pool import HttpPool, Timeouts, checked_key, host_of
from lunalux_core.llm.servers.prompt_cache import SentPrompts
from lunalux_core.llm.servers.prompt_post_processing import Shape, shaped
from lunalux_core.llm.servers.refused_fields import FieldRefusal
from lunalux_core.llm.servers.reply import REPLY_LIMIT, ReplyDecoder, effective_sampling
from lunalux_core.llm.servers.reports import ServerReport, read_report
from lunalux_core.llm.servers.server_failures import Failures
from lunalux_core.llm.stop_cut import StopCut

LIST_SECONDS = 15
ONE_PIECE_SECONDS = 1800
"""How long to wait for a reply that comes in one piece."""
SPEED_SECONDS = 1
"""How long the end of a reply waits for a server to say how fast it was."""
ASK_SECONDS = 4
"""How long a server may take to say something of itself; it is asked beside everything else."""

_FINAL = frozenset({"CONTEXT_TOO_LONG", "MODEL_KEY_REJECTED", "MODEL_QUOTA", "MODEL_RATE_LIMITED"})
"""Refusals that another form of the call does not change."""

_NO_STREAM = re.compile(
    r"verified to stream|\bstream(s|ed|ing)?\b.{0,60}"
    r"(not (supported|enabled|available|allowed|permitted)|unsupported|disabled|(must|should) be false)"
    r"|(not|n't) support.{0,30}\bstream(s|ing)?\b"
)

TOO_MANY_TOKENS = re.compile(
    r"max(imum)?[_ ](completion_|output_)?tokens.{0,120}?"
    r"(limit of|at most|maximum( value)?( is| of)?|less than or equal to|<=|no more than|not exceed|up to"
    r"|\[\d+ ?,)"
    r"\D{0,12}(?P<most>\d{2,7})"
)
"""What a server says of a reply that was allowed more tokens than it writes."""


@dataclass(slots=True)
class ServerExchange(ABC):
    """One call; see `http_call.Exchange`. `kind` is what the server is, as far as is known. `learnt` is what
    it has taught so far, a copy: it is kept once a call that was changed by it has been taken."""

    failures: Failures
    spec: ModelSpec
    request: ModelRequest
    base_url: str
    headers: Mapping[str, str]
    learnt: Learnt
    keep: Callable[[Learnt], None]
    timeouts: Timeouts
    sent: SentPrompts
    kind: ServerKind = "generic"
    _changed: bool = False
    _decoder: ReplyDecoder | None = None

    @abstractmethod
    def call(self) -> Call: ...

    @abstractmethod
    def fields(self, refusal: FieldRefusal, report: ServerReport) -> set[str]:
        """The fields that a refusal names, of those that were sent and can be done without."""

    def decoder(self) -> ReplyDecoder:
        own = marks(self.spec.options.thinking_marks)
        self._decoder = ReplyDecoder(self.failures, self.request.messages, own, self.request.choices)
        return self._decoder

    def stopped(self) -> Delta:
        """The end of a reply that is left at a stop string."""
        deltas = list(self._decoder.end(complete=True)) if self._decoder is not None else [Delta()]
        return replace(deltas[-1], finish="stop")

    def stops_sent(self) -> object:
        """The stop strings as they are sent."""
        return self.call().body.get("stop")

    @property
    def unsent_stops(self) -> tuple[str, ...]:
        """The stop strings that the server does not look for: it refused them, or takes fewer."""
        chosen = effective_sampling(self.spec.sampling, self.request.sampling).stop
        if not chosen:
            return ()  # else the whole request would be made again to look at what it says
        sent = self.stops_sent()
        return tuple(stop for stop in chosen if not isinstance(sent, list) or stop not in sent)

    @property
    def shape(self) -> Shape:
        """How the messages go: as the person chose, and what the server has taught besides."""
        chosen, taught = self.spec.options.post_process, self.learnt.shape
        if not chosen or POST_PROCESSING.index(taught.mode) > POST_PROCESSING.index(chosen):
            return taught if chosen != "none" else Shape()
        return replace(taught, mode=chosen) if chosen != "none" else Shape()

    def asked_tokens(self) -> object:
        """How many tokens the reply may have, as it is sent."""
        return self.call().body.get("max_tokens")

    @property
    def streams(self) -> bool:
        return self.spec.options.stream and self.learnt.stream

    @property
    def messages(self) -> tuple[Message, ...]:
        """The messages as they are sent."""
        return shaped(self.shape, self.asked)

    @property
    def asked(self) -> ModelRequest:
        """The request, with pictures only as names where the server has refused them."""
        if self.learnt.images or self.spec.options.images == "yes" or not self._shows:
            return self.request
        from lunalux_core.llm.servers.images import named_only

        return replace(self.request, messages=tuple(map(named_only, self.request.messages)))

    @property
    def _shows(self) -> bool:
        return any(message.pictures for message in self.request.messages)

    def _blind(self, status: int, body: bytes) -> bool:
        """Whether the server takes no pictures; from now on it is told what they are called."""
        if status in {401, 402, 403, 408, 429} or not self._shows or self.asked is not self.request:
            return False
        from lunalux_core.llm.servers.images import takes_none

        if self.spec.options.images == "yes":
            return False  # the person knows better: the refusal is told
        report = read_report(body, status, {})
        if self.failures.refusal(report).code in _FINAL:
            return False
        if not takes_none(f"{report.words} {report.message}", body):
            return False
        self.learnt.images = False
        self._changed = True
        return True

    @property
    def waits(self) -> Timeouts:
        """How long to wait; a reply in one piece is as long in coming as all its words."""
        own, usual = self.spec.options.timeout, self.timeouts
        first = own or (usual.first_token if self.streams else max(usual.first_token, ONE_PIECE_SECONDS))
        return replace(usual, first_token=first, between_tokens=max(usual.between_tokens, own))

    def amend(self, status: int, body: bytes) -> bool:
        if self._blind(status, body):
            return True
        # Of who asks, what is asked for, or when: no other form of the call changes these. 500 is kept: local
        # servers answer so when the model's template refuses the roles of the messages.
        if status in {401, 402, 403, 404, 408, 429} or status > 500:
            return False
        report = read_report(body, status, {})
        code = self.failures.refusal(report).code
        text = f"{report.words} {report.message}"
        if code in _FINAL:
            return False
        refusal = FieldRefusal.read(body)
        if self._unstreamed(report, refusal.blamed) or self._reshaped(text):
            self._changed = True
            return True
        # Fields are named in refusals of the request itself; a server in trouble (500) names whatever it
        # fell over.
        named = self.fields(refusal, report) if status in {400, 422} else set()
        self.learnt.refused |= named
        self._changed = self._changed or bool(named)
        return bool(named)

    def capped_at(self, most: int) -> bool:
        """Whether the reply was allowed more than `most` tokens, the server's limit; from now on it is not.

        A limit of 0 is none.
        """
        limit = self.asked_tokens()
        if not isinstance(limit, int) or not 0 < most < limit:
            return False
        self.learnt.most = most
        self._changed = True
        return True

    def proved(self) -> None:
        if self._changed:
            self._changed = False
            self.keep(self.learnt)

    def ended(self) -> None:  # noqa: B027  most protocols learn nothing from it
        """The reply has come to its end."""

    def _unstreamed(self, report: ServerReport, text: str) -> bool:
        """Whether the server does not stream; from now on it is asked for whole replies."""
        if not self.streams or not (_NO_STREAM.search(text) or report.param == "stream"):
            return False
        self.learnt.stream = False
        return True

    def _reshaped(self, text: str) -> bool:
        """Whether the messages had a form that the server does not take; they are given another."""
        if self.spec.options.post_process == "none":
            return False
        shape = self.shape.after(text, self.request.messages)
        if shape is None:
            return False
        if shape.user_last and not self.shape.user_last:
            self.learnt.prefill = "refused"
        self.learnt.shape = shape
        return True


class ServerModel(ABC):
    """A chat model behind a server. `key` may be empty for servers that want none."""

    exchange: ClassVar[type[ServerExchange]]

    def __init__(self, spec: ModelSpec, key: str = "", pool: HttpPool | None = None) -> None:
        """Raises InvalidInput: MODEL_URL_INVALID, MODEL_KEY_INVALID."""
        self._spec = spec
        self._base_url = self.address(spec.base_url)
        self._key = checked_key(key)
        self._pool = pool or HttpPool()
        self._failures = Failures(host_of(self._base_url), spec.model, self._key)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._spec.name!r})"

    @staticmethod
    @abstractmethod
    def address(url: str) -> str:
        """The base URL as people type it, made usable. Raises InvalidInput (MODEL_URL_INVALID)."""

    @abstractmethod
    def authorised(self, key: str) -> dict[str, str]:
        """The headers that carry the key."""

    def traced(self, request: ModelRequest) -> dict[str, str]:
        """The headers that name a request, where the protocol has any."""
        return {}

    @property
    def spec(self) -> ModelSpec:
        return self._spec

    @property
    def base_url(self) -> str:
        """The address of the API, as it is used."""
        return self._base_url

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta, None]:
        """See `ChatModel.stream`."""
        exchange = self._exchange(request)
        stop = self.stopping(request, exchange.kind)
        stops: tuple[str, ...] | None = None
        cuts: dict[int, StopCut] = {}
        async with stop, aclosing(stream_reply(self._pool, self._base_url, exchange)) as deltas:
            async for delta in deltas:
                if stops is None:  # not before: what the server takes is known once it replies
                    stops = exchange.unsent_stops
                if stops:
                    cut = cuts.setdefault(delta.choice, StopCut(stops))
                    delta = _cut(delta, cut)
                    if cut.over and request.choices == 1:  # closing the stream tells the server to stop
                        yield delta
                        yield replace(exchange.stopped(), shape=str(exchange.shape))
                        return
                if delta.finish is not None:
                    stop.pop_all()
                    exchange.ended()
                    speed = await self.speed(exchange.kind)
                    delta = replace(delta, shape=str(exchange.shape), speed=speed)
                yield delta

    async def speed(self, kind: ServerKind) -> float:
        """How many tokens a second the server wrote last, by its own account (KoboldCpp); 0 for others."""
        if kind != "koboldcpp":
            return 0.0
        told = await self.ask(f"{root_of(self._base_url)}/api/extra/perf", seconds=SPEED_SECONDS)
        perf = told if isinstance(told, dict) else {}
        numbers = [perf.get(name) for name in ("last_eval_speed", "last_token_count", "last_eval")]
        rate, tokens, seconds = (
            float(number) if isinstance(number, (int, float)) and number > 0 else 0.0 for number in numbers
        )
        return round(rate or (tokens / seconds if seconds else 0.0), 2)

    def stopping(self, request: ModelRequest, kind: ServerKind) -> AsyncExitStack:
        """What is done when a reply is left before its end: KoboldCpp writes on unless it is told to stop."""
        stack = AsyncExitStack()
        if kind == "koboldcpp":
            key = {"genkey": reply_key(request)}
            stack.callback(lambda: self._pool.beside(self._stop(key)))
        return stack

    async def _stop(self, key: Mapping[str, object]) -> None:
        await self.beside("api/extra/abort", key)

    def _exchange(self, request: ModelRequest) -> ServerExchange:
        knowledge, place = self._pool.knowledge, (self._base_url, self._spec.model)
        return self.exchange(
            self._failures,
            self._spec,
            request,
            self._base_url,
            {**self._headers(), **self.traced(request)},
            knowledge.of(*place),
            lambda learnt: knowledge.keep(*place, learnt),
            self._pool.timeouts,
            self._pool.sent(*place),
            self.kind_known,
        )

    @property
    def kind_known(self) -> ServerKind:
        """What the server is: as the person said, else as it said itself."""
        kind = kind_of(self._spec.provider, self._spec.base_url)
        facts = self.facts() if kind == "generic" else None
        # Ollama's own names are of another protocol than the one that is spoken here.
        return facts.kind if facts is not None and facts.kind != "ollama" else kind

    async def prefill(self) -> Prefill:
        """How the model goes on from a reply that was begun for it, as far as it is known.

        Raises:
            NetworkError, ProviderError: as for `stream`, where the server is asked.
        """
        return self._pool.knowledge.of(self._base_url, self._spec.model).prefill or "unknown"

    def call_of(self, request: ModelRequest) -> Call:
        """The call as it would be made now. Nothing is sent."""
        return self._exchange(request).call()

    def learnt(self) -> Learnt:
        """What the server has taught so far."""
        return self._pool.knowledge.of(self._base_url, self._spec.model)

    async def test(self) -> ModelTest:
        """One tiny completion, without what earlier refusals taught. Raises like `stream`."""
        self.forget()
        return await probe(self)

    def forget(self) -> None:
        """Forget what the server has taught, so that it is asked anew."""
        self._pool.knowledge.forget(self._base_url, self._spec.model)

    def facts(self) -> ServerFacts | None:
        """What the server said of itself and the model when it was last asked; None if it never was."""
        return self._pool.knowledge.facts(self._base_url, self._spec.model)

    async def look(self) -> ServerFacts | None:
        """Ask the server what it is, and keep that; None where nothing answers. Never raises for its sake."""
        from lunalux_core.llm.servers.recognition import recognised

        facts = await recognised(self)
        if facts is None:
            return None
        noted = self.facts()
        if noted is not None and noted.limit and not (facts.window and facts.window > noted.limit):
            facts = replace(facts, limit=noted.limit)
        self._pool.knowledge.keep_facts(self._base_url, self._spec.model, facts)
        return facts

    def learn_limit(self, window: int) -> None:
        """A refusal named the window: from now on no prompt is longer."""
        facts = self.facts() or ServerFacts()
        self._pool.knowledge.keep_facts(self._base_url, self._spec.model, replace(facts, limit=window))

    async def tell(self, path: str, body: Mapping[str, object], seconds: float) -> None:
        """Have the server do something, beside the API. Raises like `stream`."""
        call = Call(f"{root_of(self._base_url)}/{path}", self._headers(), body)
        said = await ask_bytes(self._pool, self._base_url, call, self._failures, seconds, method="POST")
        if b'"error"' in said[:4000]:  # told within a stream that began well
            raise self._failures.refusal(read_report(said.removeprefix(b"data:").strip(), None, {}))

    def failed_to_load(self) -> LunaluxError:
        """The server could not take the model into memory."""
        return self._failures.refusal(ServerReport("the model failed to load", "server_error"))

    def unreachable(self) -> LunaluxError:
        """Nothing answered when the server was asked what it is."""
        return self._failures.unreachable("no answer")

    async def beside(self, path: str, body: Mapping[str, object] | None = None) -> object:
        """As `ask`, of a path beside the API."""
        return await self.ask(f"{root_of(self._base_url)}/{path}", body)

    async def ask(
        self, url: str, body: Mapping[str, object] | None = None, seconds: float = ASK_SECONDS
    ) -> object:
        """A JSON document of the server; None where there is none, SILENT where nothing answers."""
        try:
            client = await self._pool.client(self._base_url)  # has imported httpx, beside the loop
        except LunaluxError:
            return SILENT
        import httpx

        method = "GET" if body is None else "POST"
        try:
            async with (
                asyncio.timeout(seconds),
                client.stream(method, url, headers=self._headers(), json=body) as answer,
            ):
                if answer.status_code != 200:
                    return None
                return json.loads(await read_all(answer, REPLY_LIMIT))
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL):
            return SILENT
        except (ValueError, RecursionError):
            return None

    async def listing(self, path: str, seconds: float = LIST_SECONDS) -> object:
        """A document of the server about its models. Raises like `stream`."""
        call = Call(f"{self._base_url}/{path}", self._headers(), {})
        return await ask_json(self._pool, self._base_url, call, self._failures, seconds)

    def _headers(self) -> dict[str, str]:
        headers = {"User-Agent": f"lunalux/{__version__}", "Accept-Encoding": "identity"}
        headers |= self.authorised(self._key) if self._key else {}
        return {**headers, **self._spec.options.headers}


def _cut(delta: Delta, cut: StopCut) -> Delta:
    """A step of a reply without what follows a stop string."""
    over = cut.over
    text = cut.feed(delta.text) if delta.text else ""
    if delta.finish is not None and not cut.over:
        text += cut.rest()
    finish = "stop" if over and delta.finish is not None else delta.finish
    return replace(delta, text=text, finish=finish)


def reply_key(request: ModelRequest) -> str:
    """By what KoboldCpp knows one reply from those of others, when it is told to stop it."""
    return "LUNA" + sha256((request.request_id or str(id(request))).encode()).hexdigest()[:8]


def root_of(base_url: str) -> str:
    """Where a server's own protocol is: beside the common one."""
    return base_url.removesuffix("/v1").removesuffix("/api")
