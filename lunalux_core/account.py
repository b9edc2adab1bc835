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
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from lunalux_core.errors import LunaluxError, NetworkError, NotFound, SessionError
from lunalux_core.ids import now_ms

if TYPE_CHECKING:
    from lunalux_core.client.backend import BackendClient, SessionKey
    from lunalux_core.credentials import Credentials
    from lunalux_core.library.cache import Cache

Status = Literal["signed_out", "signed_in", "taken_over"]
FOREVER_MS = 10 * 365 * 24 * 3600 * 1000
LOCAL_EMAIL = "me@lunalux.local"


@dataclass(frozen=True, slots=True)
class AccountState:
    """The account as this device knows it; replaced whole, never changed in place.

    `wallet`, `ledger` and `invite` keep the wire's spellings. `fetched_at` is milliseconds since 1970.
    `local` marks the account that the embedded backend made by itself.
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
        embedded: whether the backend runs in this program; then a local account is made by itself.
        place: names the backend in the cache and the credentials store, so that two never mix.
    """

    def __init__(
        self,
        client: Callable[[], BackendClient],
        cache: Cache,
        credentials: Callable[[], Credentials],
        *,
        embedded: bool,
        place: str,
    ) -> None:
        self._client = client
        self._cache = cache
        self._credentials = credentials
        self._embedded = embedded
        self._name = f"session:{place}"
        self._key = f"account:{place}"
        self._session: SessionKey | None = None
        self._loaded = False
        self._lock = asyncio.Lock()
        self.state = AccountState()
        self.watchers: list[Callable[[AccountState], None]] = []

    # -- the session -------------------------------------------------------------------------------

    def session(self) -> SessionKey | None:
        """What the client signs requests with."""
        return self._session

    async def load(self) -> AccountState:
        """The last known state from disk; no network."""
        if self._loaded:
            return self.state
        self._loaded = True
        stored = await asyncio.to_thread(self._credentials().get, self._name)
        cached = await self._cache.get(self._key)
        state = _restored(cached.value) if cached is not None else AccountState()
        if stored:
            from lunalux_core.client.backend import SessionKey

            saved = json.loads(stored)
            self._session = SessionKey(saved["userId"], saved["token"])
        elif state.status == "signed_in":
            state = replace(state, status="signed_out")
        self._set(state)
        return self.state

    async def ensure(self) -> AccountState:
        """A valid session: the stored one checked, else (embedded) the local account made and signed in.

        Raises:
            SessionError: UNAUTHORIZED, when a remote backend needs a person to sign in.
            NetworkError: only when there is no last known state to go on with.
        """
        await self.load()
        async with self._lock:
            if self._session is not None:
                try:
                    await self._client().validate()
                except NetworkError:
                    if not self.state.user_id:
                        raise
                    self._set(replace(self.state, offline=True))
                    return self.state
                except SessionError as error:
                    if error.code == "SESSION_TAKEN_OVER" or not self._embedded:
                        raise
                    return await self._sign_in_locally()
                if not self.state.fetched_at:
                    return await self._sync()
                self._set(replace(self.state, offline=False, status="signed_in"))
                return self.state
            if self._embedded and self.state.status != "taken_over":
                return await self._sign_in_locally()
        raise SessionError(
            "UNAUTHORIZED",
            "You are not signed in.",
            "Sign in with `lunalux account login`, or in the user screen.",
        )

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
        await self._cache.drop(self._key)
        self._set(AccountState())

    async def taken_over(self) -> None:
        """Another device has the session now (460): forget the token, keep everything else."""
        if self._session is None:
            return
        await self._forget()
        self._set(replace(self.state, status="taken_over"))
        await self._store()

    async def renewed(self, session: SessionKey) -> None:
        """The backend sent a new token for the session in force."""
        await self._remember(session)

    # -- the snapshot ------------------------------------------------------------------------------

    async def refresh(self) -> AccountState:
        """Fetch everything anew because the person asked for it."""
        await self.ensure()
        return await self._sync()

    async def set_username(self, username: str) -> AccountState:
        answer = await self._client().set_username(username)
        return await self._update(username=answer.user.username, email=answer.user.email)

    async def redeem(self, coupon: str) -> tuple[str, int]:
        """Redeem a coupon; returns currency and amount. Spaces and full-width signs are put right first."""
        import unicodedata

        code = "".join(unicodedata.normalize("NFKC", coupon).split())
        answer = await self._client().redeem(code)
        await self._update(wallet=_wire(answer.wallet), ledger=_wire(answer.ledger))
        return answer.currency, answer.amount

    async def settle_invites(self) -> tuple[int, int]:
        """Pay out reached milestones; returns how many and the star coins."""
        answer = await self._client().settle_invites()
        await self._update(
            wallet=_wire(answer.wallet), ledger=_wire(answer.ledger), invite=_wire(answer.invite)
        )
        return answer.settled_times, answer.reward_star

    async def history(
        self, cursor: str | None = None, limit: int = 50
    ) -> tuple[list[dict[str, Any]], str | None]:
        """A page of the wallet's movements, newest first, and the cursor of the next."""
        page = await self._client().history(cursor, limit)
        return [_wire(movement) for movement in page.movements], page.next_key

    async def billed(
        self, wallet: Mapping[str, Any], ledger: Mapping[str, Any] | None = None
    ) -> AccountState:
        """Take over the wallet that came with a paid reply."""
        return await self._update(wallet=dict(wallet), ledger=dict(ledger) if ledger else self.state.ledger)

    async def liked(self, character_id: str) -> AccountState:
        """Note a like on this device."""
        return await self._update(liked=self.state.liked | {character_id})

    # -- inside ------------------------------------------------------------------------------------

    async def _sign_in_locally(self) -> AccountState:
        store = self._credentials()
        password = await asyncio.to_thread(store.get, "local-account")
        if password is None:
            password = secrets.token_urlsafe(24)
            try:
                await self._client().sign_up(LOCAL_EMAIL, password)
            except LunaluxError as error:
                if error.code != "EMAIL_TAKEN":
                    raise
                raise SessionError(
                    "LOCAL_ACCOUNT_LOST",
                    "The key to the local account is gone from this computer.",
                    "Sign up with an e-mail of your own: `lunalux account signup`.",
                ) from error
            await asyncio.to_thread(store.set, "local-account", password)
        return await self._sign_in(LOCAL_EMAIL, password, local=True)

    async def _sign_in(
        self, email: str, password: str, *, referral_code: str = "", local: bool = False
    ) -> AccountState:
        from lunalux_core.client.backend import SessionKey

        answer = await self._client().sign_in(email, password)
        await self._remember(SessionKey(answer.user_id, answer.session_token))
        self.state = AccountState("signed_in", answer.user_id, answer.email, answer.username, local=local)
        return await self._sync(referral_code)

    async def _sync(self, referral_code: str = "") -> AccountState:
        client = self._client()
        first = await client.init(self.state.email, referral_code or None)
        models, liked = await asyncio.gather(client.models(), client.liked())
        state = replace(
            self.state,
            status="signed_in",
            user_id=first.user.id,
            email=first.user.email,
            username=first.user.username,
            wallet=_wire(first.wallet),
            ledger=_wire(first.ledger),
            invite=_wire(first.invite),
            models=tuple(_wire(config) for config in models.configs),
            liked=self.state.liked | frozenset(liked.character_ids),
            fetched_at=now_ms(),
            offline=False,
        )
        self._set(state)
        await self._store()
        return state

    async def _update(self, **changes: Any) -> AccountState:
        self._set(replace(self.state, offline=False, **changes))
        await self._store()
        return self.state

    async def _store(self) -> None:
        await self._cache.put(
            self._key, {**asdict(self.state), "liked": sorted(self.state.liked)}, FOREVER_MS
        )

    async def _remember(self, session: SessionKey) -> None:
        self._session = session
        text = json.dumps({"userId": session.user_id, "token": session.token})
        await asyncio.to_thread(self._credentials().set, self._name, text)

    async def _forget(self) -> None:
        self._session = None
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
