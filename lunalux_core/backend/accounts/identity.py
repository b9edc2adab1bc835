"""Who somebody is: the port, and the local account store (argon2, no mail needed).

Answers are uniform: signing up with a taken address looks like any sign-up until the mailed code was
right; unknown addresses and wrong passwords get one answer, after the same work. Where no code is asked
for (the embedded store) a taken address must be told at once.

Rows in the user table, beside the documented ones: `EMAIL#{address}` with `IDENTITY` (a confirmed account),
`SIGNUP` (one that waits for its code) and `RESET` (a wish for a new password).

See docs/spec/design.md: Embedded and served.
See docs/spec/backend.md: Identity and security.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from lunalux_core.backend.running.logs import logger, masked
from lunalux_core.backend.running.signatures import digest
from lunalux_core.backend.storage.foreign_values import optional_text, text, unchanged, whole
from lunalux_core.backend.storage.table import (
    Absent,
    AnyOf,
    ConditionFailed,
    Delete,
    Eq,
    Exists,
    Key,
    Le,
    Put,
    Store,
    Update,
)
from lunalux_core.errors import BackendError, InvalidInput
from lunalux_core.ids import uuid4
from lunalux_core.text import normal_email

CODE_MINUTES = 15
CODE_TRIES = 5
LONGEST_ID = 128  # of an account; a longer one cannot be part of a key
MIN_PASSWORD = 8
_COMMON = frozenset({"password", "passw0rd", "12345678", "123456789", "1234567890", "qwertyui", "qwerty123"})


@dataclass(frozen=True, slots=True)
class SignedUp:
    user_id: str
    confirmed: bool


@dataclass(frozen=True, slots=True)
class ProvedAccount:
    """A proved identity. `cookie` is what may later prove it again, where the provider has such.

    `password_hash` is of the password that proved it, where that is our own store's.
    """

    user_id: str
    email: str
    cookie: str | None = None
    password_hash: str = field(default="", repr=False)


class Identity(Protocol):
    """Proves who somebody is; sessions are made elsewhere."""

    async def sign_up(self, email: str, password: str) -> SignedUp:
        """Raises BackendError WEAK_PASSWORD, or EMAIL_TAKEN where no code is asked for."""
        ...

    async def confirm(self, email: str, code: str, password: str | None = None) -> None:
        """Confirm an address; with `password` only a sign-up that was begun with it.

        Raises BackendError CODE_INVALID, CODE_EXPIRED, EMAIL_TAKEN."""
        ...

    async def resend(self, email: str) -> None: ...

    async def sign_in(self, email: str, password: str) -> ProvedAccount:
        """Raises BackendError BAD_CREDENTIALS, USER_NOT_CONFIRMED."""
        ...

    async def still_proved(self, account: ProvedAccount) -> bool:
        """Whether what `sign_in` was given proves the account yet. Asked once a session has begun: a reset
        before it has ended only the sessions that there were, one after it ends this one, too."""
        ...

    async def forgot(self, email: str) -> None: ...

    async def reset(self, email: str, code: str, password: str) -> str | None:
        """Set a new password; returns the account whose sessions must end, where it is known.

        Raises BackendError CODE_INVALID, CODE_EXPIRED, WEAK_PASSWORD.
        """
        ...

    async def prove(self, cookie: str) -> ProvedAccount | None:
        """The account a kept cookie still proves, if any."""
        ...

    async def find(self, email: str) -> str | None:
        """The user id of a confirmed address; for operators."""
        ...

    async def remove(self, email: str, user_id: str) -> None:
        """Forget an account and whatever waits for a code of its address. An address that is
        another account's by now stays that account's."""
        ...


def check_password(email: str, password: str) -> None:
    """Raises BackendError WEAK_PASSWORD."""
    lower = password.lower()
    too_plain = len(set(password)) < 4 or lower in _COMMON or lower == normal_email(email)
    if len(password) < MIN_PASSWORD or too_plain:
        raise BackendError(
            "WEAK_PASSWORD",
            f"The password needs at least {MIN_PASSWORD} characters and must not be easy to guess.",
            "Choose a longer one, for instance a few unrelated words.",
            least=MIN_PASSWORD,
        )


@dataclass(frozen=True, slots=True)
class _Code:
    """A code that proves an address, and until when."""

    digits: str
    expires_ms: int

    @property
    def row(self) -> dict[str, Any]:
        """What is kept of it."""
        return {"codeHash": digest(self.digits), "codeExpiresAt": self.expires_ms, "tries": 0}

    def tell(self, purpose: str, email: str) -> None:
        """Without a mail service the server's log is where codes are read."""
        logger.warning("%s code for %s: %s", purpose, masked(email), self.digits)


