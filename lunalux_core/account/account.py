"""Account: who is signed in, what the wallet holds, and the one snapshot every screen watches.

After sign-in everything is fetched once, in parallel, and kept on disk; afterwards only the session is
validated. Answers that carry a new wallet or profile replace that part of
the snapshot without another fetch.

See docs/spec/design.md: Local first.
See docs/spec/backend.md: Identity and security, Money rules.
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
from lunalux_core.prices import Price, kept_price, price_changed, price_of, read_price
from lunalux_core.text import coupon_code

if TYPE_CHECKING:
    from lunalux_core.client.backend import BackendClient
    from lunalux_core.config.credentials import Credentials
    from lunalux_core.library.cache import Cache
    from lunalux_core.wire.official import ModelConfigsResponse

Status = Literal["signed_out", "signed_in", "taken_over"]
FOREVER_MS = 10 * 365 * 24 * 3600 * 1000
RENEW_AFTER_MS = 7 * 24 * 3600 * 1000
REFERRAL_MS = 30 * 24 * 3600 * 1000
"""How long an invitation waits for its account to be confirmed and signed in."""
AGAIN_MS = 30_000
"""After part of the account could not be fetched, it is asked for again no sooner than this."""
LATE_SECONDS = 3.0
"""How long another program of this home may take from making the local account to keeping its key."""
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
    models_version: str = ""
    agreed: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The prices the person knows of, by official model: what was shown first, or agreed to since."""

    @property
    def signed_in(self) -> bool:
        return self.status == "signed_in"

    @property
    def lux_level(self) -> int:
        return _coins(self.wallet, "luxLevel")

    @property
    def star(self) -> int:
        return _coins(self.wallet, "starCoin")

    @property
    def luna(self) -> int:
        return _coins(self.wallet, "lunaCoin")


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
        self._models_stale = False
        self._again_at = 0
        self._trouble: LunaluxError | None = None
        self._lock = asyncio.Lock()
        self._refusing = asyncio.Lock()
        self._redeeming: dict[str, str] = {}
        self.state = AccountState()
        self.watchers: list[Callable[[AccountState], None]] = []
        self.referral_refused = False
        """Whether the invitation code of the last sign-in was of no effect."""

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
        state = restored_state(cached.value) if cached is not None else AccountState()
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
        return restored_state(cached.value).liked if cached is not None else frozenset()

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
            if self._validated and self._session is not None and not self.state.offline and self._whole():
                return await self._with_prices()
            if self._session is None:
                return await self._begin()
            try:
                self._note_version((await self._client().validate()).model_config_version)
                await self._prolong()
                return await self._settled()
            except SessionError:
                raise
            except (NetworkError, BackendError) as error:
                if not self.state.wallet:
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
            # Another request was refused first and has a new session by now.
            if self._session is not None and self._session.token != used.token:
                return True
            stored = await self._stored_session()
            # Another program of this home signed in; the same account only, else replies would be paid by
            # somebody else.
            if stored is not None and stored.token != used.token and stored.user_id == used.user_id:
                self._session = stored
                return True
            if self.state.local:
                await self._sign_in_locally(sync=False)
                return True
            if code == "UNAUTHORIZED" and await self._repair(used):
                return True
            if code == "SESSION_TAKEN_OVER" and self._session is not None:
                await self._forget()
                self._set(replace(self.state, status="taken_over"))
                await self._store(("status",))
            return False

    async def renewed(self, session: SessionKey) -> None:
        """The backend sent a new token for the session in force."""
        await self._renew(session)

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
        answer = await self._client().sign_up(email, password, referral_code or None)
        if referral_code:
            # The code from the mail may come in another program, days later: the invitation waits here.
            await self._cache.put(self._referral_key(email), referral_code, REFERRAL_MS)
        if answer.confirmed:
            await self.sign_in(email, password, referral_code)
        return answer.confirmed

    async def confirm(self, email: str, code: str, password: str = "") -> None:
        """Confirm a new account. With the password it is the one that was begun with it, nobody else's.

        Raises:
            BackendError: CODE_INVALID, also where somebody else began an account for this address first.
        """
        await self._client().confirm(email, code, password)

    async def resend(self, email: str) -> None:
        await self._client().resend(email)

    async def forgot(self, email: str) -> None:
        await self._client().forgot(email)

    async def reset(self, email: str, code: str, password: str) -> None:
        await self._client().reset(email, code, password)

    async def sign_in(self, email: str, password: str, referral_code: str = "") -> AccountState:
        """Sign in; any other device of the account is signed out by that.

        Where the rest cannot be fetched then, one is signed in all the same and it is asked for again.

        Args:
            referral_code: an invitation, for a new account; by default the one given at the sign-up.
        """
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
        await self._store(whole=True)

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
        await self._store(whole=True)

    # -- the snapshot ------------------------------------------------------------------------------

    async def refresh(self) -> AccountState:
        """Fetch everything anew because the person asked for it."""
        await self.load()
        # `online` fetches everything where it never was: then it need not be fetched twice.
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
        # Where the answer is lost, the same wish tried again is answered like the first time.
        answer = await self._client().redeem(code, self._redeeming.setdefault(code, uuid4()))
        self._redeeming.pop(code, None)
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

    # -- prices ------------------------------------------------------------------------------------

    def price(self, model_id: str) -> Price | None:
        """What the person agreed to pay for an official reply; None where the model is not in the list."""
        row = _row_of(self.state, model_id)
        if row is None:
            return None
        return read_price(self.state.agreed.get(model_id)) or price_of(row, self.state.lux_level)

    def check_price(self, model_id: str) -> None:
        """Raises PaymentError (PRICE_CHANGED) where a reply costs more than the person agreed to."""
        row, was = _row_of(self.state, model_id), self.price(model_id)
        if row is None or was is None:
            return
        now = price_of(row, self.state.lux_level)
        if now.dearer_than(was):
            raise price_changed(str(row.get("displayname") or model_id), model_id, was, now)

    async def agree(self, model_id: str) -> AccountState:
        """The person has seen the price of today and pays it from now on."""
        row = official_config(self.state, model_id)
        price = kept_price(price_of(row, self.state.lux_level))
        return await self._update(agreed={**self.state.agreed, model_id: price})

    def note_version(self, version: str | None) -> None:
        """The backend names its price list; one that is not known here is fetched before the next request."""
        self._note_version(version)

    async def refresh_prices(self) -> AccountState:
        """Fetch the price list, because the backend has shown that the known one is old."""
        self._models_stale = True
        return await self._with_prices()

    def _note_version(self, version: str | None) -> None:
        if version and version != self.state.models_version:
            self._models_stale = True

    async def _with_prices(self) -> AccountState:
        """The state, with the price list fetched where another one is in force; an old one is no trouble:
        the backend is told what the person was shown."""
        if self._models_stale:
            with suppress(LunaluxError):
                answer = await self._client().models()
                self._models_stale = False
                await self._update(**self._prices(answer))
        return self.state

    def _prices(self, answer: ModelConfigsResponse) -> dict[str, Any]:
        """The parts of the state that a price list changes. A price that fell is agreed to by itself."""
        models = tuple(_wire(config) for config in answer.configs)
        agreed = dict(self.state.agreed)
        for row in models:
            now, was = price_of(row, self.state.lux_level), self.price(row["modelId"])
            if was is None or not now.dearer_than(was):
                agreed[row["modelId"]] = kept_price(now)
        return {"models": models, "models_version": answer.model_config_version or "", "agreed": agreed}

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
        if not self.state.fetched_at:
            state = await self._sync()
        else:
            state = self.state
            if state.offline or state.status != "signed_in":
                self._set(replace(state, offline=False, status="signed_in"))
        self._validated = True
        self._trouble = None
        return await self._with_prices()

    def _whole(self) -> bool:
        """Whether everything is there that belongs to the account, or was asked for a moment ago."""
        return bool(self.state.fetched_at) or self._clock() < self._again_at

    async def _prolong(self) -> None:
        """Ask for a later expiry once in a while, so that a program in use is never signed out by time."""
        if self._session is None or self._clock() - self._session.issued_at < RENEW_AFTER_MS:
            return
        try:
            answer = await self._client().refresh()
        except LunaluxError:
            return  # the session in force still holds; the next start tries again
        await self._renew(SessionKey(answer.user_id, answer.session_token, self._clock()))

    async def _sign_in_locally(self, *, sync: bool = True) -> AccountState:
        store = self._credentials()
        saved = await asyncio.to_thread(store.get, self._local_name)
        if saved is None:
            saved = await self._new_local()
        secret = _secret(saved, "email", "password")
        if secret is None:
            raise _local_lost()
        try:
            return await self._sign_in(secret["email"], secret["password"], local=True, sync=sync)
        except BackendError as error:
            if error.code != "BAD_CREDENTIALS":
                raise
        # The backend's folder was emptied or exchanged since: the account is made there anew.
        await self._make_local(saved)
        return await self._sign_in(secret["email"], secret["password"], local=True)

    async def _new_local(self) -> str:
        """Make the local account and keep its key; or take the key that another program has just made."""
        store = self._credentials()
        name = "me" if self._local_name == "local-account" else f"local-{secrets.token_hex(4)}"
        saved = json.dumps({"email": f"{name}@{LOCAL_DOMAIN}", "password": secrets.token_urlsafe(24)})
        try:
            await self._make_local(saved)
        except SessionError:
            for _ in range(int(LATE_SECONDS * 10)):
                await asyncio.sleep(0.1)
                if (text := await asyncio.to_thread(store.get, self._local_name)) is not None:
                    return text
            raise
        await asyncio.to_thread(store.set, self._local_name, saved)
        return saved

    async def _make_local(self, saved: str) -> None:
        credentials = json.loads(saved)
        try:
            await self._client().sign_up(credentials["email"], credentials["password"])
        except BackendError as error:
            if error.code != "EMAIL_TAKEN":
                raise
            raise _local_lost() from error

    async def _sign_in(
        self, email: str, password: str, *, referral_code: str = "", local: bool = False, sync: bool = True
    ) -> AccountState:
        answer = await self._client().sign_in(email, password)
        proof = self._client().identity()
        await self._remember(SessionKey(answer.user_id, answer.session_token, self._clock(), proof))
        if not sync and answer.user_id == self.state.user_id:
            self._validated = True
            return await self._update(status="signed_in")
        self._set(
            AccountState(
                "signed_in",
                answer.user_id,
                answer.email,
                answer.username,
                local=local,
                models=self.state.models,
                agreed=self.state.agreed,
            )
        )
        await self._store(whole=True)  # where the rest does not come, the next start knows who this is
        self._validated = False
        try:
            await self._sync(referral_code or await self._kept_referral(email))
        except SessionError:
            raise
        except (NetworkError, BackendError) as error:
            if local:
                raise
            self._trouble = error
            self._set(replace(self.state, offline=True))
            return self.state
        self._validated = True
        return self.state

    async def _sync(self, referral_code: str = "") -> AccountState:
        """Everything at once: first what makes the account, then the rest side by side."""
        client = self._client()
        code = referral_code or await self._kept_referral(self.state.email)
        # Set before the requests: where one fails, the same is not asked for again at once.
        self._again_at = self._clock() + AGAIN_MS
        # Makes profile and wallet where they are missing, so it comes before all that reads them.
        first = await client.init(self.state.email or None, code or None)
        self.referral_refused = bool(code) and first.referral_accepted is False
        if code:
            await self._cache.drop(self._referral_key(self.state.email or first.user.email))
        # Either may fail without the other: a sign-in must not depend on the price list.
        models, liked = await asyncio.gather(client.models(), client.liked(), return_exceptions=True)
        whole = not isinstance(models, BaseException) and not isinstance(liked, BaseException)
        self._set(
            replace(
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
        )
        state = self.state
        if not isinstance(models, BaseException):
            self._models_stale = False
            state = replace(state, **self._prices(models))
        if not isinstance(liked, BaseException):
            state = replace(state, liked=state.liked | frozenset(liked.character_ids))
        self._set(state)
        await self._store(whole=True)
        for outcome in (models, liked):
            if isinstance(outcome, asyncio.CancelledError | SessionError):
                raise outcome
        await self._pay_milestones()
        return self.state

    async def _pay_milestones(self) -> None:
        """Invite rewards that are due are paid out at the sign-in; where that fails they stay due."""
        threshold = _coins(self.state.invite, "threshold")
        if not threshold or _coins(self.state.invite, "unissuedRewardCount") < threshold:
            return
        with suppress(LunaluxError):
            paid = await self._client().settle_invites()
            await self._update(
                wallet=_wire(paid.wallet), ledger=_wire(paid.ledger), invite=_wire(paid.invite)
            )

    def _referral_key(self, email: str) -> str:
        return f"referral:{self._key}:{email.strip().casefold()}"

    async def _kept_referral(self, email: str) -> str:
        """The invitation that a sign-up with this address came with, and that no account has used yet."""
        cached = await self._cache.get(self._referral_key(email)) if email else None
        return (
            cached.value if cached and cached.fresh(self._clock()) and isinstance(cached.value, str) else ""
        )

    async def _update(self, **changes: Any) -> AccountState:
        # The balance on screen is of now; where something was never fetched, 0 must stay, or it never would
        # be.
        if "wallet" in changes and "ledger" in changes and self.state.fetched_at:
            changes["fetched_at"] = self._clock()
        self._set(replace(self.state, offline=False, **changes))
        await self._store(tuple(changes))
        return self.state

    async def _store(self, names: tuple[str, ...] = (), *, whole: bool = False) -> None:
        """Keep the snapshot: all of it, or the parts that changed, since another program of this home may
        have changed others. What is liked here and there is liked."""
        state = {**asdict(self.state), "liked": sorted(self.state.liked), "offline": False}

        def merged(cached: Any) -> dict[str, Any]:
            same = isinstance(cached, dict) and cached.get("user_id") == state["user_id"]
            if not same:
                return state
            likes = cached.get("liked")
            liked = (
                {like_id for like_id in likes if isinstance(like_id, str)}
                if isinstance(likes, list)
                else set()
            )
            both = {"liked": sorted(liked | self.state.liked)}
            return {
                **(state if whole else {**state, **cached, **{name: state[name] for name in names}}),
                **both,
            }

        await self._cache.update(self._key, merged, FOREVER_MS)

    async def _stored_session(self) -> SessionKey | None:
        stored = await asyncio.to_thread(self._credentials().get, self._name)
        return _session(stored)

    async def _remember(self, session: SessionKey) -> None:
        self._session = session
        await asyncio.to_thread(self._credentials().set, self._name, _kept_session(session))

    async def _renew(self, session: SessionKey) -> None:
        """Keep a later token of the session in force, unless somebody else has signed in here meanwhile."""
        used = self._session
        session = replace(session, proof=session.proof or (used.proof if used is not None else ""))

        def change(stored: str | None) -> str | None:
            before = _session(stored)
            mine = before is None or used is None or before.token == used.token
            return _kept_session(session) if mine else stored

        self._session = session
        await asyncio.to_thread(self._credentials().update, self._name, change)

    async def _repair(self, used: SessionKey) -> bool:
        """A new session for one that the backend has lost, where the proof of the sign-in still holds."""
        if not used.proof:
            return False
        with suppress(LunaluxError):
            fresh = await self._client().repair(used)
            if fresh is not None:
                await self._renew(fresh)
                return True
        return False

    async def _forget(self) -> None:
        """Let go of the session in force; one that another program began meanwhile stays."""
        used, self._session = self._session, None
        self._validated = False

        def change(stored: str | None) -> str | None:
            before = _session(stored)
            return stored if before is not None and used is not None and before.token != used.token else None

        await asyncio.to_thread(self._credentials().update, self._name, change)

    def _set(self, state: AccountState) -> None:
        self.state = state
        for watcher in self.watchers:
            watcher(state)


def official_config(state: AccountState, model_id: str) -> Mapping[str, Any]:
    """The price list row of an official model. Raises NotFound (MODEL_UNKNOWN)."""
    config = _row_of(state, model_id)
    if config is not None:
        return config
    raise NotFound(
        "MODEL_UNKNOWN",
        f"There is no official model {model_id!r}.",
        "`lunalux model list` shows them all.",
        name=model_id,
    )


def _row_of(state: AccountState, model_id: str) -> Mapping[str, Any] | None:
    return next((config for config in state.models if config.get("modelId") == model_id), None)


def _local_lost() -> SessionError:
    return SessionError(
        "LOCAL_ACCOUNT_LOST",
        "The key to the local account is gone from this computer.",
        "Sign up with an e-mail of your own: `lunalux account signup`.",
    )


def _wire(value: Any) -> dict[str, Any]:
    wire: dict[str, Any] = value.model_dump(by_alias=True, mode="json")
    return wire


def _coins(amounts: Mapping[str, Any], name: str) -> int:
    amount = amounts.get(name, 0)
    return amount if isinstance(amount, int) else 0


def _secret(text: str, *names: str) -> dict[str, str] | None:
    """A stored secret of several texts; None where it is another thing."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    whole = isinstance(document, dict) and all(isinstance(document.get(name), str) for name in names)
    return document if whole else None


def _session(stored: str | None) -> SessionKey | None:
    """The session as it was kept; None where there is none, or one of another shape."""
    saved: dict[str, Any] | None = _secret(stored, "userId", "token") if stored else None
    if saved is None or not _sendable(saved["userId"], saved["token"]):
        return None
    issued, proof = saved.get("issuedAt"), saved.get("proof")
    return SessionKey(
        saved["userId"],
        saved["token"],
        issued if isinstance(issued, int) else 0,
        proof if isinstance(proof, str) and _sendable(proof) else "",
    )


def _sendable(*texts: str) -> bool:
    """Whether these can be HTTP headers."""
    return all(text.isascii() and text.isprintable() for text in texts)


def _kept_session(session: SessionKey) -> str:
    saved = {"userId": session.user_id, "token": session.token, "issuedAt": session.issued_at}
    return json.dumps(saved | ({"proof": session.proof} if session.proof else {}))


def restored_state(value: Any) -> AccountState:
    """The snapshot that a row of the cache holds. What is of another shape is left out and fetched anew."""
    cached = value if isinstance(value, Mapping) else {}
    state = AccountState()
    restored: dict[str, Any] = {}
    for name in AccountState.__dataclass_fields__:
        item, default = cached.get(name), getattr(state, name)
        if name == "username":
            good = isinstance(item, str)
        elif isinstance(default, bool) or not isinstance(default, int):
            good = isinstance(item, type(default))
        else:
            good = isinstance(item, int) and not isinstance(item, bool)
        if good:
            restored[name] = item
    if restored.get("status") not in {"signed_out", "signed_in", "taken_over"}:
        restored.pop("status", None)
    likes, rows = cached.get("liked"), cached.get("models")
    restored["liked"] = (
        frozenset(x for x in likes if isinstance(x, str)) if isinstance(likes, list) else frozenset()
    )
    restored["models"] = tuple(filter(_is_row, rows)) if isinstance(rows, list) else ()
    for name in ("wallet", "ledger", "invite"):
        if name in cached and not _is_whole(name, restored.get(name)):
            restored[name] = {}
            restored["fetched_at"] = 0
    return AccountState(**restored)


_WHOLE: Mapping[str, tuple[str, ...]] = {
    "wallet": ("luxLevel", "starCoin", "lunaCoin"),
    "ledger": ("totalStarCoinUsed", "totalStarCoinGain", "totalLunaCoinUsed", "totalLunaCoinGain"),
    "invite": ("totalInvites", "unissuedRewardCount", "threshold", "milestoneRewardStar"),
}
"""The numbers without which a part of the snapshot cannot be shown."""


def _is_whole(name: str, part: Any) -> bool:
    if not part and isinstance(part, dict):
        return True
    if name == "invite" and not (isinstance(part, dict) and isinstance(part.get("inviteCode"), str)):
        return False
    return isinstance(part, dict) and all(type(part.get(field_name)) is int for field_name in _WHOLE[name])


def _is_row(row: Any) -> bool:
    """Whether this can be shown as a row of the price list."""
    return (
        isinstance(row, dict)
        and all(isinstance(row.get(name), str) for name in ("modelId", "displayname"))
        and all(type(row.get(name)) is int for name in ("freeLevel", "starCost", "lunaCost"))
        and all(isinstance(row.get(name), bool) for name in ("allowStar", "allowLuna"))
    )
