"""`lunalux admin model`: the price list of official models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from lunalux_core.errors import Names, NotFound
from lunalux_tui.cli import output
from lunalux_tui.cli.admin_services import JSON, STORAGE, YES, in_services, picked, remove_asked, tell

if TYPE_CHECKING:
    from lunalux_core.backend.money.billing import ModelConfig
    from lunalux_core.backend.running.services import Services

model_app = typer.Typer(help="The price list of official models.", no_args_is_help=True)


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

    # A cost of -1 says that the model is not sold for these coins.
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
    tell(_row(config), as_json)


@model_app.command("list")
@in_services
async def list_models(services: Services, as_json: bool = JSON) -> None:
    """The price list.

    Example: lunalux admin model list --json
    """
    rows = [
        {"id": config.model_id, "name": config.displayname, **_row(config)}
        for config in await services.models.list()
    ]
    if as_json:
        output.print_json(rows)
    else:
        columns = ("modelId", "displayname", "modelType", "modelName", "freeLevel", "starCost", "lunaCost")
        output.print_table(columns, [[row[column] for column in columns] for row in rows])


@model_app.command("delete")
def delete_model(
    model: str = typer.Argument(metavar="MODEL", help="Its id, or what people see."),
    yes: bool = YES,
    storage: str = STORAGE,
    as_json: bool = JSON,
) -> None:
    """Take a model out of the price list. Replies under way are finished and paid.

    Example: lunalux admin model delete 004 --yes
    """
    from lunalux_tui.i18n import t

    async def find(services: Services) -> ModelConfig:
        configs = await services.models.list()
        names = [(config.model_id, config.displayname) for config in configs]
        return configs[picked(model, names, lambda near: _missing(model, near))]

    async def delete(services: Services, config: ModelConfig) -> None:
        await services.models.delete(config.model_id)
        output.deleted({"id": config.model_id, "name": config.displayname}, as_json=as_json)

    def question(config: ModelConfig) -> str:
        return t("cli.delete_official", name=config.displayname, id=config.model_id)

    remove_asked(find, question, delete, yes=yes, storage=storage)


def _missing(model: str, near: Names) -> NotFound:
    hint = f"Did you mean {near}?" if near else "Look at `lunalux admin model list`."
    kind = "near" if near else "admin"
    return NotFound(
        "MODEL_NOT_FOUND",
        f"There is no official model {model[:128]!r}.",
        hint,
        kind=kind,
        name=model[:128],
        near=near,
    )


def _row(config: ModelConfig) -> dict[str, Any]:
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