class LocalIdentity:
    """Accounts in our own store. With `require_confirmation` codes are printed to the server's log only."""

    def __init__(
        self, store: Store, table: str, *, require_confirmation: bool, now_ms: Callable[[], int]
    ) -> None:
        self._store, self._table, self._now_ms = store, table, now_ms
        self._require_confirmation = require_confirmation
        self._decoy: str | None = None

    async def sign_up(self, email: str, password: str) -> SignedUp:
        check_password(email, password)
        email = normal_email(email)
        # Hashed before anything is looked up: a taken address takes as long as a free one.
        user_id, hashed = uuid4(), await _hash(password)
        account = {"userId": user_id, "email": email, "passwordHash": hashed, "createdAt": self._now_ms()}
        if self._require_confirmation:
            # What waits for its code is whoever's who began it: a later one would be confirmed with the code
            # that the first one is about to enter. When the code has run out, anybody may begin anew.
            code, row = self._code(), self._item(email, "SIGNUP", account)
            free = AnyOf(Absent(), Absent("codeExpiresAt"), Le("codeExpiresAt", self._now_ms()))
            try:
                await self._store.write(Put(self._table, {**row, **code.row}, when=free))
            except ConditionFailed:
                return SignedUp(user_id, confirmed=False)
            code.tell("confirmation", email)
            return SignedUp(user_id, confirmed=False)
        try:
            await self._store.write(Put(self._table, self._item(email, "IDENTITY", account), when=Absent()))
        except ConditionFailed:
            raise _email_taken() from None
        return SignedUp(user_id, confirmed=True)

    async def confirm(self, email: str, code: str, password: str | None = None) -> None:
        email = normal_email(email)
        row = await self._spend_try(email, "SIGNUP", code)
        if password is not None and not await _matches(row.get("passwordHash"), password):
            raise _code_invalid()
        account = {
            "userId": text(row.get("userId")) or uuid4(),
            "email": email,
            "passwordHash": text(row.get("passwordHash")),
            "createdAt": whole(row.get("createdAt")),
        }
        try:
            await self._store.transact(
                [
                    Put(self._table, self._item(email, "IDENTITY", account), when=Absent()),
                    # Fails where the code was renewed or used meanwhile.
                    Delete(self._table, _key(email, "SIGNUP"), when=unchanged(row, "codeHash")),
                ]
            )
        except ConditionFailed as failed:
            raise (_email_taken() if failed.index == 0 else _code_invalid()) from None

    async def resend(self, email: str) -> None:
        email = normal_email(email)
        if await self._store.get(self._table, _key(email, "SIGNUP")):
            await self._renew_code(email, "SIGNUP", "confirmation")

    async def sign_in(self, email: str, password: str) -> ProvedAccount:
        email = normal_email(email)
        row = await self._store.get(self._table, _key(email, "IDENTITY"))
        if row is not None:
            user_id = text(row.get("userId"))
            hashed = text(row.get("passwordHash"))
            if await _matches(hashed, password) and 0 < len(user_id) <= LONGEST_ID:
                return ProvedAccount(user_id, email, password_hash=hashed)
            raise bad_credentials()
        waiting = await self._store.get(self._table, _key(email, "SIGNUP"))
        # An address that nobody has costs the same work as a known one.
        if self._decoy is None:
            self._decoy = await _hash(uuid4())
        if await _matches(waiting.get("passwordHash") if waiting else self._decoy, password):
            raise BackendError(
                "USER_NOT_CONFIRMED",
                "This address is not confirmed yet.",
                "Enter the code that was sent to it, or ask for another one.",
            )
        raise bad_credentials()

    async def still_proved(self, account: ProvedAccount) -> bool:
        row = await self._store.get(self._table, _key(account.email, "IDENTITY"))
        if row is None or row.get("userId") != account.user_id:
            return False
        return text(row.get("passwordHash")) == account.password_hash

    async def forgot(self, email: str) -> None:
        email = normal_email(email)
        if await self._store.get(self._table, _key(email, "IDENTITY")):
            code = self._code()
            await self._store.write(Put(self._table, self._item(email, "RESET", code.row), when=None))
            code.tell("password reset", email)

    async def reset(self, email: str, code: str, password: str) -> str | None:
        check_password(email, password)
        email = normal_email(email)
        wish = await self._spend_try(email, "RESET", code)
        hashed = await _hash(password)
        try:
            await self._store.transact(
                [
                    Update(self._table, _key(email, "IDENTITY"), set={"passwordHash": hashed}, when=Exists()),
                    Delete(self._table, _key(email, "RESET"), when=unchanged(wish, "codeHash")),
                ]
            )
        except ConditionFailed:
            raise _code_invalid() from None
        return await self.find(email)

    async def prove(self, cookie: str) -> ProvedAccount | None:
        return None  # our own store cannot lose a session without losing the account with it

    async def find(self, email: str) -> str | None:
        row = await self._store.get(self._table, _key(normal_email(email), "IDENTITY"))
        return None if row is None else optional_text(row.get("userId"))

    async def remove(self, email: str, user_id: str) -> None:
        email = normal_email(email)
        try:
            await self._store.write(Delete(self._table, _key(email, "IDENTITY"), when=Eq("userId", user_id)))
        except ConditionFailed:
            return  # gone already, or somebody's who came after
        for kind in ("SIGNUP", "RESET"):
            await self._store.write(Delete(self._table, _key(email, kind)))

    async def _renew_code(self, email: str, kind: Literal["SIGNUP", "RESET"], purpose: str) -> None:
        code = self._code()
        try:
            await self._store.write(Update(self._table, _key(email, kind), set=code.row, when=Exists()))
        except ConditionFailed:
            return  # confirmed meanwhile
        code.tell(purpose, email)

    async def _spend_try(self, email: str, kind: Literal["SIGNUP", "RESET"], code: str) -> Mapping[str, Any]:
        """The waiting row, if `code` is right. Every guess is counted before it is judged."""
        try:
            row = await self._store.write(
                Update(self._table, _key(email, kind), incr={"tries": 1}, when=Le("tries", CODE_TRIES - 1))
            )
        except ConditionFailed:
            raise _code_invalid() from None
        stored = text(row.get("codeHash")) if row is not None else ""
        if row is None or not hmac.compare_digest(stored.encode(), digest(code.strip()).encode()):
            raise _code_invalid()
        # Judged after the digits: only who has the right ones learns that they have expired.
        if whole(row.get("codeExpiresAt")) <= self._now_ms():
            raise BackendError("CODE_EXPIRED", "This code has expired.", "Ask for another one.")
        return row

    def _code(self) -> _Code:
        return _Code(f"{secrets.randbelow(1_000_000):06d}", self._now_ms() + CODE_MINUTES * 60_000)

    @staticmethod
    def _item(email: str, sk: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
        return {"PK": f"EMAIL#{email}", "SK": sk, **attributes}


def _key(email: str, sk: str) -> Key:
    return Key(f"EMAIL#{email}", sk)


async def _hash(password: str) -> str:
    from argon2 import PasswordHasher

    return await asyncio.to_thread(PasswordHasher().hash, password)


async def _matches(hashed: object, password: str) -> bool:
    from argon2 import PasswordHasher
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return await asyncio.to_thread(PasswordHasher().verify, text(hashed), password)
    except (VerificationError, InvalidHashError, ValueError):  # the last for a hash that is not ASCII
        return False


def _email_taken() -> BackendError:
    return BackendError("EMAIL_TAKEN", "This address already has an account.", "Sign in instead.")


def bad_credentials() -> BackendError:
    """The refusal of a sign-in, the same for a wrong password and an unknown address."""
    return BackendError(
        "BAD_CREDENTIALS", "The address or the password is wrong.", "Check both and try again."
    )


def _code_invalid() -> InvalidInput:
    return InvalidInput("CODE_INVALID", "This code is not valid.", "Check it, or ask for another one.")
