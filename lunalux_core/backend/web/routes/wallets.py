"""Balances, totals, and history.

See docs/spec/backend.md: HTTP API, Money rules.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from lunalux_core.backend.repos.ledger import no_wallet
from lunalux_core.backend.running.backend_settings import DAY_SECONDS
from lunalux_core.backend.running.signatures import Cursor
from lunalux_core.backend.web.http import CurrentServices, CurrentSession
from lunalux_core.backend.web.openapi_examples import SESSION, answers
from lunalux_core.backend.web.refusals import refuse
from lunalux_core.wire.users import HistoryResponse, Ledger, LedgerResponse, Movement, Wallet, WalletResponse

router = APIRouter(prefix="/api", tags=["wallet"])


@router.get("/wallet/me", responses=answers(*SESSION, "WALLET_NOT_FOUND"))
async def wallet(session: CurrentSession, services: CurrentServices) -> WalletResponse:
    """The wallet, after giving back what a crashed request may have left reserved."""
    await services.money.sweep_user(session.user_id)
    return WalletResponse(wallet=Wallet.of(await services.wallets.require(session.user_id)))


@router.get("/ledger/summary/me", responses=answers(*SESSION, "WALLET_NOT_FOUND"))
async def ledger(session: CurrentSession, services: CurrentServices) -> LedgerResponse:
    """The totals; made from the balance where they are missing."""
    totals = await services.ledgers.require(session.user_id)
    if totals is None:
        raise no_wallet()
    return LedgerResponse(ledger=Ledger.of(totals))


@router.get("/ledger/history/me", responses=answers(*SESSION), response_model_exclude_none=True)
async def history(
    session: CurrentSession,
    services: CurrentServices,
    cursor: Annotated[str | None, Query(max_length=4096)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> HistoryResponse:
    """The movements of one's coins, newest first."""
    now_s = services.now_ms() // 1000
    after = None
    if cursor is not None:
        cursor_in = Cursor.open(
            services.signer, cursor, listing="history", scope=session.user_id, now_s=now_s
        )
        if cursor_in is None:
            raise refuse("INVALID_REQUEST", "The history key is not valid any more; start anew.")
        after = str(cursor_in.position)
    page = await services.ledgers.history(session.user_id, after, limit)
    following = None
    if page.after is not None:
        cursor_out = Cursor("history", session.user_id, page.after, now_s + DAY_SECONDS)
        following = cursor_out.seal(services.signer)
    return HistoryResponse(movements=[Movement.of(m) for m in page.movements], next_key=following)
