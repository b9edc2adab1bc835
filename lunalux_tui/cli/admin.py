"""`lunalux admin`: what operators do to a backend's data, on the storage itself.

The settings are the server's own variables (docs/operations.md); embedded storage lies where `lunalux serve`
and the app keep it.

See docs/spec/backend.md: Money rules, Tables.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from inspect import Parameter
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, cast

import typer

from lunalux_core.errors import InvalidInput, NotFound, StorageError
from lunalux_tui.cli import output
from lunalux_tui.cli.run import run_work, show_parameters
from lunalux_tui.cli.serve import backend_settings, chosen_storage, open_services

if TYPE_CHECKING:
    from lunalux_core.backend.running.services import Services
    from lunalux_core.backend.running.settings import BackendSettings
    from lunalux_core.wire.base import Lang
    from lunalux_tui.cli.serve import Storage

P = ParamSpec("P")
Currency = Literal["star", "luna"]

admin_app = typer.Typer(
    help="Operate a backend: tables, ranking, coupons, models, users.",
    no_args_is_help=True,
    add_completion=False,
)
coupon_app = typer.Typer(help="Issue coupons.", no_args_is_help=True)
model_app = typer.Typer(help="The price list of official models.", no_args_is_help=True)
user_app = typer.Typer(help="Credit coins, set levels.", no_args_is_help=True)
market_app = typer.Typer(help="Moderate the market.", no_args_is_help=True)
for name, noun in (("coupon", coupon_app), ("model", model_app), ("user", user_app), ("market", market_app)):
    admin_app.add_typer(noun, name=name)
commands = {"admin": admin_app}

JSON = typer.Option(False, "--json", help="Print one JSON document.")
STORAGE = typer.Option("", "--storage", help="embedded or aws; by default LUNALUX_STORAGE, else embedded.")
DRY_RUN = typer.Option(False, "--dry-run", help="Print what would be done, and do nothing.")
USER = typer.Argument(metavar="EMAIL_OR_ID", help="E-mail address or user id.")
ID = typer.Argument(metavar="ID", help="Community id of a character.")


def in_services(command: Callable[Concatenate[Services, P], Awaitable[None]]) -> Callable[..., None]:
    """Make a command of an asynchronous function: it is given the services of the storage that `--storage`
    names, as its first parameter."""

    @wraps(command)
    def run(*args: Any, storage: str, **kwargs: Any) -> None:
        settings, kind = backend_settings(), chosen_storage(storage)

        async def opened() -> None:
            services = await open_services(settings, kind)
            try:
                await command(services, *args, **kwargs)
            finally:
                await services.aclose()

        run_work(opened)

    option = Parameter("storage", Parameter.POSITIONAL_OR_KEYWORD, default=STORAGE, annotation=str)
    return show_parameters(run, command, option)


@admin_app.command()
def provision(storage: str = STORAGE, dry_run: bool = DRY_RUN, as_json: bool = JSON) -> None:
    """Create tables, indexes, bucket, CORS and TTL where they are missing; nothing is ever dropped.

    Example: lunalux admin provision --storage aws --dry-run --json
    """
    settings, kind = backend_settings(), chosen_storage(storage)
    changes = run_work(lambda: _provision(settings, kind, dry_run=dry_run))
    if as_json:
        output.print_json({"storage": kind, "dryRun": dry_run, "changes": changes, **_declared(settings)})
        return
    if dry_run:
        _print_declared(_declared(settings))
    for change in changes or ():
        output.print_text(change)
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
    _tell({"moved": moved, "doubled": doubled, "dryRun": dry_run, **more}, as_json)
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
    langs = [cast("Lang", lang)] if lang else ["en", "zh"]
    sorts = [sort] if sort else ["hot", "new"]
    if not set(langs) <= {"en", "zh"} or not set(sorts) <= {"hot", "new", "time"}:
        raise InvalidInput(
            "USAGE", "That list is not known.", "Use --lang en or zh, --sort hot or new.", kind="list"
        )
    rows = [
        {
            "lang": code,
            "sort": order,
            "ranked": await services.ranking.drain(cast("Lang", code), "hot" if order == "hot" else "time"),
        }
        for code in langs
        for order in sorts
    ]
    if as_json:
        output.print_json(rows)
    else:
        output.print_table(["language", "order", "ranked"], [list(row.values()) for row in rows])


@coupon_app.command("create")
@in_services
async def create_coupon(
    services: Services,
    code: str = typer.Argument(metavar="CODE"),
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
    _tell({"coupon": coupon.code, "currency": currency, "amount": amount, "claims": claims}, as_json)


@model_app.command("put")
@in_services
async def put_model(
    services: Services,
    model_id: str = typer.Argument(metavar="MODEL_ID", help='E.g. "004".'),
    name: str = typer.Option(..., "--name", help="What people see."),
    kind: str = typer.Option(..., "--type", help="openai, gemini or practice."),
    model: str = typer.Option(..., "--model", help="The provider's name of the model."),
    free_level: int = typer.Option(
        -1, "--free-level", help="-1 never, 0 for all, n from Lux level n.", min=-1, max=2
    ),
    star_cost: int = typer.Option(-1, "--star-cost", help="-1: not for star coins.", min=-1),
    luna_cost: int = typer.Option(-1, "--luna-cost", help="-1: not for luna coins.", min=-1),
    sort_order: int = typer.Option(100, "--sort-order", help="Place in the list."),
    max_input_chars: int | None = typer.Option(None, "--max-input-chars", min=1),
    max_output_tokens: int | None = typer.Option(None, "--max-output-tokens", min=1),
    as_json: bool = JSON,
) -> None:
    """Write a row of the price list (replaces one of the same id).

    Example: lunalux admin model put 004 --name Muse --type openai --model gpt-4o-mini --star-cost 4
    """
    from lunalux_core.backend.money.billing import ModelConfig

    config = ModelConfig(
        model_id,
        name,
        kind,
        model,
        free_level,
        star_cost >= 0,
        luna_cost >= 0,
        star_cost,
        luna_cost,
        sort_order,
        max_input_chars,
        max_output_tokens,
    )
    await services.models.put(config)
    _tell(_config(config), as_json)


@model_app.command("list")
@in_services
async def list_models(services: Services, as_json: bool = JSON) -> None:
    """The price list.

    Example: lunalux admin model list --json
    """
    rows = [_config(config) for config in await services.models.list()]
    if as_json:
        output.print_json(rows)
    else:
        columns = ("modelId", "displayname", "modelType", "modelName", "freeLevel", "starCost", "lunaCost")
        output.print_table(columns, [[row[column] for column in columns] for row in rows])


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
        raise InvalidInput(
            "USAGE", "There is nothing to credit.", "Give --star N, --luna N or both.", kind="credit"
        )
    user_id = await _user_id(services, user)
    wallet = await services.wallets.require(user_id)
    if star:
        wallet = await services.wallets.adjust(user_id, "star", star)
    if luna:
        wallet = await services.wallets.adjust(user_id, "luna", luna)
    _tell(_wallet(user_id, wallet), as_json)


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
    user_id = await _user_id(services, user)
    _tell(_wallet(user_id, await services.wallets.set_level(user_id, level)), as_json)


@user_app.command("erase")
@in_services
async def erase_user(
    services: Services,
    user: str = USER,
    yes: bool = typer.Option(False, "--yes", help="Really do it; it cannot be undone."),
    as_json: bool = JSON,
) -> None:
    """Erase an account: sign-in, name, wallet, movements, likes, cards and their files; for good.

    Example: lunalux admin user erase ada@example.org --yes
    """
    if not yes:
        raise InvalidInput(
            "USAGE", "An erased account cannot be brought back.", "Repeat it with --yes.", kind="erase"
        )
    user_id = await _user_id(services, user)
    profile = await services.users.get(user_id)
    cards = await services.erasure.adopt(user_id)
    await services.erasure.erase(user_id, profile.email if profile is not None else "")
    _tell({"userId": user_id, "cards": cards, "erased": True}, as_json)


def _moderation(verb: str, status: Literal["active", "hidden", "deleted"], help: str) -> None:
    @in_services
    async def command(services: Services, card_id: str = ID, as_json: bool = JSON) -> None:
        card = await services.characters.set_status(card_id, status)
        await services.ranking.drain(card.language, "hot")
        await services.ranking.drain(card.language, "time")
        _tell({"id": card_id, "status": status}, as_json)

    market_app.command(verb, help=f"{help}\n\nExample: lunalux admin market {verb} 5f0c…")(command)


_moderation("hide", "hidden", "Take a character out of the market; `restore` brings it back.")
_moderation("restore", "active", "Bring a hidden character back.")
_moderation("remove", "deleted", "Remove a character from the market for good.")


@market_app.command("reports")
@in_services
async def list_reports(services: Services, as_json: bool = JSON) -> None:
    """What people reported, newest first.

    Example: lunalux admin market reports --json
    """
    rows = []
    for report in await services.characters.reports():
        card = await services.characters.find_any(report["characterId"])
        rows.append(
            {
                "id": report["characterId"],
                "name": card.name if card else "",
                "status": card.status if card else "gone",
                "reason": report["reason"],
                "userId": report["userId"],
                "createdAt": report["createdAt"],
            }
        )
    if as_json:
        output.print_json(rows)
    else:
        columns = ("createdAt", "id", "name", "status", "reason")
        output.print_table(columns, [[row[column] for column in columns] for row in rows])


@admin_app.command()
@in_services
async def reconcile(services: Services, as_json: bool = JSON) -> None:
    """Check every account's books: balance = gains less uses = sum of movements.

    Example: lunalux admin reconcile --json

    The exit code is 7 when any account's books disagree.
    """
    rows = [
        {
            "userId": discrepancy.user_id,
            "currency": discrepancy.currency,
            "balance": discrepancy.balance,
            "ledger": discrepancy.ledger,
            "movements": discrepancy.movements,
        }
        async for discrepancy in services.sweeper.reconcile()
    ]
    users = 0
    async for item in services.store.scan_all(services.settings.tables.wallet):
        users += item["SK"] == "WALLET"
    if as_json:
        output.print_json({"ok": not rows, "users": users, "discrepancies": rows})
    else:
        if rows:
            columns = ("user", "coin", "balance", "gained - used", "sum of movements")
            output.print_table(columns, [list(row.values()) for row in rows])
        output.say("reconciled", users=users, found=len(rows))
    if rows:
        raise typer.Exit(output.PARTLY)


async def _user_id(services: Services, email_or_id: str) -> str:
    """Raises NotFound (USER_NOT_FOUND)."""
    user_id = await services.identity.find(email_or_id) if "@" in email_or_id else email_or_id
    if user_id is None or await services.wallets.get(user_id) is None:
        raise NotFound(
            "USER_NOT_FOUND",
            f"There is no account {email_or_id!r} with a wallet.",
            "Check the address; a wallet is made at the first sign-in.",
            name=email_or_id,
        )
    return user_id


def _wallet(user_id: str, wallet: Any) -> dict[str, Any]:
    return {
        "userId": user_id,
        "luxLevel": wallet.lux_level,
        "starCoin": wallet.star_coin,
        "lunaCoin": wallet.luna_coin,
    }


def _config(config: Any) -> dict[str, Any]:
    return {
        "modelId": config.model_id,
        "displayname": config.displayname,
        "modelType": config.model_type,
        "modelName": config.model_name,
        "freeLevel": config.free_level,
        "allowStar": config.allow_star,
        "allowLuna": config.allow_luna,
        "starCost": config.star_cost,
        "lunaCost": config.luna_cost,
        "sortOrder": config.sort_order,
    }


def _tell(document: dict[str, Any], as_json: bool) -> None:
    if as_json:
        output.print_json(document)
    else:
        output.print_table(["what", "value"], [[key, value] for key, value in document.items()])


async def _provision(settings: BackendSettings, kind: Storage, *, dry_run: bool) -> list[str] | None:
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
    )
    try:
        return [str(change) for change in await (worker.plan() if dry_run else worker.apply())]
    except StorageError:
        if not dry_run:
            raise
        return None
    finally:
        await worker.aclose()


def _declared(settings: BackendSettings) -> dict[str, Any]:
    """Everything that provisioning makes, as it is declared."""
    from lunalux_core.backend.storage.schema import table_specs

    tables = [
        {
            "name": spec.name,
            "partitionKey": "PK",
            "sortKey": "SK",
            "ttl": spec.ttl,
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
    }
    return {"region": settings.region, "tables": tables, "bucket": bucket}


def _print_declared(declared: dict[str, Any]) -> None:
    for table in declared["tables"]:
        ttl = f", TTL {table['ttl']}" if table["ttl"] else ""
        output.print_text(f"table {table['name']} (PK, SK){ttl}")
        for index in table["indexes"]:
            output.print_text(f"  index {index['name']} ({index['partitionKey']}, {index['sortKey']})")
    bucket = declared["bucket"]
    cors = ", ".join(bucket["cors"]) or "none"
    output.print_text(f"bucket {bucket['name']}, public access blocked, encrypted, CORS {cors}")
