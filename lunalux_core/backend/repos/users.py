"""User profiles: first arrival and usernames.

See docs/spec/backend.md: Transactions, Money rules, Identity and security.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from lunalux_core.backend.money.billing import CURRENCIES, Currency, Wallet
from lunalux_core.backend.repos.invites import Invite, Invites, invite_of
from lunalux_core.backend.repos.invites import profile_key as invite_key
from lunalux_core.backend.repos.ledger import (
    OPENING,
    Ledger,
    Ledgers,
    is_odd,
    ledger_of,
    new_ledger,
    opening_moves,
)
from lunalux_core.backend.repos.movements import (
    COIN,
    GAIN,
    USED,
    ledger_key,
    move_key,
    refuse_erased,
    user_pk,
    wallet_key,
)
from lunalux_core.backend.repos.usernames import Username
from lunalux_core.backend.repos.wallets import wallet_of
from lunalux_core.backend.running.backend_settings import TableNames
from lunalux_core.backend.running.clock import iso
from lunalux_core.backend.storage.foreign_values import optional_text, text, unchanged
from lunalux_core.backend.storage.table import (
    Absent,
    All,
    AnyOf,
    Check,
    ConditionFailed,
    Delete,
    Eq,
    Exists,
    Item,
    Key,
    Operation,
    Put,
    Store,
    Unavailable,
    Update,
)
from lunalux_core.errors import BackendError, NotFound

FIRST_COINS: dict[Currency, int] = {"star": 100, "luna": 100}
TRIES = 8
LONGEST_OWNED = 100


@dataclass(frozen=True, slots=True)
class User:
    id: str
    email: str
    username: str | None
    created_at: str


@dataclass(frozen=True, slots=True)
class NewAccount:
    """All that belongs to an account at its start. `referred`: whether a code that came along counts."""

    user: User
    wallet: Wallet
    ledger: Ledger
    invite: Invite
    referred: bool | None = None


@dataclass(frozen=True, slots=True)
class _Rows:
    """An account's rows as they stand; `opening` is its first movement."""

    profile: Item | None
    wallet: Item | None
    ledger: Item | None
    opening: Item | None
    invite: Item | None

    def account(self) -> NewAccount | None:
        """The account, if every row is there."""
        if not (self.profile and self.wallet and self.ledger and self.opening and self.invite):
            return None
        if is_odd(self.wallet, COIN.values()) or is_odd(self.ledger, (*USED.values(), *GAIN.values())):
            return None
        if not text(self.invite.get("inviteCode")):
            return None
        return NewAccount(
            user_of(self.profile), wallet_of(self.wallet), ledger_of(self.ledger), invite_of(self.invite)
        )


