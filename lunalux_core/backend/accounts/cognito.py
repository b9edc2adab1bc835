"""Accounts in an Amazon Cognito user pool, behind the same port as the local ones.

boto3 and PyJWT are imported on first use. The pool's app client should have `PreventUserExistenceErrors`
on; what Cognito still tells apart is made uniform here.

See docs/spec/backend.md: Identity and security.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from contextvars import copy_context
from typing import Any, TypeVar

from lunalux_core.backend.accounts.identity import ProvedAccount, SignedUp
from lunalux_core.backend.running.backend_settings import CognitoSettings
from lunalux_core.backend.running.logs import logger
from lunalux_core.backend.running.traces import Span, Traces
from lunalux_core.errors import BackendError, LunaluxError, StorageError
from lunalux_core.ids import uuid4
from lunalux_core.text import normal_email

T = TypeVar("T")
THREADS = 8
LEEWAY_SECONDS = 30

_ERRORS: Mapping[str, tuple[str, str]] = {
    "InvalidPasswordException": ("WEAK_PASSWORD", "The password does not meet the rules of this service."),
    "CodeMismatchException": ("CODE_INVALID", "This code is not valid."),
    "ExpiredCodeException": ("CODE_EXPIRED", "This code has expired."),
    "AliasExistsException": ("EMAIL_TAKEN", "This address already has an account."),
    "NotAuthorizedException": ("BAD_CREDENTIALS", "The address or the password is wrong."),
    "UserNotFoundException": ("BAD_CREDENTIALS", "The address or the password is wrong."),
    "PasswordResetRequiredException": ("BAD_CREDENTIALS", "The password must be reset first."),
    "UserNotConfirmedException": ("USER_NOT_CONFIRMED", "This address is not confirmed yet."),
    "InvalidParameterException": ("INVALID_REQUEST", "The account service did not accept this."),
    "TooManyRequestsException": ("RATE_LIMITED", "Too many requests; please wait a little."),
    "LimitExceededException": ("RATE_LIMITED", "Too many attempts; please wait a little."),
    "TooManyFailedAttemptsException": ("RATE_LIMITED", "Too many attempts; please wait a little."),
}
_RATE_LIMIT_SECONDS = 30
_SET_UP_WRONGLY = (
    "not enabled for this client",
    "signup is not permitted",
    "secret_hash",
    "secret hash",
    "unable to verify secret hash",
    "invalid_client",
)
"""How the pool says that an app client lacks a flow, forbids signing up, or has a secret."""


class CognitoIdentity:
    """Talks to one user pool through one app client (without a client secret)."""

    def __init__(
        self,
        settings: CognitoSettings,
        *,
        client: Any = None,
        jwks_url: str = "",
        traces: Traces | None = None,
    ) -> None:
        self._settings = settings
        self._client = client
        self._traces = Traces() if traces is None else traces
        self._issuer = f"https://cognito-idp.{settings.region}.amazonaws.com/{settings.pool_id}"
        self._jwks_url = jwks_url or f"{self._issuer}/.well-known/jwks.json"
        self._jwks: Any = None
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="cognito")

    async def sign_up(self, email: str, password: str) -> SignedUp:
        email = normal_email(email)
        try:
            answer = await self._call(
                "sign_up",
                Username=email,
                Password=password,
                UserAttributes=[{"Name": "email", "Value": email}],
            )
        except _Refused as refused:
            if refused.kind == "UsernameExistsException":
                return SignedUp(uuid4(), confirmed=False)  # told apart only after the code
            raise refused.public() from None
        return SignedUp(answer["UserSub"], bool(answer["UserConfirmed"]))

    async def confirm(self, email: str, code: str, password: str | None = None) -> None:
        # The pool asks for no password here; what is signed up twice it refuses by itself. Other refusals
        # become that of a wrong code, which does not tell whether an address has an account.
        await self._plain(
            "confirm_sign_up",
            {
                "NotAuthorizedException": "CodeMismatchException",
                "UserNotFoundException": "CodeMismatchException",
            },
            Username=normal_email(email),
            ConfirmationCode=code.strip(),
        )

    async def resend(self, email: str) -> None:
        await self._quietly("resend_confirmation_code", email)

    async def sign_in(self, email: str, password: str) -> ProvedAccount:
        answer = await self._plain(
            "initiate_auth",
            {},
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": normal_email(email), "PASSWORD": password},
        )
        result = answer.get("AuthenticationResult")
        if not result:  # a challenge such as MFA: this client cannot answer it
            raise _Refused("NotAuthorizedException").public()
        account = await self.prove(result["IdToken"])
        if account is None:
            raise StorageError("STORE_UNAVAILABLE", "The account service sent a token that does not verify.")
        return account

    async def still_proved(self, account: ProvedAccount) -> bool:
        return True  # the pool gives no sign of when a password was set

    async def forgot(self, email: str) -> None:
        await self._quietly("forgot_password", email)

    async def reset(self, email: str, code: str, password: str) -> str | None:
        await self._plain(
            "confirm_forgot_password",
            {
                "NotAuthorizedException": "CodeMismatchException",
                "UserNotFoundException": "CodeMismatchException",
            },
            Username=normal_email(email),
            ConfirmationCode=code.strip(),
            Password=password,
        )
        return await self.find(email)

    async def prove(self, cookie: str) -> ProvedAccount | None:
        """Check an ID token: signature by the pool's keys, issuer, audience, kind, expiry."""
        return await self._in_thread(lambda: self._verify(cookie))

    async def find(self, email: str) -> str | None:
        try:
            return await self._owner(email)
        except _Refused as refused:
            if refused.kind == "AccessDeniedException":
                return None
            raise refused.public() from None

    async def remove(self, email: str, user_id: str) -> None:
        """Needs the permission to delete users; without it the erasure waits (STORE_UNAVAILABLE)."""
        try:
            if await self._owner(email) == user_id:
                await self._call(
                    "admin_delete_user", UserPoolId=self._settings.pool_id, Username=normal_email(email)
                )
        except _Refused as refused:
            if refused.kind != "UserNotFoundException":
                raise refused.public() from None

    async def _owner(self, email: str) -> str | None:
        """The user id of an address, None if the pool has none."""
        try:
            user = await self._call(
                "admin_get_user", UserPoolId=self._settings.pool_id, Username=normal_email(email)
            )
        except _Refused as refused:
            if refused.kind == "UserNotFoundException":
                return None
            raise
        names = {entry["Name"]: entry["Value"] for entry in user["UserAttributes"]}
        return names.get("sub")

    def _verify(self, token: str) -> ProvedAccount | None:
        import jwt

        if self._jwks is None:
            self._jwks = self._key_client()
        try:
            key = self._jwks.get_signing_key_from_jwt(token)
            claims = jwt.decode(
                token,
                key.key,
                algorithms=["RS256"],
                audience=self._settings.client_id,
                issuer=self._issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud", "sub", "token_use"]},
            )
        except jwt.PyJWKClientConnectionError as error:
            raise StorageError("STORE_UNAVAILABLE", "The account service does not answer.") from error
        except jwt.PyJWTError:
            return None
        if claims["token_use"] != "id" or not claims.get("email_verified", True):
            return None
        return ProvedAccount(claims["sub"], normal_email(str(claims.get("email", ""))), cookie=token)

    def _key_client(self) -> Any:
        """The pool's keys, fetched once an hour at most."""
        import jwt

        span = self._span

        class Keys(jwt.PyJWKClient):
            def fetch_data(self) -> Any:
                with span("GetKeys"):
                    return super().fetch_data()

        return Keys(self._jwks_url, cache_keys=True, lifespan=3600, timeout=5)

    async def _quietly(self, operation: str, email: str) -> None:
        """Ask for a mail; whether the address exists stays with the pool."""
        try:
            await self._call(operation, Username=normal_email(email))
        except _Refused as refused:
            if refused.kind not in {
                "UserNotFoundException",
                "InvalidParameterException",
                "NotAuthorizedException",
            }:
                raise refused.public() from None

    async def _plain(self, operation: str, renamed: Mapping[str, str], **arguments: Any) -> dict[str, Any]:
        """Call, and turn a refusal into its documented code; `renamed` hides who exists."""
        try:
            return await self._call(operation, **arguments)
        except _Refused as refused:
            raise _Refused(renamed.get(refused.kind, refused.kind), refused.said).public() from None

    async def _call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        if not operation.startswith("admin_"):
            arguments["ClientId"] = self._settings.client_id

        def run() -> dict[str, Any]:
            from botocore.exceptions import BotoCoreError, ClientError

            try:
                answer: dict[str, Any] = getattr(self._connected(), operation)(**arguments)
            except ClientError as error:
                refused = _Refused(
                    error.response["Error"]["Code"], error.response["Error"].get("Message", "")
                )
                _log(operation, refused)
                raise refused from None
            except BotoCoreError as error:
                raise StorageError("STORE_UNAVAILABLE", "The account service does not answer.") from error
            return answer

        unwanted: _Refused | None = None
        answer: dict[str, Any] = {}
        with self._span("".join(word.capitalize() for word in operation.split("_"))) as span:
            try:
                answer = await self._in_thread(run)
            except _Refused as refused:
                unwanted = refused
                span.note(lunalux__refused=refused.kind)
                if not refused.is_ordinary():
                    span.fail(refused.public())
        if unwanted is not None:
            raise unwanted
        return answer

    def _span(self, method: str) -> AbstractContextManager[Span]:
        """A call as a span, in the standard's words for AWS. What people do wrong is no failure of it."""
        return self._traces.work(
            f"Cognito.{method}", rpc__system="aws-api", rpc__service="Cognito", rpc__method=method
        )

    def _connected(self) -> Any:
        if self._client is None:
            import boto3

            self._client = boto3.client("cognito-idp", region_name=self._settings.region)
        return self._client

    def _in_thread(self, work: Callable[[], T]) -> Awaitable[T]:
        # What is traced on the thread belongs to the request it is done for.
        return asyncio.get_running_loop().run_in_executor(self._pool, copy_context().run, work)


