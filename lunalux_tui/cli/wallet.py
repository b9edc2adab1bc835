"""`lunalux wallet`: show, history, redeem, invites, settle."""

from __future__ import annotations

from typing import Any

import typer

from lunalux_core.account import AccountState
from lunalux_core.runtime import Runtime
from lunalux_tui.cli import output
from lunalux_tui.cli.account import snapshot
from lunalux_tui.cli.run import in_runtime
from lunalux_tui.i18n import t

wallet_app = typer.Typer(
    help="Balances, history, coupons and invites.", no_args_is_help=True, add_completion=False
)
commands = {"wallet": wallet_app}

JSON = typer.Option(False, "--json", help="Print one JSON document.")
REFRESH = typer.Option(False, "--refresh", help="Ask the backend for everything anew.")
LEVELS = ("Lux", "Super Lux", "Ultra Lux")


@wallet_app.command()
@in_runtime
async def show(runtime: Runtime, refresh: bool = REFRESH, as_json: bool = JSON) -> None:
    """Level and balances, with the totals since the account began.

    Example: lunalux wallet show --json
    """
    state = await snapshot(runtime, refresh=refresh)
    if as_json:
        output.print_json(_wallet(state))
        return
    ledger = state.ledger
    # A newer service may have levels that have no name here.
    output.print_text(LEVELS[min(max(state.lux_level, 0), 2)])
    output.print_table(
        ["coin", "balance", "gained", "used"],
        [
            [output.label("star"), state.star, ledger["totalStarCoinGain"], ledger["totalStarCoinUsed"]],
            [output.label("luna"), state.luna, ledger["totalLunaCoinGain"], ledger["totalLunaCoinUsed"]],
        ],
    )


@wallet_app.command()
@in_runtime
async def history(
    runtime: Runtime,
    limit: int = typer.Option(50, help="How many movements.", min=1, max=100_000),
    as_json: bool = JSON,
) -> None:
    """The wallet's movements, newest first.

    Example: lunalux wallet history --limit 200 --json
    """
    rows: list[dict[str, Any]] = []
    cursor: str | None = None
    while len(rows) < limit:
        page, cursor = await runtime.account.wallet.history(cursor, min(limit - len(rows), 100))
        rows += page
        # An empty page ends it as well: a cursor that leads nowhere would be followed for ever.
        if cursor is None or not page:
            break
    if as_json:
        output.print_json(rows)
        return
    output.print_table(
        ["when", "kind", "amount", "coin", "status", "model"],
        [
            [
                row["createdAt"][:19].replace("T", " "),
                output.word("movement", row["kind"]),
                f"{row['amount']:+d}",
                output.word("coin", row["currency"] or ""),
                output.word("status", row["status"]),
                row["modelId"] or "",
            ]
            for row in rows
        ],
    )


@wallet_app.command()
@in_runtime
async def redeem(
    runtime: Runtime,
    code: list[str] = typer.Argument(
        metavar="CODE", help="The coupon; blanks and full-width digits are fine."
    ),
    as_json: bool = JSON,
) -> None:
    """Redeem a coupon.

    Example: lunalux wallet redeem MOON-2026-STAR
    """
    # A code that was copied with blanks in it comes as several words.
    currency, amount = await runtime.account.wallet.redeem("".join(code))
    if as_json:
        output.print_json({"currency": currency, "amount": amount, **_wallet(runtime.account.state)})
    else:
        state = runtime.account.state
        output.print_text(f"+{amount} {output.word('coin', currency)}")
        output.say("balance", star=state.star, luna=state.luna)


@wallet_app.command()
@in_runtime
async def invites(runtime: Runtime, refresh: bool = REFRESH, as_json: bool = JSON) -> None:
    """Your invite code and how far the next reward is.

    Example: lunalux wallet invites --json
    """
    invite = (await snapshot(runtime, refresh=refresh)).invite
    if as_json:
        output.print_json(dict(invite))
        return
    output.print_text(str(invite["inviteCode"]))
    output.say("invited", n=invite["totalInvites"])
    if invite["threshold"]:
        output.say(
            "next_reward",
            n=invite["unissuedRewardCount"],
            threshold=invite["threshold"],
            star=invite["milestoneRewardStar"],
        )


@wallet_app.command()
@in_runtime
async def settle(runtime: Runtime, as_json: bool = JSON) -> None:
    """Pay out the invite rewards that are due.

    Example: lunalux wallet settle
    """
    times, star = await runtime.account.wallet.settle_invites()
    if as_json:
        output.print_json({"settledTimes": times, "rewardStar": star, **_wallet(runtime.account.state)})
    else:
        output.print_text(f"+{star} {output.label('star')}" if times else t("cli.nothing_due"))


def _wallet(state: AccountState) -> dict[str, Any]:
    ledger = {key: value for key, value in state.ledger.items() if key != "userId"}
    return {
        "luxLevel": state.lux_level,
        "starCoin": state.star,
        "lunaCoin": state.luna,
        "ledger": ledger,
    }
