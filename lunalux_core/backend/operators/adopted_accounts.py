"""What older rows of accounts ask for: names and their owners, balances, ledgers, invitation codes, likes.

See docs/spec/backend.md: Tables, Money rules, Identity and security.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from lunalux_core.backend.money.billing import CURRENCIES
from lunalux_core.backend.operators.adoption import LOOK, Deed, shown
from lunalux_core.backend.repos.invites import COUNTS, Invites, code_key
from lunalux_core.backend.repos.ledger import OPENING, Ledgers, is_odd, ledger_of
from lunalux_core.backend.repos.movements import COIN, GAIN, USED, ledger_key, move_key, user_pk, wallet_key
from lunalux_core.backend.repos.usernames import Username
from lunalux_core.backend.repos.users import LONGEST_OWNED, owner_keys, profile_key, shape_key
from lunalux_core.backend.repos.wallets import LEVELS
from lunalux_core.backend.running.backend_settings import TableNames
from lunalux_core.backend.storage.foreign_values import is_whole, text, unchanged, whole
from lunalux_core.backend.storage.table import (
    Absent,
    Check,
    Delete,
    Eq,
    Exists,
    Item,
    Key,
    Operation,
    Put,
    Store,
    Update,
)


def user_of_key(row: Item) -> str:
    """The user id in a row's partition key, "" where it has none."""
    pk = str(row["PK"])
    return pk.removeprefix("USER#") if pk.startswith("USER#") else ""


class Rule:
    """Rules without anything to do for the table as a whole."""

    def __init__(self, store: Store, table: str) -> None:
        self._store, self._table = store, table

    async def finish(self, *, dry_run: bool) -> Sequence[Deed]:
        return ()

    def update(self, key: Key, changes: dict[str, Any], row: Item, *, remove: Sequence[str] = ()) -> Any:
        """A deed's work: set attributes of a row that are as they were read."""
        as_read = [Exists(), *unchanged(row, *changes, *remove)]
        return self.transaction([Update(self._table, key, set=changes, remove=remove, when=as_read)])

    def transaction(self, writes: Sequence[Operation]) -> Any:
        """The work of a `Deed` that makes these writes, all or none."""

        async def do() -> bool:
            await self._store.transact(writes)
            return True

        return do


class UserRows(Rule):
    """Profiles and the owners of names."""

    async def deeds(self, row: Item) -> Sequence[Deed]:
        pk, sk = str(row["PK"]), str(row["SK"])
        if sk == "PROFILE" and (user_id := user_of_key(row)):
            return await self._profile(user_id, row)
        if sk == "OWNER" and pk.startswith("USERNAME#"):
            return await self._owner(row)
        return ()

    async def _profile(self, user_id: str, row: Item) -> list[Deed]:
        shown_name = text(row.get("username"))
        if not shown_name:
            return []
        if len(shown_name) > LONGEST_OWNED:
            return [Deed(LOOK, f"the name {shown(shown_name)!r} is too long to be owned")]
        name, deeds = Username.known(shown_name), list[Deed]()
        if not text(row.get("usernameLower")):
            change = self.update(profile_key(user_id), {"usernameLower": name.lower}, row)
            deeds.append(Deed("mend", f"note the small spelling {name.lower!r} of its name", change))
        owned = {"username": shown_name, "usernameLower": name.lower, "userId": user_id}
        for key in owner_keys(name):
            owner = await self._store.get(self._table, key)
            if owner is None:
                put = Put(self._table, {"PK": key.pk, "SK": key.sk, **owned}, when=Absent())
                deeds.append(Deed("write", f"own {key.pk}", self.transaction([put])))
            elif owner.get("userId") != user_id and key != shape_key(name):
                # A shape that is another's is no quarrel: both names were given before there were shapes.
                deeds.append(Deed(LOOK, f"{key.pk} belongs to {shown(owner.get('userId'))}"))
        return deeds

    async def _owner(self, row: Item) -> list[Deed]:
        user_id, key = text(row.get("userId")), Key(row["PK"], row["SK"])
        if not user_id:
            return [Deed(LOOK, "this name is owned by nobody that is named")]
        profile = await self._store.get(self._table, profile_key(user_id))
        if profile is None:
            return [Deed(LOOK, f"this name is owned by {shown(user_id)}, who has no profile")]
        username = text(profile.get("username"))
        if username and len(username) <= LONGEST_OWNED and key not in owner_keys(Username.known(username)):
            # Only while the profile has another name: its owner may take this one back meanwhile.
            writes: list[Operation] = [
                Delete(self._table, key, when=Eq("userId", user_id)),
                Check(self._table, profile_key(user_id), when=[Exists(), *unchanged(profile, "username")]),
            ]
            return [Deed("drop", f"let go of a former name of {user_id}", self.transaction(writes))]
        return []


