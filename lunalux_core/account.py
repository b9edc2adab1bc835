"""Account: who is signed in, what the wallet holds, and the one snapshot every screen watches.

After sign-in everything is fetched once, in parallel, and kept on disk; afterwards only the session is
validated (SPEC 1.5, local-first rules). Answers that carry a new wallet or profile replace that part of
the snapshot without another fetch.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from lunalux_core.client.session import SessionKey
from lunalux_core.errors import (
    BackendError,
    InvalidInput,
    LunaluxError,
    NetworkError,
    NotFound,
    SessionError,
)
from lunalux_core.ids import now_ms, uuid4
from lunalux_core.text import coupon_code

if TYPE_CHECKING:
    from lunalux_core.client.backend import BackendClient
    from lunalux_core.credentials import Credentials
    from lunalux_core.library.cache import Cache

Status = Literal["signed_out", "signed_in", "taken_over"]
FOREVER_MS = 10 * 365 * 24 * 3600 * 1000
RENEW_AFTER_MS = 7 * 24 * 3600 * 1000
LOCAL_DOMAIN = "lunalux.local"


@dataclass(frozen=True, slots=True)
class AccountState:
    """The account as this device knows it; replaced whole, never changed in place.

    `wallet`, `ledger` and `invite` keep the wire's spellings. `fetched_at` is milliseconds since 1970.
    `local` marks the account that the embedded backend made by itself, `stays_out` that the person signed
    out on purpose, so that it is not made use of again by itself.
    """

    status: Status = "signed_out"
    user_id: str = ""
    email: str = ""
    username: str | None = None
    wallet: Mapping[str, Any] = field(default_factory=dict)
    ledger: Mapping[str, Any] = field(default_factory=dict)
    invite: Mapping[str, Any] = field(default_factory=dict)
    models: tuple[Mapping[str, Any], ...] = ()
    liked: frozenset[str] = frozenset()
    fetched_at: int = 0
    offline: bool = False
    local: bool = False
    stays_out: bool = False

    @property
    def signed_in(self) -> bool:
        return self.status == "signed_in"

    @property
    def lux_level(self) -> int:
        return int(self.wallet.get("luxLevel", 0))

    @property
    def star(self) -> int:
        return int(self.wallet.get("starCoin", 0))

    @property
    def luna(self) -> int:
        return int(self.wallet.get("lunaCoin", 0))


class Account:
    """Sign up, in and out; profile, wallet, coupons, invites.

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
        self._credentials = credentials
        self._embedded = embedded
        self._name = f"session:{place}"
        self._local_name = "local-account" if place == "embedded" else f"local-account:{place}"
        self._key = f"account:{place}"
        self._clock = clock
        self._session: SessionKey | None = None
        self._loaded = False
        self._validated = False
        self._trouble: LunaluxError | None = None
        self._lock = asyncio.Lock()
        self._refusing = asyncio.Lock()
        self._redeeming: dict[str, str] = {}
        self.state = AccountState()
        self.watchers: list[Callable[[AccountState], None]] = []

    @property
    def keeps_local(self) -> bool:
        """Whether there can be a local account, which needs nobody's mail and password."""
        return self._embedded

    # -- the session -------------------------------------------------------------------------------

    def session(self) -> SessionKey | None:
        """What the client signs requests with."""
        return self._session

    async def load(self) -> AccountState:
        """The last known state from disk; no network."""
        if self._loaded:
            return self.state
        cached = await self._cache.get(self._key)
        state = _restored(cached.value) if cached is not None else AccountState()
        self._session = await self._stored_session()
        if self._session is None and state.status == "signed_in":
            state = replace(state, status="signed_out")
        self._loaded = True
        self._set(state)
        return self.state

    async def liked_ids(self) -> frozenset[str]:
        """The likes as known on disk, without a look at the credentials."""
        if self._loaded:
            return self.state.liked
        cached = await self._cache.get(self._key)
        return _restored(cached.value).liked if cached is not None else frozenset()

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
        async with self._lock:
            if self._validated and self._session is not None and not self.state.offline:
                return self.state
            if self._session is None:
                return await self._begin()
            try:
                await self._client().validate()
                await self._prolong()
                return await self._settled()
            except SessionError:
                raise
            except (NetworkError, BackendError) as error:
                if not self.state.fetched_at:
                    raise
                self._trouble = error
                self._set(replace(self.state, offline=True))
                return self.state

    async def online(self) -> AccountState:
        """`ensure`, for what cannot do without the backend. Raises also NetworkError and BackendError."""
        state = await self.ensure()
        if state.offline and self._trouble is not None:
            raise self._trouble
        return state

    async def refused(self, used: SessionKey, code: str) -> bool:
        """The backend refused a session (401 or 460); True when another one is in force now.

        Another program of this home may have signed in meanwhile, and the local account signs in again by
        itself. Otherwise a 460 ends the session here: the token is forgotten, everything else is kept.
        """
        async with self._refusing:
            if self._session is not None and self._session.token != used.token:
                return True
            stored = await self._stored_session()
            if stored is not None and stored.token != used.token and stored.user_id == used.user_id:
                self._session = stored
                return True
            if self.state.local:
                await self._sign_in_locally(sync=False)
                return True
            if code == "SESSION_TAKEN_OVER" and self._session is not None:
                await self._forget()
                self._set(replace(self.state, status="taken_over"))
                await self._store()
            return False

    async def renewed(self, session: SessionKey) -> None:
        """The backend sent a new token for the session in force."""
        await self._remember(session)

    async def sign_in_locally(self) -> AccountState:
        """Sign the embedded backend's own account in, also after the person signed out.

        Raises:
            SessionError: LOCAL_ACCOUNT_LOST, UNAUTHORIZED where the backend is not in this program.
        """
        await self.load()
        if not self._embedded:
            raise self._not_signed_in()
        return await self._sign_in_locally()

    # -- people ------------------------------------------------------------------------------------

    async def sign_up(self, email: str, password: str, referral_code: str = "") -> bool:
        """Make an account; True when it can be used at once, False when a mailed code must come first."""
        await self.load()
        done = await self._client().sign_up(email, password, referral_code or None)
        if done.confirmed:
            await self.sign_in(email, password, referral_code)
        return done.confirmed

    async def confirm(self, email: str, code: str) -> None:
        await self._client().confirm(email, code)

    async def resend(self, email: str) -> None:
        await self._client().resend(email)

    async def forgot(self, email: str) -> None:
        await self._client().forgot(email)

    async def reset(self, email: str, code: str, password: str) -> None:
        await self._client().reset(email, code, password)

    async def sign_in(self, email: str, password: str, referral_code: str = "") -> AccountState:
        """Sign in; any other device of the account is signed out by that."""
        await self.load()
        return await self._sign_in(email, password, referral_code=referral_code)

    async def sign_out(self) -> None:
        """Sign out here. The library stays; what the account cached is forgotten."""
        await self.load()
        if self._session is not None:
            try:
                await self._client().sign_out()
            except LunaluxError:
                pass  # the token is forgotten here in any case, and runs out there
        await self._forget()
        self._set(AccountState(stays_out=True))
        await self._store()

    async def erase(self, password: str = "") -> None:
        """Erase the account at the backend for good (S11), and sign out here. The library stays.

        Args:
            password: proves whose it is; the local account's is on this computer.

        Raises:
            BackendError: BAD_CREDENTIALS, RATE_LIMITED. SessionError and NetworkError: nothing was erased.
        """
        user_id = (await self.online()).user_id
        local = self.state.local
        if local:
            saved = await asyncio.to_thread(self._credentials().get, self._local_name)
            password = json.loads(saved)["password"] if saved else password
        try:
            await self._client().erase(password)
        except BackendError as error:
            if error.code != "BAD_CREDENTIALS":
                raise
            raise BackendError(
                error.code,
                "That is not the password of this account.",
                "Nothing was erased; type it again.",
                kind="erase",
            ) from error
        await self._forget()
        if local:
            await asyncio.to_thread(self._credentials().delete, self._local_name)
        await self._cache.drop(f"history:{user_id}")
        self._set(AccountState(stays_out=True))
        await self._store()

    # -- the snapshot ------------------------------------------------------------------------------

    async def refresh(self) -> AccountState:
        """Fetch everything anew because the person asked for it."""
        before = self.state.fetched_at
        state = await self.online()
        return state if state.fetched_at != before else await self._sync()

    async def set_username(self, username: str) -> AccountState:
        """Raises BackendError: USERNAME_TAKEN, USERNAME_INVALID."""
        await self.online()
        answer = await self._client().set_username(username)
        return await self._update(username=answer.user.username, email=answer.user.email)

    async def redeem(self, coupon: str) -> tuple[str, int]:
        """Redeem a coupon; returns currency and amount. Spaces and full-width signs are put right first."""
        code = coupon_code(coupon)
        if not code:
            raise InvalidInput("COUPON_EMPTY", "There is no coupon code.", "Type the code as it was given.")
        await self.online()
        # Where the answer is lost, the same wish tried again is answered like the first time (M10).
        answer = await self._client().redeem(code, self._redeeming.setdefault(code, uuid4()))
        del self._redeeming[code]
        await self._update(wallet=_wire(answer.wallet), ledger=_wire(answer.ledger))
        return answer.currency, answer.amount

    async def settle_invites(self) -> tuple[int, int]:
        """Pay out reached milestones; returns how many and the star coins."""
        await self.online()
        answer = await self._client().settle_invites()
        await self._update(
            wallet=_wire(answer.wallet), ledger=_wire(answer.ledger), invite=_wire(answer.invite)
        )
        return answer.settled_times, answer.reward_star

    async def history(
        self, cursor: str | None = None, limit: int = 50
    ) -> tuple[list[dict[str, Any]], str | None]:
        """A page of the wallet's movements, newest first, and the cursor of the next."""
        await self.online()
        page = await self._client().history(cursor, limit)
        return [_wire(movement) for movement in page.movements], page.next_key

    async def billed(
        self, wallet: Mapping[str, Any], ledger: Mapping[str, Any] | None = None
    ) -> AccountState:
        """Take over the wallet that came with a paid reply."""
        return await self._update(wallet=dict(wallet), ledger=dict(ledger) if ledger else self.state.ledger)

    async def recount(self) -> AccountState:
        """Fetch the wallet because the backend has shown that the known one is wrong, as when coins were
        spent on another device. Where that fails, the known one stands."""
        try:
            wallet, ledger = await asyncio.gather(self._client().wallet(), self._client().ledger())
        except LunaluxError:
            return self.state
        return await self._update(wallet=_wire(wallet.wallet), ledger=_wire(ledger.ledger))

    async def liked(self, character_id: str) -> AccountState:
        """Note a like on this device."""
        return await self._update(liked=self.state.liked | {character_id})

    # -- inside ------------------------------------------------------------------------------------

    async def _begin(self) -> AccountState:
        """There is no session: make the local account's, where that is how it is meant."""
        if not self._embedded:
            # A backend that cannot be reached must not send people to a sign-in that cannot work either.
            with suppress(SessionError):
                await self._client().validate()
        if not self._embedded or self.state.stays_out or self.state.status == "taken_over":
            raise self._not_signed_in()
        return await self._sign_in_locally()

    def _not_signed_in(self) -> SessionError:
        from lunalux_core.client.failures import session_refusal

        taken = self.state.status == "taken_over"
        return session_refusal("SESSION_TAKEN_OVER" if taken else "UNAUTHORIZED")

    async def _settled(self) -> AccountState:
        """The session holds: what is known stands, and is fetched only where it never was."""
        self._validated = True
        self._trouble = None
        if not self.state.fetched_at:
            return await self._sync()
        if self.state.offline or self.state.status != "signed_in":
            self._set(replace(self.state, offline=False, status="signed_in"))
        return self.state

    async def _prolong(self) -> None:
        """Ask for a later expiry once in a while, so that a program in use is never signed out by time."""
        if self._session is None or self._clock() - self._session.issued_at < RENEW_AFTER_MS:
            return
        try:
            answer = await self._client().refresh()
        except LunaluxError:
            return  # the session in force still holds; the next start tries again
        await self._remember(SessionKey(answer.user_id, answer.session_token, self._clock()))

    async def _sign_in_locally(self, *, sync: bool = True) -> AccountState:
        store = self._credentials()
        saved = await asyncio.to_thread(store.get, self._local_name)
        if saved is None:
            name = "me" if self._local_name == "local-account" else f"local-{secrets.token_hex(4)}"
            saved = json.dumps({"email": f"{name}@{LOCAL_DOMAIN}", "password": secrets.token_urlsafe(24)})
            await self._make_local(saved)
            await asyncio.to_thread(store.set, self._local_name, saved)
        known = json.loads(saved)
        try:
            return await self._sign_in(known["email"], known["password"], local=True, sync=sync)
        except BackendError as error:
            if error.code != "BAD_CREDENTIALS":
                raise
        # The backend's folder was emptied or exchanged since: the account is made there anew.
        await self._make_local(saved)
        return await self._sign_in(known["email"], known["password"], local=True)

    async def _make_local(self, saved: str) -> None:
        known = json.loads(saved)
        try:
            await self._client().sign_up(known["email"], known["password"])
        except BackendError as error:
            if error.code != "EMAIL_TAKEN":
                raise
            raise SessionError(
                "LOCAL_ACCOUNT_LOST",
                "The key to the local account is gone from this computer.",
                "Sign up with an e-mail of your own: `lunalux account signup`.",
            ) from error

    async def _sign_in(
        self, email: str, password: str, *, referral_code: str = "", local: bool = False, sync: bool = True
    ) -> AccountState:
        answer = await self._client().sign_in(email, password)
        await self._remember(SessionKey(answer.user_id, answer.session_token, self._clock()))
        self._validated = True
        if sync or answer.user_id != self.state.user_id:
            self.state = AccountState("signed_in", answer.user_id, answer.email, answer.username, local=local)
            return await self._sync(referral_code)
        return await self._update(status="signed_in")

    async def _sync(self, referral_code: str = "") -> AccountState:
        """Everything at once: first what makes the account, then the rest side by side (BACKEND 1.5.9)."""
        client = self._client()
        first = await client.init(self.state.email, referral_code or None)
        models, liked = await asyncio.gather(client.models(), client.liked(), return_exceptions=True)
        whole = not isinstance(models, BaseException) and not isinstance(liked, BaseException)
        state = replace(
            self.state,
            status="signed_in",
            user_id=first.user.id,
            email=first.user.email,
            username=first.user.username,
            wallet=_wire(first.wallet),
            ledger=_wire(first.ledger),
            invite=_wire(first.invite),
            fetched_at=self._clock() if whole else 0,
            offline=False,
            stays_out=False,
        )
        if not isinstance(models, BaseException):
            state = replace(state, models=tuple(_wire(config) for config in models.configs))
        if not isinstance(liked, BaseException):
            state = replace(state, liked=self.state.liked | frozenset(liked.character_ids))
        self._set(state)
        await self._store()
        for outcome in (models, liked):
            if isinstance(outcome, asyncio.CancelledError | SessionError):
                raise outcome
        return state

    async def _update(self, **changes: Any) -> AccountState:
        self._set(replace(self.state, offline=False, **changes))
        await self._store()
        return self.state

    async def _store(self) -> None:
        state = {**asdict(self.state), "liked": sorted(self.state.liked), "offline": False}
        await self._cache.put(self._key, state, FOREVER_MS)

    async def _stored_session(self) -> SessionKey | None:
        stored = await asyncio.to_thread(self._credentials().get, self._name)
        if not stored:
            return None
        saved = json.loads(stored)
        return SessionKey(saved["userId"], saved["token"], int(saved.get("issuedAt", 0)))

    async def _remember(self, session: SessionKey) -> None:
        self._session = session
        saved = {"userId": session.user_id, "token": session.token, "issuedAt": session.issued_at}
        await asyncio.to_thread(self._credentials().set, self._name, json.dumps(saved))

    async def _forget(self) -> None:
        self._session = None
        self._validated = False
        await asyncio.to_thread(self._credentials().delete, self._name)

    def _set(self, state: AccountState) -> None:
        self.state = state
        for watcher in self.watchers:
            watcher(state)


def official_config(state: AccountState, model_id: str) -> Mapping[str, Any]:
    """The price list row of an official model. Raises NotFound (MODEL_UNKNOWN)."""
    for config in state.models:
        if config.get("modelId") == model_id:
            return config
    raise NotFound(
        "MODEL_UNKNOWN",
        f"There is no official model {model_id!r}.",
        "`lunalux model list` shows them all.",
        name=model_id,
    )


def _wire(value: Any) -> dict[str, Any]:
    found: dict[str, Any] = value.model_dump(by_alias=True, mode="json")
    return found


def _restored(value: Mapping[str, Any]) -> AccountState:
    known = {name: value[name] for name in AccountState.__dataclass_fields__ if name in value}
    known["liked"] = frozenset(known.get("liked", ()))
    known["models"] = tuple(known.get("models", ()))
    return AccountState(**known)