class Users:
    """The user table's profiles and username owners."""

    def __init__(
        self, store: Store, tables: TableNames, ledgers: Ledgers, invites: Invites, now_ms: Callable[[], int]
    ) -> None:
        self._store, self._tables = store, tables
        self._ledgers, self._invites, self._now_ms = ledgers, invites, now_ms

    async def get(self, user_id: str) -> User | None:
        item = await self._store.get(self._tables.user, profile_key(user_id))
        return None if item is None else user_of(item)

    async def all(self) -> list[User]:
        """Every profile, the newest first, for operators; reads the whole table."""
        users = [
            user_of(row)
            async for row in self._store.scan_all(self._tables.user)
            if row["SK"] == "PROFILE" and str(row["PK"]).startswith("USER#")
        ]
        return sorted(users, key=lambda user: user.created_at, reverse=True)

    async def require(self, user_id: str) -> User:
        """The profile.

        Raises:
            NotFound: USER_NOT_FOUND.
        """
        user = await self.get(user_id)
        if user is None:
            raise _no_user()
        return user

    async def init(
        self, user_id: str, email: str, referral: str | None = None, address: str | None = None
    ) -> NewAccount:
        """The account, made where it is new and completed where it is an old one; safe to repeat.

        A valid `referral` code counts once in the account's first day, unless too many were invited at its
        `address` today; None where addresses are not counted.

        Raises:
            SessionError: UNAUTHORIZED, the account was erased meanwhile.
        """
        account = await self._complete(user_id, email)
        if account.user.username is not None:
            await self._own_shape(user_id, account.user.username)
        if not referral:
            return account
        code = referral.strip()
        if await self._invites.accept(user_id, code, account.user.created_at, address):
            return replace(await self._complete(user_id, email), referred=True)
        return replace(account, referred=await self._invites.counted(user_id, code))

    async def _own_shape(self, user_id: str, username: str) -> None:
        """Guard a name that is older than the shapes against look-alikes, from its owner's next login on."""
        if not 0 < len(username) <= LONGEST_OWNED:
            return
        name, table = Username.known(username), self._tables.user
        key = shape_key(name)
        if await self._store.get(table, key) is not None:
            return
        owned = {"username": name.shown, "usernameLower": name.lower, "userId": user_id}
        try:
            await self._store.write(Put(table, _item(key, owned), when=Absent()))
        except ConditionFailed:
            return  # somebody was faster

    async def _complete(self, user_id: str, email: str) -> NewAccount:
        for _ in range(TRIES):
            rows = await self._read(user_id)
            account = rows.account()
            if account is not None:
                return account
            try:
                await self._repair(user_id, email, rows)
            except ConditionFailed:
                continue  # another request is at it too; look again
        raise Unavailable("The account could not be set up.")

    async def _read(self, user_id: str) -> _Rows:
        tables, read = self._tables, self._store.get
        profile, wallet, ledger, opening, invite = await asyncio.gather(
            read(tables.user, profile_key(user_id)),
            read(tables.wallet, wallet_key(user_id)),
            read(tables.ledger, ledger_key(user_id)),
            read(tables.ledger, move_key(user_id, OPENING["star"])),
            read(tables.invite, invite_key(user_id)),
        )
        return _Rows(profile, wallet, ledger, opening, invite)

    async def _repair(self, user_id: str, email: str, rows: _Rows) -> None:
        """Whatever is missing, in one transaction; a new account is whole or not there at all."""
        writes: list[Operation] = []
        if rows.profile is None:
            profile = {"userId": user_id, "email": email, "createdAt": iso(self._now_ms())}
            writes.append(Put(self._tables.user, _item(profile_key(user_id), profile), when=Absent()))
        if rows.wallet is None:
            writes += await self._first_wallet(user_id, rows)
        if rows.invite is None:
            writes += self._invites.new_profile(user_id)
        if writes:
            await self._store.transact(writes)
            await refuse_erased(self._store, self._tables, user_id, self._now_ms())
        elif rows.invite is not None:
            await self._invites.get(user_id)  # mends it
        if rows.wallet is not None:
            await self._ledgers.heal(user_id)

    async def _first_wallet(self, user_id: str, rows: _Rows) -> list[Operation]:
        """A wallet with the first coins, its ledger and movements.

        Where an older ledger or movements exist without their wallet, it holds what they say.
        """
        now = self._now_ms()
        coins, beside = dict(FIRST_COINS), list[Operation]()
        if rows.ledger is not None:
            ledger = ledger_of(rows.ledger)
            coins = {currency: max(0, ledger.balance(currency)) for currency in CURRENCIES}
            stood = [Exists(), *unchanged(rows.ledger, "updatedAt", *USED.values(), *GAIN.values())]
            beside.append(Check(self._tables.ledger, ledger_key(user_id), when=stood))
        else:
            if rows.opening is not None:
                sums = await self._ledgers.movement_sums(user_id)
                coins = {currency: max(0, sums[currency]) for currency in CURRENCIES}
            beside.append(Put(self._tables.ledger, new_ledger(user_id, coins, now), when=Absent()))
            if rows.opening is None:
                beside += opening_moves(self._tables, user_id, coins, now)
        moment = iso(now)
        wallet = {"userId": user_id, "luxLevel": 0, "createdAt": moment, "updatedAt": moment}
        wallet |= {COIN[currency]: amount for currency, amount in coins.items()}
        return [Put(self._tables.wallet, _item(wallet_key(user_id), wallet), when=Absent()), *beside]

    async def rename(self, user_id: str, username: str) -> User:
        """Take a username, or change how one's own is written.

        Raises:
            InvalidInput: USERNAME_INVALID. BackendError: USERNAME_TAKEN. NotFound: USER_NOT_FOUND.
        """
        wish = Username.parse(username)
        for _ in range(TRIES):
            profile = await self._store.get(self._tables.user, profile_key(user_id))
            if profile is None:
                raise _no_user()
            if profile.get("username") == wish.shown:
                return user_of(profile)
            writes, owners = await self._claim(user_id, profile, wish)
            try:
                await self._store.transact(writes)
            except ConditionFailed as failed:
                if failed.index < owners:
                    raise _taken(wish) from None
                continue  # another rename of one's own came between
            return user_of({**profile, "username": wish.shown})
        raise Unavailable("The username could not be changed.")

    async def _claim(self, user_id: str, profile: Item, wish: Username) -> tuple[list[Operation], int]:
        """The transaction, and how many of its first operations claim rows of the new name."""
        table, old = self._tables.user, _small_name(profile)
        mine = AnyOf(Absent(), Eq("userId", user_id))
        owned = {"username": wish.shown, "usernameLower": wish.lower, "userId": user_id}
        claimed = owner_keys(wish)
        if old is not None and Username.known(old).lower == wish.lower:
            # Only the case changes: a name that is older than the shapes stays with its owner, whoever has
            # its shape.
            shape = await self._store.get(table, shape_key(wish))
            if shape is not None and shape.get("userId") != user_id:
                claimed = [key for key in claimed if key.pk != _shape_pk(wish)]
        writes: list[Operation] = [Put(table, _item(key, owned), when=mine) for key in claimed]
        as_read = unchanged(profile, "usernameLower")
        writes.append(
            Update(
                table,
                profile_key(user_id),
                set={"username": wish.shown, "usernameLower": wish.lower},
                when=(Exists(), *as_read),
            )
        )
        former_keys = [] if old is None else owner_keys(Username.known(old))
        former_keys = [key for key in former_keys if key not in claimed]
        rows = await self._store.get_many(table, former_keys) if former_keys else {}
        # A name that is older than the shapes owns no such row; somebody else may by now.
        writes += [
            Delete(table, Key(*key), when=mine) for key, row in rows.items() if row.get("userId") == user_id
        ]
        return writes, len(claimed)

    async def erase(self, user_id: str) -> None:
        """Take an account's own rows away, and let its username go, in one transaction."""
        for _ in range(TRIES):
            profile = await self._store.get(self._tables.user, profile_key(user_id))
            name = _small_name(profile or {})
            as_read = All(*unchanged(profile or {}, "usernameLower"))
            writes: list[Operation] = [
                Delete(self._tables.user, profile_key(user_id), when=AnyOf(Absent(), as_read)),
                Delete(self._tables.wallet, wallet_key(user_id)),
                Delete(self._tables.ledger, ledger_key(user_id)),
                *await self._invites.leaving(user_id),
            ]
            names = [] if name is None else owner_keys(Username.known(name))
            owners = await self._store.get_many(self._tables.user, names) if names else {}
            writes += [
                Delete(self._tables.user, Key(*key), when=Eq("userId", user_id))
                for key, row in owners.items()
                if row.get("userId") == user_id
            ]
            try:
                await self._store.transact(writes)
                return
            except ConditionFailed:
                continue  # renamed meanwhile
        raise Unavailable("The account could not be erased.")

    async def owner(self, username: str) -> str | None:
        """The user id behind a username, for operators."""
        key = owner_keys(Username.known(username))[0]
        row = await self._store.get(self._tables.user, key)
        return None if row is None else optional_text(row.get("userId"))


