"""The session on this computer: in force here, kept in the credentials store, shared with other programs.

Programs of one home share the stored session, and each may renew it, end it or begin another one at any time.
So nothing is written over a session that is not the one known here.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lunalux_core.client.session_key import SessionKey
from lunalux_core.errors import LunaluxError, SessionError

if TYPE_CHECKING:
    from lunalux_core.client.backend_client import BackendClient
    from lunalux_core.config.credentials import Credentials

RENEW_AFTER_MS = 7 * 24 * 3600 * 1000
LOOKS, LOOK_SECONDS = 5, 0.1
"""How often, and after how long each, the store is looked at for what another program is about to keep."""


class Session:
    """The session in force.

    Attributes:
        key: what requests are signed with, None where nobody is signed in.
        validated: whether the backend has said in the life of this program that it holds, and all that
            belongs to the account was asked for.

    Args:
        name: under which the credentials store keeps it.
        clock: milliseconds since 1970.
    """

    def __init__(
        self,
        client: Callable[[], BackendClient],
        credentials: Callable[[], Credentials],
        name: str,
        clock: Callable[[], int],
    ) -> None:
        self._client = client
        self._credentials = credentials
        self._name = name
        self._clock = clock
        self.key: SessionKey | None = None
        self.validated = False

    async def load(self) -> None:
        """Go on with the session that was kept."""
        self.key = await self._stored()

    async def begin(self, key: SessionKey) -> None:
        """Sign with this one from now on, and keep it."""
        self.key = key
        await asyncio.to_thread(self._credentials().set, self._name, _kept(key))

    async def replaced(self, used: SessionKey) -> bool:
        """Whether another session than the refused one is in force, begun here or by another program."""
        # Another request was refused first and has a new session by now.
        if self.key is not None and self.key.token != used.token:
            return True
        stored = await self._stored()
        # Another program of this home signed in; the same account only, else replies would be paid by
        # somebody else.
        if stored is not None and stored.token != used.token and stored.user_id == used.user_id:
            self.key = stored
            return True
        return False

    async def renew(self, key: SessionKey) -> None:
        """Keep a later token of the session in force, unless somebody else has signed in here meanwhile."""
        used = self.key
        key = replace(key, proof=key.proof or (used.proof if used is not None else ""))

        def change(stored: str | None) -> str | None:
            before = session_in(stored)
            mine = before is None or used is None or before.token == used.token
            return _kept(key) if mine else stored

        self.key = key
        await asyncio.to_thread(self._credentials().update, self._name, change)

    async def prolong(self) -> None:
        """Ask for a later expiry once in a while, so that a program in use is never signed out by time."""
        used = self.key
        if used is None or self._clock() - used.issued_at < RENEW_AFTER_MS:
            return
        try:
            answer = await self._client().accounts.refresh()
        except SessionError:
            # Another program of this home renewed it a moment ago, and keeps the new token in the next one.
            for _ in range(LOOKS):
                if await self.replaced(used):
                    return
                await asyncio.sleep(LOOK_SECONDS)
            return
        except LunaluxError:
            return  # the session in force still holds; the next start tries again
        await self.renew(SessionKey(answer.user_id, answer.session_token, self._clock()))

    async def repair(self, used: SessionKey) -> bool:
        """A new session for one that the backend has lost, where the proof of the sign-in still holds."""
        if not used.proof:
            return False
        with suppress(LunaluxError):
            fresh = await self._client().accounts.repair(used)
            if fresh is not None:
                await self.renew(fresh)
                return True
        return False

    async def forget(self) -> None:
        """Let go of the session in force; one that another program began meanwhile stays."""
        used, self.key = self.key, None
        self.validated = False

        def change(stored: str | None) -> str | None:
            before = session_in(stored)
            return stored if before is not None and used is not None and before.token != used.token else None

        await asyncio.to_thread(self._credentials().update, self._name, change)

    async def _stored(self) -> SessionKey | None:
        return session_in(await asyncio.to_thread(self._credentials().get, self._name))


def session_in(stored: str | None) -> SessionKey | None:
    """The session as it was kept; None where there is none, or one of another shape."""
    saved: dict[str, Any] | None = secret_in(stored, "userId", "token") if stored else None
    if saved is None or not _sendable(saved["userId"], saved["token"]):
        return None
    issued, proof = saved.get("issuedAt"), saved.get("proof")
    return SessionKey(
        saved["userId"],
        saved["token"],
        issued if isinstance(issued, int) else 0,
        proof if isinstance(proof, str) and _sendable(proof) else "",
    )


def secret_in(text: str, *names: str) -> dict[str, str] | None:
    """A stored secret of several texts; None where it is another thing."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    whole = isinstance(document, dict) and all(isinstance(document.get(name), str) for name in names)
    return document if whole else None


def _sendable(*texts: str) -> bool:
    """Whether these can be HTTP headers."""
    return all(text.isascii() and text.isprintable() for text in texts)


def _kept(key: SessionKey) -> str:
    saved = {"userId": key.user_id, "token": key.token, "issuedAt": key.issued_at}
    return json.dumps(saved | ({"proof": key.proof} if key.proof else {}))
