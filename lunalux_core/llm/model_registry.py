"""The models a person can choose: saved ones, the environment's, plug-ins', local ones, and practice.

Without I/O of its own: keys come from a function, variables from a mapping, and the gateway and plug-ins
bring functions that open their models. So the same names mean the same in the app, on the command line
and in a test.
"""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from lunalux_core.errors import InvalidInput, LunaluxError, NotFound
from lunalux_core.llm.model import ENVIRONMENT_KEY, SERVERLESS, USUAL_WINDOW, ChatModel, ModelSpec, Prefill
from lunalux_core.llm.parameters import HOMES, sampling_of
from lunalux_core.llm.practice.practice_model import PRACTICE, PracticeModel, practice_rate
from lunalux_core.llm.servers.pool import HttpPool, is_near

if TYPE_CHECKING:
    from lunalux_core.config.settings import SavedModel
    from lunalux_core.llm.model import ModelRequest, Usage
    from lunalux_core.llm.model_prices import PriceList, Prices
    from lunalux_core.llm.model_servers import ModelServers
    from lunalux_core.llm.servers.facts import ServerFacts
    from lunalux_core.llm.servers.http_call import Call
    from lunalux_core.llm.servers.learnt_refusals import Learnt
    from lunalux_core.llm.servers.server_model import ServerModel
    from lunalux_core.llm.token_counts import TokenCounts

ModelOpener = Callable[[ModelSpec], ChatModel]
LOOK_AGAIN, LOOK_AGAIN_FAR = 10, 6 * 3600
"""Seconds after which a server is asked again what it is: one near by, and one that is paid for."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A model that somebody else opens: a plug-in's."""

    spec: ModelSpec
    open: ModelOpener


