"""One's invite code, and the milestones it earned.

See docs/spec/backend.md: HTTP API.
"""

from __future__ import annotations

from fastapi import APIRouter

from lunalux_core.backend.repos import invites
from lunalux_core.backend.repos.ledger import no_wallet
from lunalux_core.backend.running.backend_settings import BackendSettings
from lunalux_core.backend.web.http import CurrentServices, CurrentSession
from lunalux_core.backend.web.openapi_examples import SESSION, answers
from lunalux_core.wire.users import Invite, InviteResponse, Ledger, SettleResponse, Wallet

router = APIRouter(prefix="/api/invite", tags=["invite"])


def invite_body(invite: invites.Invite, settings: BackendSettings) -> Invite:
    """The invite with what this server pays for a milestone."""
    reward = settings.invite_milestone_star
    return Invite.of(invite, threshold=settings.invite_threshold, milestone_reward_star=reward)


@router.get("/me", responses=answers(*SESSION))
async def invite(session: CurrentSession, services: CurrentServices) -> InviteResponse:
    """The code and its count; made where it is missing."""
    invite = await services.invites.require(session.user_id)
    return InviteResponse(invite=invite_body(invite, services.settings))


@router.post("/settle/me", responses=answers(*SESSION, "WALLET_NOT_FOUND", "INVALID_REQUEST"))
async def settle(session: CurrentSession, services: CurrentServices) -> SettleResponse:
    """Pay every milestone that is due; asking again pays nothing twice. What the wallet has no room for stays
    due."""
    user_id = session.user_id
    paid = await services.invites.settle(user_id)
    wallet = await services.wallets.require(user_id)
    totals = await services.ledgers.require(user_id)
    if totals is None:
        raise no_wallet()
    return SettleResponse(
        settled_times=paid.times,
        reward_star=paid.reward_star,
        wallet=Wallet.of(wallet),
        ledger=Ledger.of(totals),
        invite=invite_body(await services.invites.require(user_id), services.settings),
    )
