"""What models behind a server have in common, whichever protocol they speak: who they are, one call of
theirs, and what of such a call the server has refused so far."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import ClassVar

from lunalux_core import __version__
from lunalux_core.llm.failures import Failures
from lunalux_core.llm.http import Call, get_json, stream_reply
from lunalux_core.llm.model import Delta, ModelRequest, ModelSpec
from lunalux_core.llm.pool import HttpPool, checked_key, host_of
from lunalux_core.llm.probe import ModelTest, probe
from lunalux_core.llm.reply import ReplyDecoder

LIST_SECONDS = 15


@dataclass(slots=True)
class ServerExchange(ABC):
    """One call; see `http.Exchange`. `refused` names the fields the server would not take, and outlives the
    call."""

    failures: Failures
    spec: ModelSpec
    request: ModelRequest
    base_url: str
    headers: Mapping[str, str]
    refused: set[str]

    @abstractmethod
    def call(self) -> Call: ...

    @abstractmethod
    def decoder(self) -> ReplyDecoder: ...

    @abstractmethod
    def refuses(self, body: bytes) -> set[str]:
        """The fields that a refusal (400 or 422) names, of those that were sent and can be done without."""

    def amend(self, body: bytes) -> bool:
        named = self.refuses(body)
        self.refused |= named
        return bool(named)


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

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta, None]:
        """See `ChatModel.stream`."""
        refused = self._pool.refused_fields.setdefault((self._base_url, self._spec.model), set())
        headers = {**self._headers(), **self.traced(request)}
        exchange = self.exchange(self._failures, self._spec, request, self._base_url, headers, refused)
        async with aclosing(stream_reply(self._pool, self._base_url, exchange)) as deltas:
            async for delta in deltas:
                yield delta

    async def test(self) -> ModelTest:
        """One tiny completion. Raises like `stream`."""
        return await probe(self)

    async def listing(self, path: str, seconds: float = LIST_SECONDS) -> object:
        """A document of the server about its models. Raises like `stream`."""
        url = f"{self._base_url}/{path}"
        return await get_json(self._pool, self._base_url, url, self._headers(), self._failures, seconds)

    def _headers(self) -> dict[str, str]:
        headers = {"User-Agent": f"lunalux/{__version__}", "Accept-Encoding": "identity"}
        return {**headers, **self.authorised(self._key)} if self._key else headers
