"""The endpoints of accounts: signing up, in and out, the session, the profile."""

from __future__ import annotations

from lunalux_core.client.backend_exchange import BROKEN, BackendExchange
from lunalux_core.client.backend_failures import unreachable
from lunalux_core.client.session_key import SessionKey
from lunalux_core.ids import now_ms
from lunalux_core.wire.auth import RefreshResponse, SignInResponse, SignUpResponse
from lunalux_core.wire.users import InitResponse, MeResponse, SessionValidResponse
from lunalux_core.wire.wire_body import Success

IDENTITY_COOKIE = "lunalux_identity"


class AccountEndpoints:
    """Who somebody is to the backend."""

    def __init__(self, exchange: BackendExchange) -> None:
        self._exchange = exchange

    async def sign_up(self, email: str, password: str, referral_code: str | None = None) -> SignUpResponse:
        body = {"email": email, "password": password, "referralCode": referral_code}
        return await self._exchange.post(SignUpResponse, "/api/auth/signup", body)

    async def confirm(self, email: str, code: str, password: str = "") -> None:
        """Confirm a new account. With the password it is the one that was begun with it, nobody else's.

        Raises:
            BackendError: CODE_INVALID, also where somebody else began an account for this address first.
        """
        body = {"email": email, "code": code, "password": password or None}
        await self._exchange.post(Success, "/api/auth/confirm", body)

    async def resend(self, email: str) -> None:
        await self._exchange.post(Success, "/api/auth/resend", {"email": email})

    async def sign_in(self, email: str, password: str) -> SignInResponse:
        return await self._exchange.post(
            SignInResponse, "/api/auth/signin", {"email": email, "password": password}
        )

    async def sign_out(self) -> None:
        await self._exchange.post(Success, "/api/auth/signout", {})

    async def forgot(self, email: str) -> None:
        await self._exchange.post(Success, "/api/auth/forgot", {"email": email})

    async def reset(self, email: str, code: str, password: str) -> None:
        await self._exchange.post(
            Success, "/api/auth/reset", {"email": email, "code": code, "password": password}
        )

    async def refresh(self) -> RefreshResponse:
        return await self._exchange.post(RefreshResponse, "/api/auth/refresh", {})

    async def validate(self) -> SessionValidResponse:
        return await self._exchange.get(SessionValidResponse, "/api/session/validate")

    def identity(self) -> str:
        """The cookie with which the backend lets the account be proved again, "" where it gave none."""
        return self._exchange.cookie(IDENTITY_COOKIE)

    async def repair(self, used: SessionKey) -> SessionKey | None:
        """A new session for one that the backend does not know any more; None where it gives none.

        Raises:
            NetworkError: it does not answer.
        """
        http = await self._exchange.http()
        headers = {**used.headers(), "cookie": f"{IDENTITY_COOKIE}={used.proof}"}
        try:
            # Not by `ask`, which asks for this very repair when a session is refused.
            response = await http.send(http.build_request("GET", "/api/user/me", headers=headers))
        except BROKEN as error:
            raise unreachable(self._exchange.place, type(error).__name__) from error
        token = response.headers.get("x-session-token")
        if response.status_code != 200 or not token:
            return None
        return SessionKey(used.user_id, token, now_ms(), used.proof)

    async def init(self, email: str | None, referral_code: str | None = None) -> InitResponse:
        body = {"email": email, "referralCode": referral_code}
        return await self._exchange.post(InitResponse, "/api/user/init", body, again=True)

    async def set_username(self, username: str) -> MeResponse:
        return await self._exchange.post(MeResponse, "/api/user/username", {"username": username})

    async def erase(self, password: str) -> Success:
        """Erase the account with all that belongs to it, for good."""
        return await self._exchange.post(Success, "/api/user/erase", {"password": password})