def _log(operation: str, refused: _Refused) -> None:
    """What people do wrong is information; what only an operator can mend is an error. The pool's own words
    are for the log alone."""
    log = logger.info if refused.is_ordinary() else logger.error
    log(
        "cognito refused",
        extra={"operation": operation, "kind": refused.kind, "said": refused.said[:300]},
    )


class _Refused(Exception):
    """Cognito answered with an error of this kind, in these words."""

    def __init__(self, kind: str, said: str = "") -> None:
        super().__init__(kind)
        self.kind, self.said = kind, said

    def is_set_up_wrongly(self) -> bool:
        """Whether the app client lacks something that every person would be refused for."""
        return any(sign in self.said.lower() for sign in _SET_UP_WRONGLY)

    def is_ordinary(self) -> bool:
        """Whether it is an answer to what a person did, not something for an operator."""
        return self.kind in _ERRORS and not self.is_set_up_wrongly()

    def public(self) -> LunaluxError:
        if self.is_set_up_wrongly():
            return StorageError(
                "STORE_UNAVAILABLE", "The account service is not set up for this; tell the operator."
            )
        if self.kind not in _ERRORS:
            return StorageError("STORE_UNAVAILABLE", f"The account service refused ({self.kind}).")
        code, message = _ERRORS[self.kind]
        if code == "RATE_LIMITED":
            return BackendError(code, message, retry_after=_RATE_LIMIT_SECONDS)
        return BackendError(code, message)
