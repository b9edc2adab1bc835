"""A home with a market on disk and the real app over it; no backend answers at its address."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from chat_world import settle
from chat_world import until as until
from textual.pilot import Pilot

from lunalux_core.config.paths import Paths
from lunalux_core.config.settings import load_settings
from lunalux_core.ids import now_ms
from lunalux_core.language import Language
from lunalux_core.library.market_cache import MarketCache, Sort
from lunalux_core.runtime import Runtime
from lunalux_tui.app.app import LunaluxApp
from lunalux_tui.app.first_frame import read_opening
from lunalux_tui.market.screen import MarketScreen

NOWHERE = "http://127.0.0.1:9"
HOUR = 3_600_000


def item(number: int, name: str, intro: str = "", tags: Iterable[str] = (), **rest: Any) -> dict[str, Any]:
    """One card as the wire has it."""
    return {
        "id": f"{number:04d}-card",
        "name": name,
        "intro": intro,
        "tags": list(tags),
        "thumbnailUrl": "",
        "likedCount": number,
        "downloadCount": number * 10,
        "totalCoinUsed": 0,
        **rest,
    }


async def stock(
    paths: Paths,
    lists: Mapping[tuple[Language, Sort], list[dict[str, Any]]],
    *,
    place: str = NOWHERE,
    clock: Callable[[], int] | None = None,
) -> None:
    """Put lists on disk as a fetch would have, one hour good."""
    paths.cache.mkdir(parents=True, exist_ok=True)
    shelf = MarketCache(paths.cache / "market.db", place, *([clock] if clock else []))
    try:
        for (lang, sort), items in lists.items():
            await shelf.replace(lang, sort, items, HOUR, None)
    finally:
        shelf.close()


ACCOUNT: Mapping[str, Any] = {
    "status": "signed_in",
    "user_id": "7f3a9c1e",
    "email": "mirelle@example.org",
    "username": "Mirelle_77",
    "wallet": {"luxLevel": 1, "starCoin": 240, "lunaCoin": 62},
    "ledger": {
        "totalStarCoinGain": 650,
        "totalStarCoinUsed": 410,
        "totalLunaCoinGain": 100,
        "totalLunaCoinUsed": 38,
    },
    "invite": {
        "inviteCode": "K7WD2M",
        "totalInvites": 8,
        "unissuedRewardCount": 3,
        "threshold": 5,
        "milestoneRewardStar": 50,
    },
}


async def signed_in(paths: Paths, *, place: str = NOWHERE, session: bool = True, **changes: Any) -> None:
    """A session (unless it is gone) and the account as it was fetched three hours ago."""
    account = {**ACCOUNT, "fetched_at": now_ms() - 3 * HOUR, **changes}
    async with Runtime.open(load_settings()) as runtime:
        if session:
            kept = {"userId": account["user_id"], "token": "kept", "issuedAt": now_ms()}
            runtime.credentials.set(f"session:{place}", json.dumps(kept))
        await runtime.library.cache.put(f"account:{place}", account, 365 * 24 * HOUR)


@asynccontextmanager
async def running(size: tuple[int, int] = (100, 30)) -> AsyncIterator[tuple[LunaluxApp, Pilot[None]]]:
    """The app on its first screen."""
    async with Runtime.open(load_settings()) as runtime:
        app = LunaluxApp(runtime, await read_opening(runtime))
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            yield app, pilot


@asynccontextmanager
async def market(size: tuple[int, int] = (100, 30)) -> AsyncIterator[tuple[MarketScreen, Pilot[None]]]:
    """The market screen with its list shown and its refresh through."""
    async with running(size) as (app, pilot):
        app.action_go("market")
        await until(pilot, lambda: isinstance(app.screen, MarketScreen) and app.screen.shown is not None)
        screen = app.screen
        assert isinstance(screen, MarketScreen)
        await until(pilot, lambda: not screen.head.fetching)
        yield screen, pilot


async def names(screen: MarketScreen, pilot: Pilot[None], words: str | None = None) -> list[str]:
    """The names in the grid, once it shows what is asked for now."""
    if words is not None:
        screen.field.value = words
    await settle(pilot)  # a key may still be on its way to what it changes
    now = (screen.lang, screen.sort, screen.filters, screen.field.value)
    await until(pilot, lambda: screen.shown == now)
    return [card.name for card in screen.grid.cards]


def frame(app: Any) -> str:
    """What stands on the screen now, line by line."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)