class Registry:
    """Names to models. Owns the connections of the models it opened; close it with `aclose`.

    Args:
        saved: the saved configurations.
        key: gives a stored credential by name, None when there is none.
        environ: OPENAI_API_KEY, OPENAI_BASE_URL, ANTHROPIC_API_KEY, ANTHROPIC_BASE_URL, GEMINI_API_KEY and
            LUNALUX_PRACTICE_RATE are read.
        official: opens a model of the billed gateway; None where there is no gateway.
        offers: models of plug-ins.
        pool: connections to share; by default the registry makes its own.
        prices: what hosted models cost; None where nobody asks for it.
    """

    def __init__(
        self,
        saved: Iterable[ModelSpec] = (),
        *,
        key: Callable[[str], str | None] = lambda name: None,
        environ: Mapping[str, str] = os.environ,
        official: ModelOpener | None = None,
        offers: Iterable[Offer] = (),
        pool: HttpPool | None = None,
        prices: PriceList | None = None,
    ) -> None:
        self._saved = {spec.name: spec for spec in saved}
        self._offers = {offer.spec.name: offer for offer in offers}
        self._key = key
        self._environ = environ
        self._official = official
        self._pool = pool or HttpPool()
        self._prices = prices
        self._looked: dict[tuple[str, str], float] = {}
        self._changed: dict[tuple[str, str], tuple[str, str]] = {}

    @cached_property
    def _servers(self) -> ModelServers:
        # Deferred: most commands resolve a model without ever opening one.
        from lunalux_core.llm.model_servers import ModelServers

        return ModelServers(self._key, self._environ, self._pool)

    def specs(self) -> tuple[ModelSpec, ...]:
        """Every model that can be named without asking a server: saved, plug-ins', practice."""
        specs = {"practice": PRACTICE, **{name: offer.spec for name, offer in self._offers.items()}}
        return (*self._saved.values(), *(spec for name, spec in specs.items() if name not in self._saved))

    def connections(self) -> tuple[ModelSpec, ...]:
        """Servers that the environment has a key or an address for, as specs without a model.

        `models_of` lists what they have; `resolve(f"{spec.name}{model}")` chooses one.
        """
        return self._servers.connections()

    def resolve(self, name: str) -> ModelSpec:
        """The model called `name`: saved NAME, `openai:MODEL`, `anthropic:MODEL`, `gemini:MODEL`,
        `official:MODEL_ID`, `practice`, a plug-in's, or `ollama:MODEL` and the like for local servers.

        Raises:
            NotFound: MODEL_UNKNOWN.
        """
        name = name.strip()
        for spec in self.specs():
            if spec.name == name:
                return spec
        prefix, _, model = name.partition(":")
        if model and prefix in {"openai", "anthropic", "gemini"}:
            return self._servers.from_environment(prefix, model)
        if model and prefix == "official":
            return ModelSpec(name, "official", model)
        kind, _, port = prefix.partition("@")
        if model and (not port or (port.isascii() and port.isdecimal())):
            from lunalux_core.llm.servers.local import LOCAL_SERVERS

            if (server := LOCAL_SERVERS.get(kind)) is not None:
                return (server.on(int(port)) if port else server).model(model)
        raise self._unknown(name)

    def named(self, name: str) -> ModelSpec:
        """The model that a person calls so: as `resolve`, else the only one whose name begins with it or has
        it as a word, in any case. For names as they are typed; a stored name is taken as a whole, so that a
        model which was removed does not become another.

        Raises:
            NotFound: MODEL_UNKNOWN, with the nearest names.
        """
        from lunalux_core.library.name_lookup import NamedReference, find_named

        try:
            return self.resolve(name)
        except NotFound:
            close = find_named([NamedReference(spec.name, spec.name) for spec in self.specs()], name)
            if close is None:
                raise
            return self.resolve(close.name)

    def open(self, spec: ModelSpec) -> ChatModel:
        """A model ready to talk; no connection is made yet.

        Raises:
            InvalidInput: MODEL_KEY_MISSING, MODEL_KEY_INVALID, MODEL_URL_INVALID.
            NotFound: MODEL_UNKNOWN, an official model where there is no gateway.
        """
        offer = self._offers.get(spec.name)
        # A saved model may have the same name, and goes before it.
        if offer and offer.spec == spec:
            return offer.open(spec)
        match spec.provider:
            case "practice":
                return PracticeModel(practice_rate(self._environ), spec)
            case "official":
                if self._official is None:
                    raise self._unknown(spec.name)
                return self._official(spec)
            case "plugin":  # one whose plug-in is not running
                raise self._unknown(spec.name)
            case _:
                return self._servers.open(spec)

    def _unknown(self, name: str) -> NotFound:
        from lunalux_core.library.name_lookup import missing

        # A name with a colon means a server: how those are written helps more than the names of saved models.
        return missing(
            "MODEL_UNKNOWN",
            f"There is no model called {name!r}.",
            "`lunalux model list` shows them; openai:MODEL, anthropic:MODEL, gemini:MODEL, official:ID "
            "and practice work too.",
            name,
            [spec.name for spec in self.specs() if ":" not in name and spec.name != name],
        )

    def call_of(self, spec: ModelSpec, request: ModelRequest) -> Call:
        """The HTTP call that this request would be, made with a model that may still lack its key.

        Raises:
            InvalidInput: REQUEST_NOT_HTTP, the model is asked otherwise; else as `open`.
        """
        from lunalux_core.llm.servers.server_model import ServerModel

        opened = None
        if spec.provider not in SERVERLESS:
            opened = self._servers.open(spec, keyless=True)
        if not isinstance(opened, ServerModel):
            raise InvalidInput(
                "REQUEST_NOT_HTTP",
                f"The model {spec.name} is asked without a request that could be shown.",
                "Choose a model on a server of your own with --model; --show-prompt works for every model.",
                model=spec.name,
            )
        return opened.call_of(request)

    def learnt(self, spec: ModelSpec) -> Learnt | None:
        """What the model's server has taught so far; None for models without a server."""
        from lunalux_core.llm.servers.server_model import ServerModel

        if spec.provider in SERVERLESS:
            return None
        opened = self._servers.open(spec, keyless=True)
        return opened.learnt() if isinstance(opened, ServerModel) else None

    def facts(self, spec: ModelSpec) -> ServerFacts | None:
        """What the model's server said of itself when it was last asked; None where none was."""
        opened = self._asked(spec)
        return opened.facts() if opened is not None else None

    async def look(self, spec: ModelSpec) -> ServerFacts | None:
        """Ask the model's server what it is, and keep that; None where there is none or it is silent.

        Never raises for the server's sake: the call itself will tell what is wrong.
        """
        opened = self._asked(spec)
        return await opened.look() if opened is not None else None

    def counts(self, spec: ModelSpec) -> TokenCounts | None:
        """What the model's server has counted so far; None where it counts nothing for others."""
        facts = self.facts(spec)
        opened = self._asked(spec) if facts is not None and facts.counts else None
        if opened is None or facts is None:
            return None
        return self._pool.counts(opened.base_url, f"{spec.model} {facts.loaded}")

    async def _count_beside(self, opened: ServerModel) -> None:
        from lunalux_core.llm.servers.tokenizer_counts import count_noted

        facts, counts = opened.facts(), self.counts(opened.spec)
        if facts is not None and counts is not None and counts.noted:
            try:
                await count_noted(opened, facts.kind, counts)
            finally:  # also what was counted before the program ended
                await asyncio.to_thread(counts.store)

    async def load(self, spec: ModelSpec, loaded: bool = True) -> ServerFacts | None:
        """Have the model's server take it into memory, or (not `loaded`) out of it; what it says then.

        Raises:
            InvalidInput: MODEL_NOT_LOADABLE, MODEL_KEY_MISSING and others of `open`.
            NetworkError, ProviderError: the server cannot be reached, or refuses.
        """
        from lunalux_core.llm.servers.model_load import load, unload

        if self._asked(spec) is None:
            raise _not_loadable(spec)
        opened = self._servers.open(spec)
        facts = await opened.look()
        if facts is None:
            raise opened.unreachable()
        await (load(opened, facts) if loaded else unload(opened, facts))
        return await opened.look()

    def gives_several(self, spec: ModelSpec) -> bool:
        """Whether the model's server may give several replies to one request."""
        from lunalux_core.llm.parameters import PARAMETERS, kind_of

        if self._serverless(spec) or spec.mode != "chat":
            return False
        kind = kind_of(spec.provider, spec.base_url)
        learnt = self.learnt(spec)
        offered = kind != "gemini" and kind in PARAMETERS["n"].wire
        return offered and (learnt is None or "n" not in learnt.refused)

    def takes_pictures(self, spec: ModelSpec) -> bool:
        """Whether a model is sent pictures: as the person says, else unless its server is known to take none.

        A server that says nothing is sent them, and a refusal teaches.
        """
        if self._serverless(spec) or spec.mode != "chat" or spec.options.images:
            return spec.options.images == "yes" and spec.mode == "chat" and not self._serverless(spec)
        opened = self._asked(spec)
        if opened is None or not opened.learnt().images:
            return False
        facts = opened.facts()
        return facts is None or not facts.tells_modalities or "vision" in facts.modalities

    async def prices(self, spec: ModelSpec) -> Prices | None:
        """What the model's tokens cost: the person's numbers, else the server's, else a list's."""
        if spec.options.price is None and self._serverless(spec):
            return None
        from lunalux_core.llm.model_prices import Prices

        if spec.options.price is not None:
            return Prices(*spec.options.price, "person")
        facts = self.facts(spec)
        if facts is not None and facts.prices is not None:
            return Prices(*facts.prices, "openrouter")
        return await self._prices.find(spec) if self._prices is not None else None

    async def cost(self, spec: ModelSpec, usage: Usage) -> dict[str, object] | None:
        """What a call cost, as far as the prices of its model are known (`model_prices.cost_of`)."""
        prices = await self.prices(spec)
        if prices is None and usage.cost is None:
            return None
        from lunalux_core.llm.model_prices import cost_of

        return cost_of(usage, prices)

    def refresh(self, spec: ModelSpec, *, near: bool = False) -> None:
        """Ask the model's server again what it is, unless that was done a moment ago, and have it count the
        texts that it has not counted yet; both beside everything else. `near`: only one on this machine or in
        the network around it."""
        try:
            opened = self._servers.open(spec) if self._asked(spec) is not None else None
        except InvalidInput:  # the call itself will tell that the key is missing
            opened = None
        if opened is None or (near and not is_near(opened.base_url)):
            return
        place, now = (opened.base_url, spec.model), time.monotonic()
        wait = LOOK_AGAIN if is_near(opened.base_url) else LOOK_AGAIN_FAR
        if now - self._looked.get(place, -math.inf) >= wait:
            self._looked[place] = now
            self._pool.beside(self._look_beside(opened))
        self._pool.beside(self._count_beside(opened))

    async def _look_beside(self, opened: ServerModel) -> None:
        before = opened.facts()
        now = await opened.look()
        if before is not None and now is not None and before.loaded and now.loaded != before.loaded:
            self._changed[(opened.base_url, opened.spec.model)] = (before.loaded, now.loaded)

    def model_changed(self, spec: ModelSpec) -> tuple[str, str] | None:
        """The model that the server had in memory and the one it has now, once after it changed; the new one
        is "" where there is none."""
        opened = self._asked(spec)
        return self._changed.pop((opened.base_url, spec.model), None) if opened is not None else None

    def learn_limit(self, spec: ModelSpec, window: int) -> None:
        """The model's server refused a prompt and named its window."""
        opened = self._asked(spec)
        if opened is not None:
            opened.learn_limit(window)

    def windowed(self, spec: ModelSpec) -> ModelSpec:
        """The model with its window as it really is: the person's own number before the server's, that before
        the usual one; never more than a refusal has named."""
        facts = self.facts(spec)
        if facts is None:
            return spec
        if facts.window and spec.window_source != "person":
            spec = replace(spec, context_tokens=facts.window, window_source="server")
        if facts.limit and facts.limit < spec.context_tokens:
            spec = replace(spec, context_tokens=facts.limit, window_source="server")
        return spec

    def _serverless(self, spec: ModelSpec) -> bool:
        """Whether a model is none on a server of the person's own: also one that a plug-in offers."""
        return spec.provider in SERVERLESS or spec.name in self._offers

    def _asked(self, spec: ModelSpec) -> ServerModel | None:
        """The model on its server, None for one that has none or whose address is wrong."""
        if self._serverless(spec):
            return None
        try:
            return self._servers.open(spec, keyless=True)
        except InvalidInput:
            return None

    async def prefill(self, spec: ModelSpec) -> Prefill:
        """How a model goes on from a reply that was begun for it, as far as it is known; never raises."""
        if spec.options.prefill or self._serverless(spec):
            return spec.options.prefill or "unknown"
        try:
            return await self._servers.open(spec).prefill()
        except LunaluxError:  # the call itself will tell what is wrong
            return "unknown"

    async def models_of(self, spec: ModelSpec) -> tuple[str, ...]:
        """The names of the models on the spec's server; its own model for practice and the gateway.

        Raises:
            NetworkError, ProviderError, InvalidInput: as `ChatModel.stream` and `open`.
        """
        if self._serverless(spec):
            return (spec.model,)
        return await self._servers.open(spec).models()

    async def aclose(self) -> None:
        """Close the connections. The registry may be used again afterwards."""
        await self._pool.aclose()


def saved_specs(configs: Iterable[SavedModel]) -> tuple[ModelSpec, ...]:
    """The saved configurations of the settings as specs (`[models.NAME]` in config.toml)."""
    return tuple(
        ModelSpec(
            config.name,
            config.provider,
            config.model,
            config.base_url or HOMES.get(config.provider, ""),
            ENVIRONMENT_KEY + config.key_env if config.key_env else credential_name(config.name),
            sampling_of(config.sampling),
            config.context_tokens or USUAL_WINDOW,
            options=config.options,
            mode=config.mode,
            template=config.template,
            window_source="person" if config.context_tokens else "default",
        )
        for config in configs
    )


def credential_name(name: str) -> str:
    """The name under which the key of the saved model `name` is stored."""
    return f"model:{name}"


def _not_loadable(spec: ModelSpec) -> InvalidInput:
    return InvalidInput(
        "MODEL_NOT_LOADABLE",
        f"The server of {spec.name} does not load or unload models when it is told to.",
        "Only models on a server of your own can be loaded and unloaded.",
        model=spec.name,
    )
