"""`lunalux admin coupon`: issue, list, show and revoke coupons."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import typer

from lunalux_core.errors import Names, NotFound
from lunalux_tui.cli import output
from lunalux_tui.cli.admin_services import JSON, STORAGE, YES, in_services, picked, remove_asked, tell

if TYPE_CHECKING:
    from lunalux_core.backend.money.billing import Currency
    from lunalux_core.backend.repos.coupons import IssuedCoupon
    from lunalux_core.backend.running.services import Services

CODE = typer.Argument(metavar="CODE")

coupon_app = typer.Typer(help="Issue, list, show and revoke coupons.", no_args_is_help=True)


@coupon_app.command("create")
@in_services
async def create_coupon(
    services: Services,
    code: str = CODE,
    currency: str = typer.Option(..., "--currency", help="star or luna."),
    amount: int = typer.Option(..., "--amount", help="Coins for each claim.", min=1),
    claims: int | None = typer.Option(
        None, "--claims", help="Accounts that may claim it; one by default.", min=1
    ),
    as_json: bool = JSON,
) -> None:
    """Issue a coupon.

    Example: lunalux admin coupon create WELCOME-2026 --currency star --amount 50 --claims 1000
    """
    if currency not in {"star", "luna"}:
        raise output.not_known("--currency", currency, ("star", "luna"))
    coupon = await services.coupons.create(code, cast("Currency", currency), amount, claims)
    # The document says what was asked for, people are told what that means.
    counted = claims if as_json else claims or 1
    tell({"coupon": coupon.code, "currency": currency, "amount": amount, "claims": counted}, as_json)


@coupon_app.command("list")
@in_services
async def list_coupons(services: Services, as_json: bool = JSON) -> None:
    """Every coupon with what is left of it, by code.

    Example: lunalux admin coupon list --json

    `status` is `open`, `used` when nothing is left, `unreadable` where its row can credit nobody.
    """
    rows = [_row(issued) for issued in await services.coupons.all()]
    if as_json:
        output.print_json(rows)
    else:
        output.print_table(
            ["code", "status", "coin", "amount", "left", "claimed"],
            [
                [
                    row["id"],
                    output.word("status", row["status"]),
                    output.word("coin", row["currency"]),
                    row["amount"],
                    row["remaining_claims"],
                    row["claimed"],
                ]
                for row in rows
            ],
        )


@coupon_app.command("show")
@in_services
async def show_coupon(services: Services, code: str = CODE, as_json: bool = JSON) -> None:
    """One coupon, and who had it.

    Example: lunalux admin coupon show WELCOME-2026 --json
    """
    issued = await _find(services, code)
    claims = [
        {"user_id": who, "created_at": when} for who, when in await services.coupons.claims(issued.code)
    ]
    row = _row(issued)
    if as_json:
        output.print_json({**row, "claims": claims})
        return
    tell(row, as_json=False)
    output.print_table(["user", "when"], [list(claim.values()) for claim in claims])


@coupon_app.command("revoke")
def revoke_coupon(code: str = CODE, yes: bool = YES, storage: str = STORAGE, as_json: bool = JSON) -> None:
    """Take a coupon back: nobody can claim it any more; whoever had it keeps the coins.

    Example: lunalux admin coupon revoke WELCOME-2026 --yes
    """
    from lunalux_tui.i18n import t

    async def find(services: Services) -> str:
        return (await _find(services, code)).code

    async def revoke(services: Services, code: str) -> None:
        gone = await services.coupons.revoke(code)
        if as_json:
            output.print_json({"id": code, "name": code, "revoked": gone})
        else:
            output.say("coupon_revoked" if gone else "coupon_was_used", name=code)

    remove_asked(find, lambda code: t("cli.revoke_coupon", name=code), revoke, yes=yes, storage=storage)


async def _find(services: Services, code: str) -> IssuedCoupon:
    """Raises NotFound (COUPON_NOT_FOUND), with the nearest codes."""
    # A whole code is found by one read; only for a mistyped one all of them are looked through.
    with suppress(NotFound):
        return await services.coupons.issued(code)
    everything = await services.coupons.all()
    return everything[
        picked(code, [(issued.code,) for issued in everything], lambda near: _missing(code, near))
    ]


def _missing(code: str, near: Names) -> NotFound:
    hint = f"Did you mean {near}?" if near else "Look at `lunalux admin coupon list`."
    kind = "near" if near else "admin"
    return NotFound(
        "COUPON_NOT_FOUND", f"There is no coupon {code[:128]}.", hint, kind=kind, name=code[:128], near=near
    )


def _row(issued: IssuedCoupon) -> dict[str, Any]:
    coupon = issued.coupon
    status = "open" if issued.left > 0 else "used"
    if coupon is None:
        status = "used" if issued.claimed else "unreadable"
    return {
        "id": issued.code,
        "name": issued.code,
        "status": status,
        "currency": coupon.currency if coupon else None,
        "amount": coupon.amount if coupon else None,
        "issued_claims": issued.issued,
        "remaining_claims": issued.left,
        "claimed": issued.claimed,
        "updated_at": issued.updated_at or None,
    }
