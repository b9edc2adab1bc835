"""Account: who is signed in, kept in step with the backend and with the other programs of this home.

After sign-in everything is fetched once, in parallel, and kept on disk; afterwards only the session is
validated. Answers that carry a new wallet or profile replace that part of the snapshot without another fetch.

See docs/spec/design.md: Local first.
See docs/spec/backend.md: Identity and security, Money rules.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from lunalux_core.account.account_state import AccountState
from lunalux_core.account.agreed_prices import AgreedPrices
from lunalux_core.account.fetch import AccountFetch
from lunalux_core.account.invitations import Invitations
from lunalux_core.account.local_account import LocalAccount
from lunalux_core.account.session import Session
from lunalux_core.account.snapshot import Snapshot
from lunalux_core.account.wallet import AccountWallet
from lunalux_core.client.session_key import SessionKey
from lunalux_core.errors import BackendError, LunaluxError, NetworkError, SessionError
from lunalux_core.ids import now_ms

if TYPE_CHECKING:
    from lunalux_core.client.backend_client import BackendClient
    from lunalux_core.config.credentials import Credentials
    from lunalux_core.library.network_cache import Cache


class Account:
    """Signs up, in and out, and holds the parts of the account.

    Attributes:
        snapshot: the state, whoever watches it, and its copy on disk.
        session: what requests are signed with.
        prices: of official replies.
        wallet: coupons, invitations, bills.

    Args:
        client: the backend, made on first use.
        embedded: whether the backend in this program keeps the people itself; then a local account is made.
        place: names the backend in the cache and the credentials store, so that two never mix.
        clock: milliseconds since 1970.
    """

    def __init__(
        self,
        client: Callable[[], BackendClient],
        cache: Cache,
        credentials: Callable[[], Credentials],
        *,
        embedded: bool,
        place: str,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self._client = client
        self._cache = cache
        self._embedded = embedded
        self._clock = clock
        self.snapshot = Snapshot(cache, f"account:{place}", clock)
        self._invitations = Invitations(cache, place, clock)
        self._local = LocalAccount(client, credentials, place)
        self.session = Session(client, credentials, f"session:{place}", clock)
        self.prices = AgreedPrices(client, self.snapshot)
        self.wallet = AccountWallet(client, self.snapshot, self.online)
        self._fetch = AccountFetch(client, self.snapshot, self.prices, self.wallet, self._invitations, clock)
        self._loaded = False
        self._trouble: LunaluxError | None = None
        # Several screens ask at once: one of them checks the session, or makes the local account.
        self._lock = asyncio.Lock()
        # Requests that run side by side are refused together: the first of them mends the session for all.
        self._refusing = asyncio.Lock()

    @property
    def state(self) -> AccountState:
        """The account as this device knows it."""
        return self.snapshot.state

    @property
    def keeps_local(self) -> bool:
        """Whether there can be a local account, which needs nobody's mail and password."""
        return self._embedded

    @property
    def referral_refused(self) -> bool:
        """Whether the invitation code of the last sign-in was of no effect."""
        return self._fetch.referral_refused

    # -- what is known -----------------------------------------------------------------------------

    async def load(self) -> AccountState:
        """The last known state from disk; no network."""
        if self._loaded:
            return self.state
        state = await self.snapshot.stored()
        await self.session.load()
        # Another program may have ended the session, of which the snapshot tells nothing.
        if self.session.key is None and state.status == "signed_in":
            state = replace(state, status="signed_out")
        self._loaded = True
        self.snapshot.show(state)
        return self.state

    async def liked_ids(self) -> frozenset[str]:
        """The likes as known on disk, without a look at the credentials."""
        return self.state.liked if self._loaded else (await self.snapshot.stored()).liked

    async def ensure(self) -> AccountState:
        """A session to go on with, checked once in the life of a program.

        The stored session is validated; with an embedded backend and no session the local account is made
        and signed in, unless the person signed out. A backend that does not answer leaves the last known
        state, marked `offline`.

        Raises:
            SessionError: UNAUTHORIZED or SESSION_TAKEN_OVER, when a person has to sign in.
            NetworkError: only when there is no last known state to go on with.
        """
        await self.load()
        # Several requests may need it at once: the first makes sure, the others find it done.
        async with self._lock:
            if (
                self.session.validated
                and self.session.key is not None
                and not self.state.offline
                and self._fetch.complete
            ):
                return await self.prices.follow()
            if self.session.key is None:
                return await self._begin()
            try:
                self.prices.note_version((await self._client().accounts.validate()).model_config_version)
                await self.session.prolong()
                return await self._settled()
            except SessionError:
                raise
            except (NetworkError, BackendError) as error:
                if not self.state.wallet:
                    raise
                return self._cut_off(error)

    async def online(self) -> AccountState:
        """`ensure`, for what cannot do without the backend. Raises also NetworkError and BackendError."""
        state = await self.ensure()
        if state.offline and self._trouble is not None:
            raise self._trouble
        return state

    async def refresh(self) -> AccountState:
        """Fetch everything anew because the person asked for it."""
        await self.load()
        # `online` fetches everything where it never was: then it need not be fetched twice.
        before = self.state.fetched_at
        state = await self.online()
        return state if state.fetched_at != before else await self._fetch.run()

    async def refused(self, used: SessionKey, code: str) -> bool:
        """The backend refused a session (401 or 460); True when another one is in force now.

        Another program of this home may have signed in meanwhile, and the local account signs in again by
        itself. Otherwise a 460 ends the session here: the token is forgotten, everything else is kept.
        """
        # Requests under way are refused together: the first gets another session for all of them.
        async with self._refusing:
            if await self.session.replaced(used):
                return True
            if self.state.local:
                await self._sign_in_locally(sync=False)
                return True
            if code == "UNAUTHORIZED" and await self.session.repair(used):
                return True
            if code == "SESSION_TAKEN_OVER" and self.session.key is not None:
                await self.session.forget()
                self.snapshot.show(replace(self.state, status="taken_over"))
                await self.snapshot.store(("status",))
            return False

    # -- people ------------------------------------------------------------------------------------

    async def sign_up(self, email: str, password: str, referral_code: str = "") -> bool:
        """Make an account; True when it can be used at once, False when a mailed code must come first."""
        await self.load()
        answer = await self._client().accounts.sign_up(email, password, referral_code or None)
        if referral_code:
            await self._invitations.keep(email, referral_code)
        if answer.confirmed:
            await self.sign_in(email, password, referral_code)
        return answer.confirmed

    async def sign_in(self, email: str, password: str, referral_code: str = "") -> AccountState:
        """Sign in; any other device of the account is signed out by that.

        Where the rest cannot be fetched then, one is signed in all the same and it is asked for again.

        Args:
            referral_code: an invitation, for a new account; by default the one given at the sign-up.
        """
        await self.load()
        return await self._sign_in(email, password, referral_code=referral_code)

    async def sign_in_locally(self) -> AccountState:
        """Sign the embedded backend's own account in, also after the person signed out.

        Raises:
            SessionError: LOCAL_ACCOUNT_LOST, UNAUTHORIZED where the backend is not in this program.
        """
        await self.load()
        if not self._embedded:
            raise self._not_signed_in()
        return await self._sign_in_locally()

    async def sign_out(self) -> None:
        """Sign out here. The library stays; what the account cached is forgotten."""
        await self.load()
        if self.session.key is not None:
            try:
                await self._client().accounts.sign_out()
            except LunaluxError:
                pass  # the token is forgotten here in any case, and runs out there
        await self.session.forget()
        self.snapshot.show(AccountState(stays_out=True))
        await self.snapshot.store(whole=True)

    async def erase(self, password: str = "") -> None:
        """Erase the account at the backend for good, and sign out here. The library stays.

        Args:
            password: proves whose it is; the local account's is on this computer.

        Raises:
            BackendError: BAD_CREDENTIALS, RATE_LIMITED. SessionError and NetworkError: nothing was erased.
        """
        user_id = (await self.online()).user_id
        local = self.state.local
        if local:
            password = await self._local.password(password)
        try:
            await self._client().accounts.erase(password)
        except BackendError as error:
            if error.code != "BAD_CREDENTIALS":
                raise
            raise BackendError(
                error.code,
                "That is not the password of this account.",
                "Nothing was erased; type it again.",
                kind="erase",
            ) from error
        await self.session.forget()
        if local:
            await self._local.forget()
        await self._cache.drop(f"history:{user_id}")
        self.snapshot.show(AccountState(stays_out=True))
        await self.snapshot.store(whole=True)

    async def set_username(self, username: str) -> AccountState:
        """Raises BackendError: USERNAME_TAKEN, USERNAME_INVALID."""
        await self.online()
        answer = await self._client().accounts.set_username(username)
        return await self.snapshot.update(username=answer.user.username, email=answer.user.email)

    async def liked(self, character_id: str) -> AccountState:
        """Note a like on this device."""
        return await self.snapshot.update(liked=self.state.liked | {character_id})

    # -- inside ------------------------------------------------------------------------------------

    async def _begin(self) -> AccountState:
        """There is no session: make the local account's, where that is how it is meant."""
        if not self._embedded:
            # A backend that cannot be reached must not send people to a sign-in that cannot work either.
            with suppress(SessionError):
                await self._client().accounts.validate()
        if not self._embedded or self.state.stays_out or self.state.status == "taken_over":
            raise self._not_signed_in()
        return await self._sign_in_locally()

    def _not_signed_in(self) -> SessionError:
        from lunalux_core.client.backend_failures import session_refusal

        taken = self.state.status == "taken_over"
        return session_refusal("SESSION_TAKEN_OVER" if taken else "UNAUTHORIZED")

    async def _settled(self) -> AccountState:
        """The session holds: what is known stands, and is fetched only where it never was."""
        if not self.state.fetched_at:
            await self._fetch.run()
        elif self.state.offline or self.state.status != "signed_in":
            self.snapshot.show(replace(self.state, offline=False, status="signed_in"))
        self.session.validated = True
        self._trouble = None
        return await self.prices.follow()

    def _cut_off(self, trouble: LunaluxError) -> AccountState:
        """The backend does not answer: the last known state is shown as such, and `online` tells why."""
        self._trouble = trouble
        self.snapshot.show(replace(self.state, offline=True))
        return self.state

    async def _sign_in_locally(self, *, sync: bool = True) -> AccountState:
        key = await self._local.key()
        try:
            return await self._sign_in(key.email, key.password, local=True, sync=sync)
        except BackendError as error:
            if error.code != "BAD_CREDENTIALS":
                raise
        # The backend's folder was emptied or exchanged since: the account is made there anew.
        await self._local.make(key)
        return await self._sign_in(key.email, key.password, local=True)

    async def _sign_in(
        self, email: str, password: str, *, referral_code: str = "", local: bool = False, sync: bool = True
    ) -> AccountState:
        answer = await self._client().accounts.sign_in(email, password)
        proof = self._client().accounts.identity()
        await self.session.begin(SessionKey(answer.user_id, answer.session_token, self._clock(), proof))
        # The local account in the middle of a request: nothing else of it has changed.
        if not sync and answer.user_id == self.state.user_id:
            self.session.validated = True
            return await self.snapshot.update(status="signed_in")
        self.snapshot.show(
            AccountState(
                "signed_in",
                answer.user_id,
                answer.email,
                answer.username,
                local=local,
                # Of the account before it only prices stay: they are everybody's, and the person saw them.
                models=self.state.models,
                agreed=self.state.agreed,
            )
        )
        # Where the rest does not come, the next start knows who this is.
        await self.snapshot.store(whole=True)
        self.session.validated = False
        try:
            await self._fetch.run(referral_code or await self._invitations.code_for(email))
        except SessionError:
            raise
        except (NetworkError, BackendError) as error:
            if local:
                raise
            return self._cut_off(error)
        self.session.validated = True
        return self.state
