"""`lunalux admin user`: look at accounts, give coins, set levels, erase."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer

from lunalux_core.text import normal_email
from lunalux_tui.cli import output
from lunalux_tui.cli.admin_services import (
    JSON,
    STORAGE,
    in_services,
    remove_asked,
    shown_user_id,
    tell,
    usage,
    user_id_of,
    wallet_row,
)

if TYPE_CHECKING:
    from lunalux_core.backend.money.billing import Currency
    from lunalux_core.backend.repos.movements import Movement
    from lunalux_core.backend.repos.users import User
    from lunalux_core.backend.running.services import Services

USER = typer.Argument(metavar="EMAIL_OR_ID", help="E-mail address, user id or username.")

user_app = typer.Typer(help="Look at accounts, credit coins, set levels.", no_args_is_help=True)


@user_app.command("list")
@in_services
async def list_users(
    services: Services,
    match: str = typer.Option("", "--match", help="Only addresses, names and ids with this text in them."),
    limit: int = typer.Option(100, "--limit", help="How many at most.", min=1),
    as_json: bool = JSON,
) -> None:
    """Accounts, the newest first.

    Example: lunalux admin user list --match example.org --json
    """
    wanted = match.casefold()
    users = [
        user
        for user in await services.users.all()
        # Looked through here, because the storage knows accounts by whole keys only.
        if any(wanted in (text or "").casefold() for text in (user.email, user.username, user.id))
    ]
    rows = [_row(user) for user in users[:limit]]
    if as_json:
        output.print_json(rows)
        return
    columns = ("created_at", "id", "email", "username")
    output.print_table(
        ["since", "id", "address", "name"], [[row[column] or "" for column in columns] for row in rows]
    )
    if len(users) > limit:
        output.say("users_left_out", n=len(users) - limit)


@user_app.command("show")
@in_services
async def show_user(services: Services, user: str = USER, as_json: bool = JSON) -> None:
    """One account: profile, wallet, ledger, invitations, session, and whether its books agree. One that was
    only signed up for, found by its address, has none of these yet.

    Example: lunalux admin user show ada@example.org --json
    """
    user_id = await shown_user_id(services, user, wallet=False)
    row = await _whole(services, user_id, _address(user))
    if as_json:
        output.print_json(row)
        return
    flat = {name: value for name, value in row.items() if not isinstance(value, dict | list)}
    for part in ("wallet", "ledger", "invite", "session"):
        flat |= {name: value for name, value in (row[part] or {}).items() if name != "userId"}
    flat["discrepancies"] = len(row["discrepancies"])
    tell({name: "" if value is None else value for name, value in flat.items()}, as_json=False)


@user_app.command("history")
@in_services
async def user_history(
    services: Services,
    user: str = USER,
    limit: int = typer.Option(50, "--limit", help="How many movements at most.", min=1),
    as_json: bool = JSON,
) -> None:
    """An account's movements of coins, the newest first.

    Example: lunalux admin user history ada@example.org --limit 200 --json
    """
    user_id = await shown_user_id(services, user)
    movements: list[Movement] = []
    after: str | None = None
    while len(movements) < limit:
        # A page holds at most 100.
        page = await services.ledgers.history(user_id, after, min(100, limit - len(movements)))
        movements += page.movements
        after = page.after
        if after is None:
            break
    rows = [_movement(movement) for movement in movements]
    if as_json:
        output.print_json(rows)
        return
    output.print_table(
        ["when", "kind", "amount", "coin", "status", "model", "id"],
        [
            [
                row["created_at"],
                output.word("movement", row["kind"]),
                row["amount"],
                output.word("coin", row["currency"] or ""),
                output.word("status", row["status"]),
                row["model_id"],
                row["id"],
            ]
            for row in rows
        ],
    )


@user_app.command()
@in_services
async def credit(
    services: Services,
    user: str = USER,
    star: int = typer.Option(0, "--star", help="Star coins to give; negative takes."),
    luna: int = typer.Option(0, "--luna", help="Luna coins to give; negative takes."),
    as_json: bool = JSON,
) -> None:
    """Give coins to an account, or take them, as movements of its ledger.

    Example: lunalux admin user credit ada@example.org --star 100 --luna 10
    """
    if not star and not luna:
        raise usage("There is nothing to credit.", "Give --star N, --luna N or both.", "credit")
    user_id = await user_id_of(services, user)
    from lunalux_core.backend.repos.wallets import check_adjustment

    wallet = await services.wallets.require(user_id)
    amounts: tuple[tuple[Currency, int], ...] = (("star", star), ("luna", luna))
    for currency, amount in amounts:  # both or neither
        check_adjustment(wallet, currency, amount)
    for currency, amount in amounts:
        if amount:
            wallet = await services.wallets.adjust(user_id, currency, amount)
    tell(wallet_row(user_id, wallet), as_json)


@user_app.command()
@in_services
async def lux(
    services: Services,
    user: str = USER,
    level: int = typer.Argument(metavar="LEVEL", help="0 Lux, 1 Super Lux, 2 Ultra Lux.", min=0, max=2),
    as_json: bool = JSON,
) -> None:
    """Set an account's Lux level.

    Example: lunalux admin user lux ada@example.org 2
    """
    user_id = await user_id_of(services, user)
    tell(wallet_row(user_id, await services.wallets.set_level(user_id, level)), as_json)


@user_app.command("erase")
def erase_user(
    user: str = USER,
    yes: bool = typer.Option(False, "--yes", help="Really do it; it cannot be undone."),
    storage: str = STORAGE,
    as_json: bool = JSON,
) -> None:
    """Erase an account: sign-in, name, wallet, movements, likes, cards and their files; for good.

    Example: lunalux admin user erase ada@example.org --yes
    """
    from lunalux_tui.i18n import t

    async def erase(services: Services, user_id: str) -> None:
        profile = await services.users.get(user_id)
        # Cards that are older than the notes of who owns what would be left behind.
        cards = await services.erasure.adopt(user_id)
        await services.erasure.erase(user_id, profile.email if profile is not None else _address(user))
        tell({"userId": user_id, "cards": cards, "erased": True}, as_json)

    remove_asked(
        lambda services: user_id_of(services, user, wallet=False),
        lambda user_id: t("cli.erase_user", name=user, id=user_id),
        erase,
        yes=yes,
        storage=storage,
    )


def _address(named: str) -> str:
    """The address by which an account was named, "" where it was named otherwise."""
    return normal_email(named) if "@" in named else ""


def _row(user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "name": user.email or user.id,
        "email": user.email,
        "username": user.username,
        "created_at": user.created_at or None,
    }


async def _whole(services: Services, user_id: str, address: str) -> dict[str, Any]:
    """Everything there is to see of one account; objects of the service keep its spelling."""
    from lunalux_core.backend.repos.users import User
    from lunalux_core.backend.web.routes.invites import invite_body
    from lunalux_core.wire.users import Ledger

    profile = await services.users.get(user_id)
    wallet = await services.wallets.get(user_id)
    ledger, invite = await services.ledgers.get(user_id), await services.invites.get(user_id)
    drift = await services.sweeper.check(user_id)
    return {
        **_row(profile or User(user_id, address, None, "")),
        "wallet": None if wallet is None else wallet_row(user_id, wallet),
        "ledger": None if ledger is None else Ledger.of(ledger).model_dump(by_alias=True),
        "invite": None
        if invite is None
        else invite_body(invite, services.settings).model_dump(by_alias=True),
        "session": _session(await services.sessions.current(user_id)),
        "discrepancies": [
            {
                "currency": difference.currency,
                "balance": difference.balance,
                "ledger": difference.ledger,
                "movements": difference.movements,
            }
            for difference in drift
        ],
    }


def _session(row: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """When the account's session began and ends, and on what; nothing that could open it."""
    from lunalux_core.backend.running.clock import iso
    from lunalux_core.backend.storage.foreign_values import whole

    if row is None or not row.get("tokenHash"):
        return None
    began, ends = (whole(row.get(name)) * 1000 for name in ("issuedAt", "expiresAt"))
    return {"issued_at": iso(began), "expires_at": iso(ends), "device": str(row.get("device") or "")}


def _movement(movement: Movement) -> dict[str, Any]:
    return {
        "id": movement.id,
        "kind": movement.kind,
        "currency": movement.currency,
        "amount": movement.amount,
        "status": movement.status,
        "created_at": movement.created_at or None,
        "model_id": movement.model_id,
        "character_id": movement.character_id,
    }
