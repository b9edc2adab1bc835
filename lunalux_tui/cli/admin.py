"""`lunalux admin`: what operators do to a backend's data, on the storage itself.

The settings are the server's own variables (docs/operations.md); embedded storage lies where `lunalux serve`
and the app keep it.

See docs/spec/backend.md: Money rules, Tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import typer

from lunalux_core.errors import StorageError
from lunalux_tui.cli import output
from lunalux_tui.cli.admin_coupons import coupon_app
from lunalux_tui.cli.admin_models import model_app
from lunalux_tui.cli.admin_services import (
    DRY_RUN,
    JSON,
    STORAGE,
    YES,
    in_services,
    remove_asked,
    tell,
    usage,
)
from lunalux_tui.cli.admin_status import adopt, status
from lunalux_tui.cli.admin_users import user_app
from lunalux_tui.cli.run import run_work
from lunalux_tui.cli.serve import backend_settings, chosen_storage, open_services
from lunalux_tui.i18n import t

if TYPE_CHECKING:
    from lunalux_core.backend.repos.market_card import CardStatus
    from lunalux_core.backend.running.backend_settings import BackendSettings
    from lunalux_core.backend.running.services import Services
    from lunalux_core.backend.storage.provision import StorageChange
    from lunalux_core.language import Language
    from lunalux_tui.cli.serve import Storage

admin_app = typer.Typer(
    help="Operate a backend: tables, ranking, coupons, models, users.",
    no_args_is_help=True,
    add_completion=False,
)
market_app = typer.Typer(help="Moderate the market.", no_args_is_help=True)
for name, noun in (("coupon", coupon_app), ("model", model_app), ("user", user_app), ("market", market_app)):
    admin_app.add_typer(noun, name=name)
admin_app.command("adopt")(adopt)
admin_app.command("status")(status)
commands = {"admin": admin_app}

ID = typer.Argument(metavar="ID", help="Community id of a character.")


@admin_app.command()
def provision(
    storage: str = STORAGE,
    dry_run: bool = DRY_RUN,
    guards: bool = typer.Option(
        True, "--guards/--no-guards", help="Point-in-time recovery and deletion protection of the tables."
    ),
    as_json: bool = JSON,
) -> None:
    """Create tables, indexes, bucket, CORS, TTL and guards where they are missing; nothing is ever dropped.

    Example: lunalux admin provision --storage aws --dry-run --json
    """
    settings, kind = backend_settings(), chosen_storage(storage)
    changes = run_work(lambda: _provision(settings, kind, dry_run=dry_run, guards=guards))
    declared = _declared(settings, guards=guards)
    if as_json:
        named = None if changes is None else list(map(str, changes))
        output.print_json({"storage": kind, "dryRun": dry_run, "changes": named, **declared})
        return
    if dry_run:
        _print_declared(declared)
    for change in changes or ():
        output.print_text(_told(change))
    if changes is None:
        output.say("aws_silent")
    else:
        output.say("changes_to_make" if dry_run else "changes_made", n=len(changes))


@admin_app.command("migrate-sk")
@in_services
async def migrate_sk(services: Services, dry_run: bool = DRY_RUN, as_json: bool = JSON) -> None:
    """Move character rows from the legacy sort key "0" to PROFILE, and take over rows of the top lists that
    no card has a note of; safe to stop and start again.

    Example: lunalux admin migrate-sk --storage aws --dry-run

    The exit code is 7 when cards stand under both keys and a person must look.
    """
    from lunalux_core.backend.market.ranking_schedule import LANGS, table_of
    from lunalux_core.backend.storage.migrate import migrate_sk as migrate

    moved, adopted, doubled = 0, 0, []
    for lang in LANGS:
        table = table_of(services.settings, lang)
        migrated = await migrate(services.store, table, dry_run=dry_run)
        moved += migrated.moved
        doubled += [f"{table} {key}" for key in migrated.doubled]
        adopted += await services.ranking.adopt(lang, dry_run=dry_run)
    more = {"adopted": adopted} if adopted else {}
    tell({"moved": moved, "doubled": doubled, "dryRun": dry_run, **more}, as_json)
    if doubled:
        raise typer.Exit(output.PARTLY)


@admin_app.command()
@in_services
async def rank(
    services: Services,
    lang: str = typer.Option("", "--lang", help="en or zh; both by default."),
    sort: str = typer.Option("", "--sort", help="hot or new; both by default."),
    as_json: bool = JSON,
) -> None:
    """Run one ranking batch: bring what changed into the market's orders.

    Example: lunalux admin rank --lang en --sort hot
    """
    langs = [cast("Language", lang)] if lang else ["en", "zh"]
    sorts = [sort] if sort else ["hot", "new"]
    # `time` is the name that the tables have for the order people know as new.
    if not set(langs) <= {"en", "zh"} or not set(sorts) <= {"hot", "new", "time"}:
        raise usage("That list is not known.", "Use --lang en or zh, --sort hot or new.", "list")
    rows = [
        {
            "lang": code,
            "sort": order,
            "ranked": await services.ranking.drain(
                cast("Language", code), "hot" if order == "hot" else "time"
            ),
        }
        for code in langs
        for order in sorts
    ]
    if as_json:
        output.print_json(rows)
    else:
        output.print_table(["language", "order", "ranked"], [list(row.values()) for row in rows])


async def _moderate(services: Services, card_id: str, status: CardStatus, as_json: bool) -> None:
    card = await services.characters.set_status(card_id, status)
    # Not with the next batch: a card that was hidden has to leave the lists at once.
    await services.ranking.drain(card.language, "hot")
    await services.ranking.drain(card.language, "time")
    tell({"id": card_id, "status": status}, as_json)


def _moderation(verb: str, status: CardStatus, help: str) -> None:
    @in_services
    async def command(services: Services, card_id: str = ID, as_json: bool = JSON) -> None:
        await _moderate(services, card_id, status, as_json)

    market_app.command(verb, help=f"{help}\n\nExample: lunalux admin market {verb} 5f0c…")(command)


_moderation("hide", "hidden", "Take a character out of the market; `restore` brings it back.")
_moderation("restore", "active", "Bring a hidden character back.")


@market_app.command("remove")
def remove_card(card_id: str = ID, yes: bool = YES, storage: str = STORAGE, as_json: bool = JSON) -> None:
    """Remove a character from the market for good.

    Example: lunalux admin market remove 5f0c… --yes
    """

    async def find(services: Services) -> str:
        card = await services.characters.find(card_id)
        return card_id if card is None else card.id  # one that is not there is told when it is to be removed

    async def remove(services: Services, card_id: str) -> None:
        await _moderate(services, card_id, "deleted", as_json)

    remove_asked(find, lambda card_id: t("cli.remove_card", id=card_id), remove, yes=yes, storage=storage)


@market_app.command("reports")
@in_services
async def list_reports(services: Services, as_json: bool = JSON) -> None:
    """What people reported, newest first.

    Example: lunalux admin market reports --json
    """
    rows = []
    for report in await services.characters.reports():
        card = await services.characters.find_any(report.character_id)
        rows.append(
            {
                "id": report.character_id,
                "name": card.name if card else "",
                "status": card.status if card else "gone",
                "reason": report.reason,
                "userId": report.user_id,
                "createdAt": report.created_at,
            }
        )
    if as_json:
        output.print_json(rows)
    else:
        output.print_table(
            ["createdAt", "id", "name", "status", "reason"],
            [
                [
                    row["createdAt"],
                    row["id"],
                    row["name"],
                    output.word("status", row["status"]),
                    row["reason"],
                ]
                for row in rows
            ],
        )


@admin_app.command()
@in_services
async def reconcile(
    services: Services,
    repair: bool = typer.Option(
        False, "--repair", help="Make ledger and movements say what the wallet holds, as a movement."
    ),
    as_json: bool = JSON,
) -> None:
    """Check every account's books: balance = gains less uses = sum of movements.

    Example: lunalux admin reconcile --repair --json

    The wallet is what its owner saw, so it stays as it is (below zero it becomes 0); `repair/…` in the
    history is what that changes. The exit code is 7 when any account's books disagree, and still do.
    """
    rows, open_ones = [], 0
    discrepancies = [discrepancy async for discrepancy in services.sweeper.reconcile()]
    for discrepancy in discrepancies:
        row: dict[str, Any] = {
            "userId": discrepancy.user_id,
            "currency": discrepancy.currency,
            "balance": discrepancy.balance,
            "ledger": discrepancy.ledger,
            "movements": discrepancy.movements,
        }
        if repair:
            row["repair"] = await services.ledgers.repair(discrepancy.user_id, discrepancy.currency)
        # None also where a repair was tried and the account moved too fast for it.
        open_ones += row.get("repair") is None
        rows.append(row)
    users = 0
    async for item in services.store.scan_all(services.settings.tables.wallet):
        # Rows of other kinds stand in the same table.
        users += item["SK"] == "WALLET"
    if as_json:
        output.print_json({"ok": not open_ones, "users": users, "discrepancies": rows})
    else:
        if rows:
            columns = ["user", "coin", "balance", "gained - used", "sum of movements"]
            columns += ["movement written"] if repair else []
            output.print_table(columns, [list(row.values()) for row in rows])
        output.say("reconciled", users=users, found=len(rows))
    if open_ones:
        raise typer.Exit(output.PARTLY)


async def _provision(
    settings: BackendSettings, kind: Storage, *, dry_run: bool, guards: bool
) -> list[StorageChange] | None:
    """Make, or only name, what is missing; None when a dry run cannot see what is there."""
    if kind == "embedded":
        # Opening the store makes its file and tables.
        if not dry_run:
            services = await open_services(settings, kind)
            await services.aclose()
        return []
    from lunalux_core.backend.running.signatures import uploads_prefix
    from lunalux_core.backend.storage.aws_calls import AwsAccess
    from lunalux_core.backend.storage.provision import Provisioner
    from lunalux_core.backend.storage.schema import table_specs

    specs = table_specs(settings.tables, settings.indexes)
    worker = Provisioner(
        AwsAccess(settings.region),
        specs,
        settings.bucket,
        settings.cors_origins,
        uploads=uploads_prefix(settings.original_prefix),
        guarded=guards,
    )
    try:
        return await (worker.plan() if dry_run else worker.apply())
    except StorageError:
        # Without credentials a dry run still shows what is declared.
        if not dry_run:
            raise
        return None
    finally:
        await worker.aclose()


def _declared(settings: BackendSettings, *, guards: bool) -> dict[str, Any]:
    """Everything that provisioning makes, as it is declared."""
    from lunalux_core.backend.storage.provision import EXPIRY_DAYS
    from lunalux_core.backend.storage.schema import table_specs

    tables = [
        {
            "name": spec.name,
            "partitionKey": "PK",
            "sortKey": "SK",
            "ttl": spec.ttl,
            "pointInTimeRecovery": guards,
            "deletionProtection": guards,
            "indexes": [
                {
                    "name": index.name,
                    "partitionKey": index.pk_attr,
                    "sortKey": index.sk_attr,
                    "projection": "ALL" if index.include is None else list(index.include) or "KEYS_ONLY",
                }
                for index in spec.indexes
            ],
        }
        for spec in table_specs(settings.tables, settings.indexes)
    ]
    bucket = {
        "name": settings.bucket,
        "publicAccess": "blocked",
        "encryption": True,
        "cors": list(settings.cors_origins),
        "uploadsExpireAfterDays": EXPIRY_DAYS,
    }
    return {"region": settings.region, "tables": tables, "bucket": bucket}


def _print_declared(declared: dict[str, Any]) -> None:
    for table in declared["tables"]:
        key = "cli.operator.table_ttl" if table["ttl"] else "cli.operator.table"
        line = t(key, name=table["name"], ttl=table["ttl"])
        guarded = table["deletionProtection"]
        output.print_text(t("cli.operator.guarded", table=line) if guarded else line)
        for index in table["indexes"]:
            keys = f"{index['partitionKey']}, {index['sortKey']}"
            output.print_text(f"  {t('cli.operator.index', name=index['name'], keys=keys)}")
    bucket = declared["bucket"]
    cors = ", ".join(bucket["cors"]) or t("cli.operator.no_cors")
    output.print_text(t("cli.operator.bucket", name=bucket["name"], cors=cors))
    expiry = t("cli.operator.uploads_expire", n=bucket["uploadsExpireAfterDays"])
    output.print_text(f"  {expiry}")


def _told(change: StorageChange) -> str:
    """A change in the person's language; the document says it in English."""
    kind = "bare_table" if change.kind == "table" and not change.detail else change.kind
    return t(f"cli.operator.change_{kind}", target=change.target, detail=change.detail)
