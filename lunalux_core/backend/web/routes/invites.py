"""One's invite code, and the milestones it earned.

See docs/spec/backend.md: HTTP API.
"""

from __future__ import annotations

from fastapi import APIRouter

from lunalux_core.backend.repos.wallets import no_wallet
from lunalux_core.backend.web.http import CurrentServices, CurrentSession
from lunalux_core.backend.web.openapi_examples import SESSION, answers
from lunalux_core.backend.web.wire_views import invite_view, ledger_view, wallet_view
from lunalux_core.wire.users import InviteResponse, SettleResponse

router = APIRouter(prefix="/api/invite", tags=["invite"])


@router.get("/me", responses=answers(*SESSION))
async def invite(session: CurrentSession, services: CurrentServices) -> InviteResponse:
    """The code and its count; made where it is missing."""
    found = await services.invites.require(session.user_id)
    return InviteResponse(invite=invite_view(found, services.settings))


@router.post("/settle/me", responses=answers(*SESSION, "WALLET_NOT_FOUND"))
async def settle(session: CurrentSession, services: CurrentServices) -> SettleResponse:
    """Pay every milestone that is due; asking again pays nothing twice."""
    user_id = session.user_id
    paid = await services.invites.settle(user_id)
    wallet = await services.wallets.require(user_id)
    totals = await services.ledgers.require(user_id)
    if totals is None:
        raise no_wallet()
    return SettleResponse(
        settled_times=paid.times,
        reward_star=paid.reward_star,
        wallet=wallet_view(wallet),
        ledger=ledger_view(totals),
        invite=invite_view(await services.invites.require(user_id), services.settings),
    )