def user_of(item: Item) -> User:
    return User(
        id=str(item["PK"]).removeprefix("USER#"),
        email=text(item.get("email")),
        username=optional_text(item.get("username")),
        created_at=text(item.get("createdAt")),
    )


def _small_name(profile: Item) -> str | None:
    """The name that a profile says it owns, None where it could own none."""
    name = text(profile.get("usernameLower"))
    return name if 0 < len(name) <= LONGEST_OWNED else None


def profile_key(user_id: str) -> Key:
    return Key(user_pk(user_id), "PROFILE")


def owner_keys(name: Username) -> list[Key]:
    """The rows that a name owns: the documented one, one for its shape, and that of its plain small spelling
    where that is another."""
    spellings = dict.fromkeys((f"USERNAME#{name.lower}", _shape_pk(name), f"USERNAME#{name.small}"))
    return [Key(pk, "OWNER") for pk in spellings]


def shape_key(name: Username) -> Key:
    """The row that guards a name against look-alikes."""
    return Key(_shape_pk(name), "OWNER")


def _shape_pk(name: Username) -> str:
    return f"USERNAME_SHAPE#{name.shape}"


def _item(key: Key, attributes: Mapping[str, object]) -> dict[str, object]:
    return {"PK": key.pk, "SK": key.sk, **attributes}


def _no_user() -> NotFound:
    return NotFound("USER_NOT_FOUND", "This account was not set up yet.", "Sign in again.")


def _taken(name: Username) -> BackendError:
    return BackendError(
        "USERNAME_TAKEN",
        f"The username {name.shown} is taken.",
        "Choose another one.",
        username=name.shown,
    )