class WalletRows(Rule):
    """Balances, and the ledger and movements that explain them."""

    def __init__(self, store: Store, tables: TableNames, ledgers: Ledgers) -> None:
        super().__init__(store, tables.wallet)
        self._ledger_table, self._ledgers = tables.ledger, ledgers

    async def deeds(self, row: Item) -> Sequence[Deed]:
        user_id = user_of_key(row)
        if row["SK"] != "WALLET" or not user_id:
            return ()
        deeds = [*await self._books(user_id, row)]
        level = row.get("luxLevel", 0)
        if type(level) is not int or level not in LEVELS:
            mended = max(LEVELS[0], min(whole(level), LEVELS[-1]))
            change = self.update(wallet_key(user_id), {"luxLevel": mended}, row)
            deeds.append(Deed("mend", f"luxLevel {shown(level)} → {mended}", change))
        return deeds

    async def _books(self, user_id: str, row: Item) -> list[Deed]:
        ledger = await self._store.get(self._ledger_table, ledger_key(user_id))
        opening = await self._store.get(self._ledger_table, move_key(user_id, OPENING["star"]))
        lacking = [f"{COIN[c]} {shown(row[COIN[c]])}" for c in CURRENCIES if is_odd(row, (COIN[c],))]
        if ledger is None:
            lacking.append("there is no ledger")
        elif is_odd(ledger, (*USED.values(), *GAIN.values())):
            lacking.append("the ledger has totals that are no whole numbers")
        if opening is None:
            lacking.append("no movement explains the balance")
        deeds = list[Deed]()
        if lacking:
            deeds.append(
                Deed("mend", f"complete the books: {'; '.join(lacking)}", lambda: self._healed(user_id))
            )
        deeds += [
            Deed(LOOK, f"{words}: see `lunalux admin reconcile --repair`") for words in _drifts(row, ledger)
        ]
        return deeds

    async def _healed(self, user_id: str) -> bool:
        await self._ledgers.heal(user_id)
        return True


def _drifts(wallet: Item, ledger: Item | None) -> Iterator[str]:
    """Whole balances that are below zero, or not what a whole ledger says."""
    for c in CURRENCIES:
        balance = wallet.get(COIN[c], 0)
        if not is_whole(balance):
            continue
        if balance < 0:
            yield f"{COIN[c]} {balance}"
        elif ledger is not None and not is_odd(ledger, (USED[c], GAIN[c])):
            said = ledger_of(ledger).balance(c)
            if said != balance:
                yield f"{COIN[c]} {balance}, the ledger says {said}"


class LedgerRows(Rule):
    """Summaries whose wallet is missing."""

    def __init__(self, store: Store, tables: TableNames, ledgers: Ledgers) -> None:
        super().__init__(store, tables.ledger)
        self._wallets, self._ledgers = tables.wallet, ledgers

    async def deeds(self, row: Item) -> Sequence[Deed]:
        user_id = user_of_key(row)
        if row["SK"] != "LEDGER_SUMMARY" or not user_id:
            return ()
        if await self._store.get(self._wallets, wallet_key(user_id)) is not None:
            return ()
        ledger = ledger_of(row)
        coins = {COIN[c]: max(0, ledger.balance(c)) for c in CURRENCIES}
        key, moment = wallet_key(user_id), text(row.get("updatedAt"))
        wallet = {"PK": key.pk, "SK": key.sk, "userId": user_id, "luxLevel": 0, **coins}
        wallet |= {"createdAt": text(row.get("createdAt")), "updatedAt": moment}

        async def do() -> bool:
            # The wallet is made of the totals that were read; a movement in between would make it wrong.
            as_read = [Exists(), *unchanged(row, *USED.values(), *GAIN.values())]
            check = Check(self._table, ledger_key(user_id), when=as_read)
            await self._store.transact([Put(self._wallets, wallet, when=Absent()), check])
            await self._ledgers.heal(user_id)
            return True

        star, luna = coins.values()
        return [Deed("write", f"make the wallet that is missing: {star} star, {luna} luna", do)]


class InviteRows(Rule):
    """Counts and codes of invitations."""

    def __init__(self, store: Store, tables: TableNames, invites: Invites) -> None:
        super().__init__(store, tables.invite)
        self._invites = invites

    async def deeds(self, row: Item) -> Sequence[Deed]:
        pk, user_id = str(row["PK"]), user_of_key(row)
        if row["SK"] == "OWNER" and pk.startswith("INVITE_CODE#") and not text(row.get("userId")):
            return [Deed(LOOK, "this code belongs to nobody that is named")]
        if row["SK"] != "INVITE_PROFILE" or not user_id:
            return ()
        code = text(row.get("inviteCode"))
        if not code or is_odd(row, COUNTS):
            return [Deed("mend", "whole counts, and a code of its own", lambda: self._mended(user_id))]
        key = code_key(code)
        owner = await self._store.get(self._table, key)
        if owner is None:
            owned = {"PK": key.pk, "SK": key.sk, "userId": user_id, "inviteCode": code}
            write = self.transaction([Put(self._table, owned, when=Absent())])
            return [Deed("write", f"own the code {shown(code)}", write)]
        if owner.get("userId") != user_id:
            return [Deed(LOOK, f"its code {shown(code)} belongs to {shown(owner.get('userId'))}")]
        return ()

    async def _mended(self, user_id: str) -> bool:
        await self._invites.get(user_id)
        row = await self._store.get(self._table, Key(user_pk(user_id), "INVITE_PROFILE"))
        return row is not None and not is_odd(row, COUNTS)


class LikedRows(Rule):
    """Ends of likes that are no whole numbers, by which nothing could run out."""

    async def deeds(self, row: Item) -> Sequence[Deed]:
        if "expiresAt" not in row or is_whole(row["expiresAt"]):
            return ()
        key, ends = Key(row["PK"], row["SK"]), whole(row["expiresAt"], -1)
        detail = f"expiresAt {shown(row['expiresAt'])}"
        if ends < 0:
            return [
                Deed("mend", f"{detail}: it never ends", self.update(key, {}, row, remove=("expiresAt",)))
            ]
        return [Deed("mend", f"{detail} → {ends}", self.update(key, {"expiresAt": ends}, row))]
