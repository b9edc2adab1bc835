"""The account that the backend in this program makes by itself, and its key on this computer."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lunalux_core.account.session import secret_in
from lunalux_core.errors import BackendError, SessionError

if TYPE_CHECKING:
    from lunalux_core.client.backend_client import BackendClient
    from lunalux_core.config.credentials import Credentials

LATE_SECONDS = 3.0
"""How long another program of this home may take from making the local account to keeping its key."""
LOCAL_DOMAIN = "lunalux.local"


@dataclass(frozen=True, slots=True)
class LocalKey:
    """What the local account is signed in with."""

    email: str
    password: str


class LocalAccount:
    """Makes the local account, and keeps its key.

    Args:
        place: names the backend, so that the accounts of two never mix.
    """

    def __init__(
        self, client: Callable[[], BackendClient], credentials: Callable[[], Credentials], place: str
    ) -> None:
        self._client = client
        self._credentials = credentials
        self._name = "local-account" if place == "embedded" else f"local-account:{place}"

    async def key(self) -> LocalKey:
        """The key; the account is made where there is none yet.

        Raises:
            SessionError: LOCAL_ACCOUNT_LOST.
        """
        saved = await self._saved()
        if saved is None:
            saved = await self._begin()
        secret = secret_in(saved, "email", "password")
        if secret is None:
            raise _lost()
        return LocalKey(secret["email"], secret["password"])

    async def make(self, key: LocalKey) -> None:
        """Make the account at the backend. Raises SessionError (LOCAL_ACCOUNT_LOST) where it is there."""
        try:
            await self._client().accounts.sign_up(key.email, key.password)
        except BackendError as error:
            if error.code != "EMAIL_TAKEN":
                raise
            raise _lost() from error

    async def password(self, default: str) -> str:
        """The password of the account; `default` where there is no key."""
        saved = await self._saved()
        return str(json.loads(saved)["password"]) if saved else default

    async def forget(self) -> None:
        """Delete the key, because the account is no more."""
        await asyncio.to_thread(self._credentials().delete, self._name)

    async def _begin(self) -> str:
        """Make the account and keep its key; or take the key that another program has just made."""
        name = "me" if self._name == "local-account" else f"local-{secrets.token_hex(4)}"
        key = LocalKey(f"{name}@{LOCAL_DOMAIN}", secrets.token_urlsafe(24))
        try:
            await self.make(key)
        except SessionError:
            for _ in range(int(LATE_SECONDS * 10)):
                await asyncio.sleep(0.1)
                if (text := await self._saved()) is not None:
                    return text
            raise
        saved = json.dumps({"email": key.email, "password": key.password})
        await asyncio.to_thread(self._credentials().set, self._name, saved)
        return saved

    async def _saved(self) -> str | None:
        return await asyncio.to_thread(self._credentials().get, self._name)


def _lost() -> SessionError:
    return SessionError(
        "LOCAL_ACCOUNT_LOST",
        "The key to the local account is gone from this computer.",
        "Sign up with an e-mail of your own: `lunalux account signup`.",
    )
