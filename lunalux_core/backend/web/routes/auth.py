"""Signing up, in and out. No session is needed here, and none is ever cleared by it.

See docs/spec/backend.md: HTTP API, Identity and security.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, Request, Response

from lunalux_core.backend.accounts.identity import bad_credentials
from lunalux_core.backend.repos.invites import looks_like_code
from lunalux_core.backend.running.signatures import digest
from lunalux_core.backend.web import limits
from lunalux_core.backend.web.http import (
    CurrentServices,
    CurrentSession,
    client_address,
    limit,
    session_headers,
)
from lunalux_core.backend.web.openapi_examples import answers
from lunalux_core.text import normal_email
from lunalux_core.wire.auth import (
    ConfirmRequest,
    EmailRequest,
    RefreshResponse,
    ResetRequest,
    SignInRequest,
    SignInResponse,
    SignUpRequest,
    SignUpResponse,
)
from lunalux_core.wire.wire_body import Success

router = APIRouter(prefix="/api/auth", tags=["auth"])

REFERRAL_COOKIE = "referral"
REFERRAL_SECONDS = 30 * 60
IDENTITY_COOKIE = "lunalux_identity"
IDENTITY_PATH = "/api/user/me"


EVEN_SECONDS = 0.1
"""More than looking an address up takes: how long it took says nothing about who has an account."""


@asynccontextmanager
async def evened() -> AsyncIterator[None]:
    """Delay every answer, success or refusal, until EVEN_SECONDS are over."""
    clock = asyncio.get_running_loop().time
    until = clock() + EVEN_SECONDS
    try:
        yield
    finally:
        await asyncio.sleep(max(0.0, until - clock()))


def _who(email: str) -> str:
    # Hashed, so that rows which count requests hold nobody's address.
    return digest(normal_email(email))[:32]


@router.post("/signup", responses=answers("INVALID_REQUEST", "WEAK_PASSWORD", "EMAIL_TAKEN", "RATE_LIMITED"))
async def sign_up(
    body: SignUpRequest, request: Request, response: Response, services: CurrentServices
) -> SignUpResponse:
    """Make an account. Where codes are asked for, a taken address is told only after the code."""
    await limit(services, limits.SIGN_UP, client_address(request))
    signed_up = await services.identity.sign_up(body.email, body.password)
    if body.referral_code and looks_like_code(body.referral_code):
        response.set_cookie(
            REFERRAL_COOKIE,
            body.referral_code,
            max_age=REFERRAL_SECONDS,
            httponly=True,
            samesite="lax",
            # Over plain HTTP, as to a server on one's own machine, a browser would drop a secure cookie.
            secure=request.url.scheme == "https",
        )
    return SignUpResponse(user_id=signed_up.user_id, confirmed=signed_up.confirmed)


@router.post(
    "/confirm",
    responses=answers("INVALID_REQUEST", "CODE_INVALID", "CODE_EXPIRED", "EMAIL_TAKEN", "RATE_LIMITED"),
)
async def confirm(body: ConfirmRequest, request: Request, services: CurrentServices) -> Success:
    """Confirm an address with the code that was sent to it."""
    await limit(services, limits.CODE, _who(body.email))
    await limit(services, limits.CODE_ADDRESS, client_address(request))
    await services.identity.confirm(body.email, body.code, body.password)
    return Success()


@router.post("/resend", responses=answers("INVALID_REQUEST", "RATE_LIMITED"))
async def resend(body: EmailRequest, request: Request, services: CurrentServices) -> Success:
    """Send another code, if the address waits for one; the answer is the same if not."""
    await limit(services, limits.MAIL, _who(body.email))
    await limit(services, limits.MAIL_ADDRESS, client_address(request))
    async with evened():
        await services.identity.resend(body.email)
    return Success()


@router.post(
    "/signin",
    responses=answers("INVALID_REQUEST", "BAD_CREDENTIALS", "USER_NOT_CONFIRMED", "RATE_LIMITED"),
    response_model_exclude_none=True,
)
async def sign_in(
    body: SignInRequest, request: Request, response: Response, services: CurrentServices
) -> SignInResponse:
    """Begin a session; the account's former one ends (460 over there)."""
    address, who = client_address(request), _who(body.email)
    await limit(services, limits.SIGN_IN_ADDRESS, address)
    await limit(services, limits.SIGN_IN_EMAIL, f"{who}@{address}")
    await limit(services, limits.SIGN_IN_ANYWHERE, who)
    account = await services.identity.sign_in(body.email, body.password)
    device = request.headers.get("user-agent", "")
    token = await services.sessions.open(account.user_id, account.email, device)
    if not await services.identity.still_proved(account):
        await services.sessions.close(account.user_id, token)
        raise bad_credentials()
    profile = await services.users.get(account.user_id)
    if account.cookie:
        response.set_cookie(
            IDENTITY_COOKIE,
            account.cookie,
            path=IDENTITY_PATH,
            httponly=True,
            secure=True,
            samesite="strict",
        )
    return SignInResponse(
        session_token=token,
        user_id=account.user_id,
        email=account.email,
        username=profile.username if profile else None,
    )


@router.post("/signout", responses=answers())
async def sign_out(request: Request, response: Response, services: CurrentServices) -> Success:
    """End the session in the headers. A session that has ended already is no error."""
    if await services.sessions.close(*session_headers(request)):
        response.delete_cookie(IDENTITY_COOKIE, path=IDENTITY_PATH)
    return Success()


@router.post("/forgot", responses=answers("INVALID_REQUEST", "RATE_LIMITED"))
async def forgot(body: EmailRequest, request: Request, services: CurrentServices) -> Success:
    """Send a reset code, if there is such an account; the answer is the same if not."""
    await limit(services, limits.MAIL, _who(body.email))
    await limit(services, limits.MAIL_ADDRESS, client_address(request))
    async with evened():
        await services.identity.forgot(body.email)
    return Success()


@router.post(
    "/reset",
    responses=answers("INVALID_REQUEST", "WEAK_PASSWORD", "CODE_INVALID", "CODE_EXPIRED", "RATE_LIMITED"),
)
async def reset(body: ResetRequest, request: Request, services: CurrentServices) -> Success:
    """Set a new password with a mailed code; every session of the account ends."""
    await limit(services, limits.CODE, _who(body.email))
    await limit(services, limits.CODE_ADDRESS, client_address(request))
    async with evened():
        user_id = await services.identity.reset(body.email, body.code, body.password)
    if user_id:
        await services.sessions.revoke(user_id)
    return Success()


@router.post("/refresh", responses=answers("UNAUTHORIZED", "SESSION_TAKEN_OVER"))
async def refresh(session: CurrentSession, services: CurrentServices) -> RefreshResponse:
    """A token with a later expiry for the same session; the older one stops working."""
    return RefreshResponse(session_token=await services.sessions.refresh(session), user_id=session.user_id)
