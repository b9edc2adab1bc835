"""Everything the routes use, built once by `embedded` or `aws` and closed by whoever asked for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lunalux_core.backend.accounts.erasure import Erasure
from lunalux_core.backend.accounts.identity import Identity
from lunalux_core.backend.accounts.sessions import Sessions
from lunalux_core.backend.market.listing import Listings
from lunalux_core.backend.market.ranking_schedule import Ranking
from lunalux_core.backend.market.reply_counts import Dialogues
from lunalux_core.backend.market.thumbnails import Thumbnailer
from lunalux_core.backend.market.uploads import Uploads
from lunalux_core.backend.market.wire_pages import Pages
from lunalux_core.backend.money.money import Money
from lunalux_core.backend.money.official_models import OfficialModels
from lunalux_core.backend.money.sweeper import Sweeper, SweepResult
from lunalux_core.backend.money.unwatched import Unwatched
from lunalux_core.backend.repos.activity import Activity
from lunalux_core.backend.repos.characters import Characters
from lunalux_core.backend.repos.coupons import Coupons
from lunalux_core.backend.repos.invites import Invites, Rewards
from lunalux_core.backend.repos.ledger import Ledgers
from lunalux_core.backend.repos.models import ModelConfigs
from lunalux_core.backend.repos.users import Users
from lunalux_core.backend.repos.wallets import Wallets
from lunalux_core.backend.running.backend_settings import BackendSettings
from lunalux_core.backend.running.chores import Chores
from lunalux_core.backend.running.logs import logger
from lunalux_core.backend.running.metrics import Metrics
from lunalux_core.backend.running.signatures import Signer
from lunalux_core.backend.running.traces import Traces
from lunalux_core.backend.storage.blobs import Blobs
from lunalux_core.backend.storage.sqlite import SqliteStore
from lunalux_core.backend.storage.table import Store
from lunalux_core.backend.storage.traced import TracedBlobs, TracedStore, plain_store
from lunalux_core.backend.web.limits import (
    FREE_REPLIES_AT_ONCE,
    MemoryLimiter,
    NoLimits,
    RateLimiter,
    Slots,
    StoredLimiter,
)
from lunalux_core.ids import now_ms as wall_clock
from lunalux_core.language import Language

UNMETERED = 1_000_000


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of one server. Nothing here is global, so that two servers can live in one process."""

    settings: BackendSettings
    store: Store
    blobs: Blobs
    identity: Identity
    signer: Signer
    sessions: Sessions
    limiter: RateLimiter
    free_slots: Slots
    called_off: MemoryLimiter | NoLimits
    unwatched: Unwatched
    users: Users
    wallets: Wallets
    ledgers: Ledgers
    invites: Invites
    coupons: Coupons
    models: ModelConfigs
    characters: Characters
    activity: Activity
    money: Money
    dialogues: Dialogues
    erasure: Erasure
    sweeper: Sweeper
    official: OfficialModels
    ranking: Ranking
    listings: Listings
    pages: Pages
    thumbnails: Thumbnailer
    metrics: Metrics
    traces: Traces
    chores: Chores
    now_ms: Callable[[], int]
    rank_on_request: bool
    """Whether requests rank by themselves (embedded) or a timer does (`serve` on AWS)."""

    def touched(self, lang: Language) -> None:
        """Something shown on a language's pages changed. One process reads its pages anew; many let them
        grow a few seconds old, so that a chat does not cost everybody's page."""
        if self.rank_on_request:
            self.listings.forget(lang)
        else:
            self.ranking.note_interest(lang)

    async def sweep(self) -> SweepResult:
        """One round of the sweep, and of what a store that does not expire rows by itself must drop."""
        swept = await self.sweeper.sweep()
        await self._swept(swept)
        return swept

    async def sweep_if_due(self, gap_s: float) -> None:
        """The same, unless another instance has done so within `gap_s`."""
        swept = await self.sweeper.sweep_if_due(gap_s)
        if swept is not None:
            await self._swept(swept)

    async def _swept(self, swept: SweepResult) -> None:
        store = plain_store(self.store)
        if isinstance(store, SqliteStore):
            await store.purge(self.now_ms() // 1000)
        logger.info("swept", extra=swept.figures())

    async def aclose(self) -> None:
        """Let go of files and connections; safe to call twice."""
        # First what still works, then what it works on.
        await self.unwatched.aclose()
        await self.dialogues.aclose()
        await self.official.close()
        await self.blobs.aclose()
        await self.store.aclose()
        await self.traces.aclose()


def assemble(
    settings: BackendSettings,
    store: Store,
    blobs: Blobs,
    identity: Identity,
    signer: Signer,
    *,
    rank_on_request: bool,
    shared_limits: bool = False,
    traces: Traces | None = None,
    now_ms: Callable[[], int] = wall_clock,
) -> Services:
    """Services over a store, blobs, an identity and a signer.

    Args:
        rank_on_request: rank as requests come by, instead of by a timer.
        shared_limits: count requests in the store, for several instances.
        traces: where spans go; by default as the settings say.
    """
    tables, metrics = settings.tables, Metrics(settings.metrics)
    traces = Traces(settings.traces) if traces is None else traces
    # Before anything below takes them, so that all of it is traced.
    if traces.enabled:
        store, blobs = TracedStore(store, traces), TracedBlobs(blobs, traces)
    ledgers = Ledgers(store, tables, now_ms)
    wallets = Wallets(store, tables, ledgers, now_ms)
    rewards = Rewards(
        settings.invited_reward_star,
        settings.invite_threshold,
        settings.invite_milestone_star,
        settings.invites_per_day,
    )
    invites = Invites(store, tables, ledgers, rewards, now_ms)
    listings = Listings(store, settings, signer, now_ms)
    ranking = Ranking(store, settings, now_ms, listings.forget)
    characters = Characters(store, tables, settings.ranking, now_ms, note_heat=ranking.note_heat)
    money = Money(store, tables, wallets, ledgers, now_ms, call_timeout_s=settings.providers.timeout_s)
    dialogues = Dialogues(store, tables, characters, settings.ranking, now_ms)
    limiter: RateLimiter = StoredLimiter(store, tables.user, now_ms) if shared_limits else MemoryLimiter()
    users = Users(store, tables, ledgers, invites, now_ms)
    sessions = Sessions(
        store,
        tables.user,
        signer,
        ttl_s=settings.session_ttl_s,
        cache_s=settings.session_cache_s,
        now_ms=now_ms,
    )
    erasure = Erasure(
        store, tables, users, characters, blobs, identity, sessions, now_ms, forget=listings.forget
    )
    return Services(
        settings=settings,
        store=store,
        blobs=blobs,
        identity=identity,
        signer=signer,
        sessions=sessions,
        limiter=limiter if settings.rate_limits else NoLimits(),
        free_slots=Slots(FREE_REPLIES_AT_ONCE if settings.rate_limits else UNMETERED),
        called_off=MemoryLimiter() if settings.rate_limits else NoLimits(),
        unwatched=Unwatched(),
        users=users,
        wallets=wallets,
        ledgers=ledgers,
        invites=invites,
        coupons=Coupons(store, tables, ledgers, now_ms),
        models=ModelConfigs(store, tables.model_config),
        characters=characters,
        activity=Activity(store, tables, characters, settings.ranking, now_ms, ttl_s=settings.liked_ttl_s),
        money=money,
        dialogues=dialogues,
        erasure=erasure,
        sweeper=Sweeper(
            store, tables, money, ledgers, dialogues, now_ms, erasure, Uploads(store, settings, blobs, now_ms)
        ),
        official=OfficialModels(settings.providers),
        ranking=ranking,
        listings=listings,
        pages=Pages(listings, blobs, settings, now_ms),
        thumbnails=Thumbnailer(),
        metrics=metrics,
        traces=traces,
        chores=Chores(now_ms, metrics),
        now_ms=now_ms,
        rank_on_request=rank_on_request,
    )
