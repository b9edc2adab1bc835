"""`POST /api/coupon/redeem`.

See docs/spec/backend.md: HTTP API, Identity and security, Money rules.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header

from lunalux_core.backend.repos.ledger import no_wallet
from lunalux_core.backend.web import limits
from lunalux_core.backend.web.http import CurrentServices, CurrentSession, limit
from lunalux_core.backend.web.openapi_examples import SESSION, answers
from lunalux_core.backend.web.routes.gateway import KEY_PATTERN
from lunalux_core.wire.users import Ledger, RedeemRequest, RedeemResponse, Wallet

router = APIRouter(prefix="/api/coupon", tags=["coupon"])


@router.post(
    "/redeem",
    responses=answers(
        *SESSION, "COUPON_INVALID_OR_USED", "INVALID_REQUEST", "WALLET_NOT_FOUND", "RATE_LIMITED"
    ),
)
async def redeem(
    body: RedeemRequest,
    session: CurrentSession,
    services: CurrentServices,
    key: Annotated[str | None, Header(alias="idempotency-key", pattern=KEY_PATTERN)] = None,
) -> RedeemResponse:
    """Claim a coupon. Unknown, exhausted and claimed ones are one answer, and guesses are counted.

    A retry with the same idempotency key within a day is answered like the first time. A coupon that the
    wallet has no room for is refused and stays as it is.
    """
    await limit(services, limits.COUPON, session.user_id)
    redeemed = await services.coupons.redeem(session.user_id, body.coupon, key)
    wallet = await services.wallets.require(session.user_id)
    totals = await services.ledgers.require(session.user_id)
    if totals is None:
        raise no_wallet()
    return RedeemResponse(
        currency=redeemed.currency,
        amount=redeemed.amount,
        wallet=Wallet.of(wallet),
        ledger=Ledger.of(totals),
    )
