"""The composition root: builds everything, closes everything, decides embedded or remote.

Construction is cheap. The database opens at once on its own thread; models, plug-ins, the client and
the regex engine are made on first use.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING

from lunalux_core.config.settings import Settings, load_settings
from lunalux_core.library import Library

if TYPE_CHECKING:
    import httpx

    from lunalux_core.account import Account
    from lunalux_core.chat.chat import Chat
    from lunalux_core.client.backend_client import BackendClient
    from lunalux_core.config.credentials import Credentials
    from lunalux_core.database import Connection
    from lunalux_core.dialogue.turn import Billed, Completion, Ready, TurnInput, TurnRequest, TurnResult
    from lunalux_core.dialogue.turn_input import TurnReader
    from lunalux_core.dialogue.workflow import Workflow
    from lunalux_core.display.display_cache import Displays
    from lunalux_core.errors import LunaluxError
    from lunalux_core.groups.director import Director
    from lunalux_core.language import Language
    from lunalux_core.library.profiles import Task
    from lunalux_core.llm.model import ChatModel, ModelSpec
    from lunalux_core.llm.model_prices import PriceList
    from lunalux_core.llm.model_registry import Offer, Registry
    from lunalux_core.llm.servers.pool import HttpPool
    from lunalux_core.market import Market
    from lunalux_core.memory.story_memory import Ranker
    from lunalux_core.memory.vector_ranking import VectorRanker
    from lunalux_core.memory.writer import MemoryWriter
    from lunalux_core.plugins.runner import Plugins
    from lunalux_core.regex.engine import EcmaEngine
    from lunalux_core.templates.template_values import Instruct
    from lunalux_core.trackers.keeper import TrackerKeeper


class Runtime:
    """One open library with all that works on it. Use `Runtime.open`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.paths = settings.paths
        self.problems: list[LunaluxError] = []
        """What a person should know though nothing failed; `on_problem` is told of each as it comes up."""
        self.on_problem: Callable[[LunaluxError], None] = lambda problem: None
        self.writes_memories = False
        """Whether memories are written in the background after replies: in programs that stay open."""
        self.library = Library(settings.paths)
        self._disconnect: Callable[[], Awaitable[None]] | None = None

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings | None = None) -> AsyncIterator[Runtime]:
        """Open the library; everything is closed at the end of the block."""
        runtime = cls(settings or load_settings())
        try:
            yield runtime
        finally:
            await runtime.close()

    def apply(self, settings: Settings) -> None:
        """Put changed settings in force; what was built from the old ones is built anew."""
        if settings.plugins != self.settings.plugins and "plugins" in self.__dict__:
            self.__dict__.pop("plugins").close()
        self.settings = settings
        for name in ("models", "reader"):
            self.__dict__.pop(name, None)

    async def first_start(self) -> bool:
        """Put the starter characters into a new library; False when that was done before."""
        if await self.library.state.get("starters_added"):
            return False
        from lunalux_core.importing import add_starters

        await add_starters(self.library, self.paths)
        await self.library.state.set("starters_added", True)
        return True

    @cached_property
    def chat(self) -> Chat:
        """What can be done in conversations: send, regenerate, edit, undo and so on."""
        from lunalux_core.chat.chat import Chat
        from lunalux_core.chat.turn_loop import TurnLoop

        loop = TurnLoop(self.library, lambda: self.dialogue_line, lambda: self.reply_line, self._billed)
        loop.on_turn, loop.on_turn_end = self._turn_begins, self._turn_ended
        chat = Chat(
            self.library, lambda: self.reader, loop, lambda: self.prompt_line, lambda: self.words_line
        )
        chat.rounds.director = lambda conversation_id: self.director.next_speaker(conversation_id)
        return chat

    @cached_property
    def credentials(self) -> Credentials:
        """Provider keys and the session token. A home of its own does not share the system's keyring."""
        import os

        from lunalux_core.config.credentials import Credentials

        return Credentials(
            self.paths.credentials, use_keyring=not os.environ.get("LUNALUX_HOME"), tell=self._notice
        )

    def _notice(self, problem: LunaluxError) -> None:
        self.problems.append(problem)
        self.on_problem(problem)

    @cached_property
    def models(self) -> Registry:
        """The models a person can choose."""
        import os

        from lunalux_core.llm.model_registry import Registry, saved_specs

        def official(spec: ModelSpec) -> ChatModel:
            from lunalux_core.client.official_model import OfficialModel

            return OfficialModel(self.client, spec, self.account, self.library.cache)

        return Registry(
            saved_specs(self.settings.models.values()),
            key=lambda name: self.credentials.get(name),
            environ=os.environ,
            official=official,
            offers=self._plugin_models(),
            pool=self._pool,
            prices=self._prices,
        )

    @cached_property
    def _prices(self) -> PriceList:
        from lunalux_core.llm.model_prices import PriceList

        return PriceList(self.paths.cache / "prices.json")

    @cached_property
    def _pool(self) -> HttpPool:
        """The connections to model servers, and what was learnt of them: the same under all settings."""
        from lunalux_core.llm.servers.pool import HttpPool

        return HttpPool(learnt=self.paths.learnt, tokens=self.paths.cache / "tokens")

    @cached_property
    def client(self) -> BackendClient:
        """The backend, remote or in this process; connected on the first request."""
        from lunalux_core.client.backend_client import BackendClient
        from lunalux_core.client.backend_exchange import BackendExchange

        exchange = BackendExchange(
            self._connect,
            lambda: self.account.session.key,
            lambda used, code: self.account.refused(used, code),
            lambda key: self.account.session.renew(key),
        )
        return BackendClient(exchange)

    async def _connect(self) -> httpx.AsyncClient:
        from lunalux_core.client.transport import connect

        client, self._disconnect = await connect(self.settings)
        return client

    @cached_property
    def account(self) -> Account:
        """The account. Where people sign in with a user pool, no local one is made."""
        import os

        from lunalux_core.account import Account

        return Account(
            lambda: self.client,
            self.library.cache,
            lambda: self.credentials,
            embedded=not self.settings.api_url and not os.environ.get("COGNITO_USER_POOL_ID"),
            place=self.place,
        )

    @cached_property
    def market(self) -> Market:
        from lunalux_core.library.market_cache import MarketCache
        from lunalux_core.market import Market

        shelf = MarketCache(self.paths.cache / "market.db", self.place)
        return Market(self.library, self.paths, shelf, lambda: self.client, lambda: self.account)

    @property
    def place(self) -> str:
        """Which backend: its address, or what the embedded one keeps its data in."""
        return self.settings.api_url.rstrip("/") or self.settings.storage

    @cached_property
    def plugins(self) -> Plugins:
        from lunalux_core.plugins.runner import Plugins

        return Plugins(self.paths.plugins, self.settings.plugins)

    def _plugin_models(self) -> list[Offer]:
        if not self.settings.plugins:
            return []
        from lunalux_core.plugins.plugin_models import offers

        return offers(self.plugins)

    @cached_property
    def engine(self) -> EcmaEngine:
        """The worker process for regular expressions of cards and lorebooks."""
        from lunalux_core.regex.engine import EcmaEngine

        return EcmaEngine()

    @cached_property
    def reader(self) -> TurnReader:
        from lunalux_core.dialogue.turn_input import TurnReader

        return TurnReader(self.settings, lambda: self.models, lambda: self.engine)

    @cached_property
    def displays(self) -> Displays:
        """How messages are to be shown."""
        from lunalux_core.display.display_cache import Displays

        return Displays(self.library.database, lambda: self.reader, lambda: self.engine)

    @cached_property
    def prompt_line(self) -> Workflow[TurnInput, Ready]:
        from lunalux_core.dialogue.node_order import prompt_line

        return prompt_line(lambda: self.models, self.engine, lambda: self.plugins, self._rankers)

    @cached_property
    def words_line(self) -> Workflow[TurnInput, TurnRequest]:
        from lunalux_core.dialogue.node_order import words_line

        return words_line(self.engine, lambda: self.plugins)

    @cached_property
    def reply_line(self) -> Workflow[Completion, TurnResult]:
        from lunalux_core.dialogue.node_order import reply_line

        return reply_line(lambda: self.models, self.engine, lambda: self.plugins)

    @cached_property
    def dialogue_line(self) -> Workflow[TurnInput, TurnResult]:
        from lunalux_core.dialogue.node_order import dialogue_line

        return dialogue_line(lambda: self.models, self.engine, lambda: self.plugins, self._rankers)

    @cached_property
    def vectors(self) -> VectorRanker:
        """Closeness of memories by an embedding server, where the person names one."""
        from lunalux_core.memory.vector_ranking import VectorRanker

        return VectorRanker(self.library.database, lambda: self.settings)

    def _rankers(self) -> Sequence[Ranker]:
        return (self.vectors,) if self.settings.vectors_server else ()

    @cached_property
    def memory_writer(self) -> MemoryWriter:
        """What writes memories; after replies by itself only while `writes_memories` is on."""
        from lunalux_core.memory.writer import MemoryWriter

        writer = MemoryWriter(
            self.library,
            lambda: self.settings,
            lambda: self.models,
            self._writing_model,
            self._replying_model,
            self.charged,
            self._form_of,
        )
        writer.on_written = lambda conversation_id: self.trackers.nudge(conversation_id, "memory")
        return writer

    @cached_property
    def trackers(self) -> TrackerKeeper:
        """What revises trackers; after replies by itself only while `writes_memories` is on."""
        from lunalux_core.trackers.keeper import TrackerKeeper

        return TrackerKeeper(
            self.library,
            lambda: self.settings,
            lambda: self.models,
            lambda conversation_id: self._model_of(conversation_id, "tracker"),
            self.charged,
            self._form_of,
            lambda conversation_id, model: self.memory_writer.on_question(conversation_id, model),
        )

    @cached_property
    def director(self) -> Director:
        """What names the next speaker in groups that leave it to a model."""
        from lunalux_core.groups.director import Director

        return Director(
            self.library,
            lambda: self.models,
            lambda conversation_id: self._model_of(conversation_id, "director"),
            self.charged,
            lambda: self.settings.lang,
        )

    def _writing_model(self, connection: Connection, conversation_id: str) -> ModelSpec:
        """The model for memories: the setting's, the task's profile's, else the one that replies there."""
        return self._model_in(connection, conversation_id, self.settings.memory_model, "memory")

    async def _form_of(self, spec: ModelSpec, language: Language) -> Instruct | None:
        """The sequences of the template that a model of text completion takes."""
        from lunalux_core.dialogue.nodes.text_template import template_of
        from lunalux_core.errors import LunaluxError
        from lunalux_core.library.templates import load_templates

        stored = await self.library.database.read(load_templates)
        with suppress(LunaluxError):  # none fits, or its server is away: the request itself tells that
            return (await template_of(spec, stored, language, lambda: self.models, self.engine)).instruct
        return None

    def _replying_model(self, connection: Connection, conversation_id: str) -> ModelSpec:
        return self._model_in(connection, conversation_id, "", None)

    def _model_in(
        self, connection: Connection, conversation_id: str, named: str, task: Task | None
    ) -> ModelSpec:
        from lunalux_core.dialogue.turn import TurnOptions
        from lunalux_core.library.conversations import load_conversation

        place = load_conversation(connection, conversation_id)
        return self.reader.choice(connection, place, TurnOptions(model=named), task=task).model

    async def _model_of(self, conversation_id: str, task: Task) -> ModelSpec:
        """The model for a task: its profile's, else the one that replies there."""
        return await self.library.database.read(lambda c: self._model_in(c, conversation_id, "", task))

    def _turn_begins(self) -> None:
        for name in ("memory_writer", "trackers"):
            if name in self.__dict__:
                getattr(self, name).give_way()

    def _turn_ended(self, turn: TurnInput) -> None:
        if self.writes_memories:
            self.memory_writer.nudge(turn.conversation.id)
            # Most chats have no trackers. One that was made since the turn began was made in a pane that has
            # opened the keeper.
            if turn.trackers or "trackers" in self.__dict__:
                self.trackers.nudge(turn.conversation.id)

    async def catch_up(self, conversation_id: str, seconds: float) -> None:
        """After a turn of a program that ends with it: write the memories and revise the trackers that are
        due. What is not done in time stays due, and is found again by the next program that looks.
        """
        import asyncio

        self.memory_writer.nudge(conversation_id)
        self.trackers.nudge(conversation_id)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.memory_writer.settled(conversation_id)
                await self.trackers.settled(conversation_id)

    async def charged(self, billing: Mapping[str, object]) -> None:
        """Follow what the gateway said about coins for a request beside the replies."""
        wallet, ledger = billing.get("wallet"), billing.get("ledgerSummary")
        if isinstance(wallet, dict):
            await self.account.wallet.billed(wallet, ledger if isinstance(ledger, dict) else None)

    async def _billed(self, bill: Billed) -> None:
        await self.account.wallet.billed(bill.wallet, bill.ledger)

    async def close(self) -> None:
        """Close what was opened, in reverse order."""
        for name in ("memory_writer", "trackers", "vectors"):
            if name in self.__dict__:
                await getattr(self, name).close()
        if "plugins" in self.__dict__:
            self.plugins.close()
        if "market" in self.__dict__:
            self.market.close()
        if "_pool" in self.__dict__:
            await self._pool.aclose()
        if "client" in self.__dict__:
            await self.client.aclose()
        if self._disconnect is not None:
            await self._disconnect()
        if "engine" in self.__dict__:
            self.engine.close()
        self.library.close()
