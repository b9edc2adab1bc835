"""`lunalux persona`: who you play, and in which conversation."""

from __future__ import annotations

from typing import Any

import typer

from lunalux_core.errors import InvalidInput
from lunalux_core.library.personas import Persona
from lunalux_core.runtime import Runtime
from lunalux_core.text import clean_line
from lunalux_tui.cli import output
from lunalux_tui.cli.conversation import YES
from lunalux_tui.cli.run import delete_named, in_runtime
from lunalux_tui.cli.shelf_commands import JSON
from lunalux_tui.cli.stdin import text_of
from lunalux_tui.i18n import t

persona_app = typer.Typer(
    help="Who you play: list, show, add, edit, use and delete personas.",
    no_args_is_help=True,
    add_completion=False,
)
commands = {"persona": persona_app}

PERSONA = typer.Argument(metavar="PERSONA", help="Name or id of a persona.")
ABOUT = "Who that is, as the model gets to know it; - reads it from stdin."
BOOK = "A worldbook of the library to use wherever you play this persona."
LONGEST_NAME = 200


@persona_app.command("list")
@in_runtime
async def list_personas(runtime: Runtime, as_json: bool = JSON) -> None:
    """Your personas; the marked one plays in new conversations.

    Example: lunalux persona list --json
    """
    rows = [_row(persona) for persona in await runtime.library.personas.list()]
    if as_json:
        output.print_json(rows)
        return
    output.print_table(
        ["id", "", "name", "worldbook", "description"],
        [
            [
                row["id"],
                "✓" if row["chosen"] else "",
                row["name"],
                row["worldbook"] or "",
                row["description"],
            ]
            for row in rows
        ],
    )


@persona_app.command()
@in_runtime
async def show(runtime: Runtime, persona: str = PERSONA, as_json: bool = JSON) -> None:
    """One persona in full.

    Example: lunalux persona show Robin
    """
    _print(await runtime.library.personas.find(persona), as_json)


@persona_app.command()
@in_runtime
async def add(
    runtime: Runtime,
    name: str = typer.Argument(help="What the persona is called."),
    description: str = typer.Option("", help=ABOUT),
    worldbook: str = typer.Option("", help=BOOK),
    as_json: bool = JSON,
) -> None:
    """Make a persona. The first one plays in new conversations at once.

    Example: lunalux persona add Robin --description "A cartographer with a bad knee."
    """
    personas = runtime.library.personas
    # Looked up first: where it is not found, no persona is made.
    book = (await runtime.library.worldbooks.find(worldbook)).name if worldbook else ""
    persona = await personas.save(_name(name), text_of(description))
    await personas.bind(persona.id, book)
    _print(await personas.find(persona.id), as_json)


@persona_app.command()
@in_runtime
async def edit(
    runtime: Runtime,
    persona: str = PERSONA,
    name: str | None = typer.Option(None, help="A new name."),
    description: str | None = typer.Option(None, help=ABOUT),
    worldbook: str | None = typer.Option(None, help=f"{BOOK} Empty lets go of it."),
    as_json: bool = JSON,
) -> None:
    """Change a persona; what is not named stays.

    Example: lunalux persona edit Robin --worldbook "Maps of the coast"
    """
    personas = runtime.library.personas
    stored = await personas.find(persona)
    called = stored.name if name is None else _name(name)
    about = stored.description if description is None else text_of(description)
    # Looked up before anything is stored, as in `add`.
    book = stored.worldbook
    if worldbook is not None:
        book = (await runtime.library.worldbooks.find(worldbook)).name if worldbook else ""
    await personas.save(called, about, stored.id)
    await personas.bind(stored.id, book)
    _print(await personas.find(stored.id), as_json)


@persona_app.command()
@in_runtime
async def use(
    runtime: Runtime,
    persona: str = PERSONA,
    conversation: str = typer.Option("", help="Only in this conversation, by its id."),
    as_json: bool = JSON,
) -> None:
    """Play a persona in new conversations, or in one that there is.

    Example: lunalux persona use Robin --conversation 3fa8c21b
    """
    library = runtime.library
    stored = await library.personas.find(persona)
    place = await library.conversations.named(conversation) if conversation else None
    if place is not None:
        await library.conversations.set(place.id, persona_id=stored.id)
    else:
        await library.personas.choose(stored.id)
    if as_json:
        row = _row(await library.personas.find(stored.id))
        output.print_json({**row, "conversation_id": place.id if place else None})
    elif place is not None:
        output.say("persona_used_there", name=stored.name, id=place.id)
    else:
        output.say("persona_used", name=stored.name)


@persona_app.command()
def delete(
    persona: str = PERSONA,
    yes: bool = YES,
    as_json: bool = JSON,
) -> None:
    """Delete a persona; conversations that it played in stay.

    Example: lunalux persona delete Robin --yes
    """

    delete_named(
        lambda runtime: runtime.library.personas.find(persona),
        lambda persona: t("cli.delete_persona", name=persona.name),
        lambda runtime, persona: runtime.library.personas.delete(persona.id),
        yes=yes,
        as_json=as_json,
    )


def _name(text: str) -> str:
    name = clean_line(text, LONGEST_NAME)
    if not name:
        raise InvalidInput("PERSONA_NAMELESS", "A persona needs a name.", "Give one.")
    return name


def _row(persona: Persona) -> dict[str, Any]:
    return {
        "id": persona.id,
        "name": persona.name,
        "description": persona.description,
        "chosen": persona.chosen,
        "worldbook": persona.worldbook or None,
    }


def _print(persona: Persona, as_json: bool) -> None:
    if as_json:
        output.print_json(_row(persona))
        return
    output.print_text(f"{persona.id}\t{persona.name}" + ("\t✓" if persona.chosen else ""))
    if persona.worldbook:
        output.print_text(persona.worldbook)
    if persona.description:
        output.print_text(persona.description)
