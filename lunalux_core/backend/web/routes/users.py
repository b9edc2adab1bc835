"""The signed-in person: first-time set-up, profile, username.

See docs/spec/backend.md: HTTP API, Money rules, Identity and security.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Cookie, Request, Response

from lunalux_core.backend.market.ranking_schedule import LANGS, SORTS
from lunalux_core.backend.running.services import Services
from lunalux_core.backend.web import limits
from lunalux_core.backend.web.http import (
    CurrentServices,
    CurrentSession,
    client_address,
    limit,
    require_session,
)
from lunalux_core.backend.web.openapi_examples import SESSION, answers
from lunalux_core.backend.web.refusals import refuse
from lunalux_core.backend.web.routes.auth import IDENTITY_COOKIE, REFERRAL_COOKIE
from lunalux_core.backend.web.routes.invites import invite_body
from lunalux_core.errors import SessionError
from lunalux_core.wire.users import (
    EraseRequest,
    InitRequest,
    InitResponse,
    Ledger,
    MeResponse,
    User,
    UsernameRequest,
    Wallet,
)
from lunalux_core.wire.wire_body import Success

router = APIRouter(prefix="/api/user", tags=["user"])


@router.post("/init", responses=answers(*SESSION), response_model_exclude_none=True)
async def init(
    body: InitRequest,
    request: Request,
    response: Response,
    session: CurrentSession,
    services: CurrentServices,
    referral: Annotated[str | None, Cookie(alias=REFERRAL_COOKIE, max_length=256)] = None,
) -> InitResponse:
    """Make profile, wallet, ledger and invite code; harmless to repeat.

    The profile gets the address that was signed in with. A referral code counts once, for a new account;
    the body's goes before the cookie's.
    """
    email = session.email or body.email
    if not email:
        raise refuse("INVALID_REQUEST", "The request's `email` is missing.")
    code = body.referral_code or referral
    guessing = bool(code and await services.limiter.take(limits.INVITE_CODE, session.user_id))
    address = client_address(request) if services.settings.rate_limits else None
    account = await services.users.init(session.user_id, email, None if guessing else code, address)
    if referral is not None:
        response.delete_cookie(REFERRAL_COOKIE)
    return InitResponse(
        user=User.of(account.user),
        wallet=Wallet.of(account.wallet),
        ledger=Ledger.of(account.ledger),
        invite=invite_body(account.invite, services.settings),
        referral_accepted=False if guessing else account.referred,
    )


@router.get("/me", responses=answers(*SESSION, "USER_NOT_FOUND"), response_model_exclude_none=True)
async def me(
    request: Request,
    response: Response,
    services: CurrentServices,
    proof: Annotated[str | None, Cookie(alias=IDENTITY_COOKIE)] = None,
) -> MeResponse:
    """The profile. Where the registry lost the session and the identity cookie still proves the account, a
    new session comes along in the `x-session-token` header."""
    user_id = request.headers.get("x-user-id", "")
    try:
        session = await require_session(request)
        return MeResponse(user=User.of(await services.users.require(session.user_id)))
    except SessionError as error:
        if error.code != "UNAUTHORIZED" or not user_id or not proof:
            raise
        fresh = await _repair(services, user_id, proof, request.headers.get("user-agent", ""))
        if fresh is None:
            raise
    response.headers["x-session-token"] = fresh
    return MeResponse(user=User.of(await services.users.require(user_id)))


async def _repair(services: Services, user_id: str, proof: str, device: str) -> str | None:
    """A new token for the account that the cookie proves, if it is the one named and its row is lost.

    The `x-user-id` header, which no foreign page can send, keeps this from being forged across sites.
    """
    account = await services.identity.prove(proof)
    if account is None or account.user_id != user_id:
        return None
    return await services.sessions.repair(user_id, account.email, device)


@router.post("/erase", responses=answers(*SESSION, "BAD_CREDENTIALS", "RATE_LIMITED"))
async def erase(body: EraseRequest, session: CurrentSession, services: CurrentServices) -> Success:
    """Erase one's account with all that belongs to it, for good. The password proves whose it is."""
    # A password is asked for here, so trying many is bounded as it is for signing in.
    await limit(services, limits.SIGN_IN_EMAIL, session.user_id)
    account = await services.identity.sign_in(session.email, body.password)
    await services.erasure.erase(account.user_id, account.email)
    if services.rank_on_request:  # elsewhere the timer's batch takes the cards out of the lists
        for lang in LANGS:
            for sort in SORTS:
                await services.ranking.drain(lang, sort)
    return Success()


@router.post(
    "/username",
    responses=answers(*SESSION, "USERNAME_INVALID", "USERNAME_TAKEN", "USER_NOT_FOUND", "RATE_LIMITED"),
    response_model_exclude_none=True,
)
async def username(body: UsernameRequest, session: CurrentSession, services: CurrentServices) -> MeResponse:
    """Take a username, or change how one's own is written."""
    await limit(services, limits.RENAME, session.user_id)
    return MeResponse(user=User.of(await services.users.rename(session.user_id, body.username)))
