"""`lunalux template`: instruct, context, system prompt, reasoning and sampler files for text completion."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from lunalux_core.errors import InvalidInput, NotFound
from lunalux_core.library.templates import StoredTemplate
from lunalux_core.runtime import Runtime
from lunalux_tui.cli import output
from lunalux_tui.cli.conversation import FORCE, free_path, read_file, write_file
from lunalux_tui.cli.run import delete_asked, in_runtime
from lunalux_tui.cli.shelf_commands import JSON, import_each, scenario_command, there_already
from lunalux_tui.i18n import note, t

if TYPE_CHECKING:
    from lunalux_core.templates.template_files import TemplateDocument

KINDS = ("instruct", "context", "sysprompt", "sampler", "reasoning", "srw")

template_app = typer.Typer(
    help="Manage and test templates for text completion.", no_args_is_help=True, add_completion=False
)
commands = {"template": template_app}

NAME = typer.Argument(metavar="NAME", help="Name or id.")
KIND = typer.Option("", "--kind", help=f"Where several have the name: {', '.join(KINDS)}.")


@template_app.command("list")
@in_runtime
async def list_templates(runtime: Runtime, as_json: bool = JSON) -> None:
    """Every template, imported and built-in.

    Example: lunalux template list --json
    """
    from lunalux_core.dialogue.text_templates import shipped_as_stored

    rows = [
        _summary(template) for template in (*await runtime.library.templates.list(), *shipped_as_stored())
    ]
    if as_json:
        output.print_json(rows)
        return
    output.print_table(
        ["id", "kind", "of", "name"],
        [
            [r["id"], r["kind"], output.label("built-in") if r["builtin"] else r["bundle"] or "", r["name"]]
            for r in rows
        ],
    )


@template_app.command("import")
@in_runtime
async def import_templates(
    runtime: Runtime,
    paths: list[Path] = typer.Argument(metavar="PATH..."),
    name: str = typer.Option("", help="What to call it, for a single file."),
    as_json: bool = JSON,
) -> None:
    """Store SillyTavern's template files; a master file brings all its parts. None is put in use.

    Example: lunalux template import ChatML.json
    """

    async def store(document: TemplateDocument) -> tuple[dict[str, Any], Sequence[str]]:
        stored, is_new = await runtime.library.templates.add(document)
        return _summary(stored), document.notes if is_new else there_already(stored.name)

    await import_each(
        paths,
        lambda path: _documents(path, name),
        store,
        lambda row: (row["id"], row["kind"], row["name"]),
        as_json=as_json,
    )


@template_app.command()
@in_runtime
async def show(runtime: Runtime, name: str = NAME, kind: str = KIND, as_json: bool = JSON) -> None:
    """What a template says, old fields read as what they mean today.

    Example: lunalux template show ChatML --json
    """
    parts = await _find(runtime, name, kind)
    if as_json:
        told = [{**_summary(part), "fields": _fields(part), "document": part.document} for part in parts]
        output.print_json({**_bundle(parts), "parts": told} if _is_master(parts, name) else told[0])
        return
    shown = parts if _is_master(parts, name) else parts[:1]
    for part in shown:
        output.print_text(f"{part.name} ({part.kind})")
        rows = [[key, json.dumps(value, ensure_ascii=False)] for key, value in _fields(part).items()]
        output.print_table(["field", "value"], rows)
    _tell_of(parts[len(shown) :])


@template_app.command()
@in_runtime
async def export(
    runtime: Runtime,
    name: str = NAME,
    path: Path = typer.Argument(),
    kind: str = KIND,
    force: bool = FORCE,
    as_json: bool = JSON,
) -> None:
    """Write a template to a file as SillyTavern reads it, with every field it came with.

    The name of a master file writes all its parts as one again.

    Example: lunalux template export ChatML chatml.json
    """
    from lunalux_core.templates.template_files import master_document

    parts = await _find(runtime, name, kind)
    whole = _is_master(parts, name)
    document = master_document({part.kind: part.document for part in parts}) if whole else parts[0].document
    text = json.dumps(document, ensure_ascii=False, indent=4) + "\n"
    # Imported texts may hold lone surrogates, which have no UTF-8.
    write_file(free_path(path, force=force), text.encode("utf-8", "replace"))
    _tell_of([] if whole else parts[1:])
    if as_json:
        output.print_json({**(_bundle(parts) if whole else _summary(parts[0])), "path": str(path)})
    else:
        output.say("written", path=path)


@template_app.command()
def delete(
    name: str = NAME,
    kind: str = KIND,
    yes: bool = typer.Option(False, "--yes", help="Do not ask."),
    as_json: bool = JSON,
) -> None:
    """Remove a template from the library, or all parts of a master file. Asks on a terminal; elsewhere it
    needs --yes.

    Example: lunalux template delete ChatML --yes
    """

    async def find(runtime: Runtime) -> list[StoredTemplate]:
        parts = await _find(runtime, name, kind)
        # Other commands take the first of several; what is deleted has to be named.
        if len(parts) > 1 and not _is_master(parts, name):
            raise _several(name, parts)
        if parts[0].id.startswith(_SHIPPED):
            raise InvalidInput(
                "TEMPLATE_BUILTIN",
                f"{parts[0].name} is built in and cannot be deleted.",
                "Import one of the same name to use that instead.",
                name=parts[0].name,
            )
        return parts

    def told(parts: list[StoredTemplate]) -> dict[str, Any]:
        return _bundle(parts) if _is_master(parts, name) else _summary(parts[0])

    async def gone(runtime: Runtime, parts: list[StoredTemplate]) -> None:
        for part in parts:
            await runtime.library.templates.delete(part.id)
        output.deleted(told(parts), as_json=as_json)

    delete_asked(
        find,
        lambda parts: t("cli.template_delete", name=told(parts)["name"], kind=told(parts)["kind"]),
        gone,
        yes=yes,
    )


scenario_command(
    template_app,
    "templates",
    "Replay prompts, replies or choices of templates and print a JSON array of results.\n\n"
    "Example: lunalux template test --scenarios text.json",
)


_SHIPPED = "builtin:"


async def _find(runtime: Runtime, name: str, kind: str) -> list[StoredTemplate]:
    """All templates of that name; built-in ones where none that was imported has it.

    Raises:
        NotFound: TEMPLATE_NOT_FOUND, with the nearest names. InvalidInput: USAGE.
    """
    from lunalux_core.dialogue.text_templates import shipped_as_stored
    from lunalux_core.library.templates import named_like

    if kind and kind not in KINDS:
        raise output.not_known("--kind", kind, KINDS)
    stored = [template for template in await runtime.library.templates.list() if kind in ("", template.kind)]
    shipped = [template for template in shipped_as_stored() if kind in ("", template.kind)]
    try:
        parts = named_like(stored, name)
    except NotFound:
        parts = named_like([*stored, *shipped], name)
    # Where no kind is named, the first one is meant.
    return sorted(parts, key=lambda part: KINDS.index(part.kind))


def _is_master(parts: list[StoredTemplate], name: str) -> bool:
    """Whether these are the parts of one master file, asked for by its name."""
    return bool(parts[0].bundle) and all(part.bundle.casefold() == name.casefold() for part in parts)


def _bundle(stored: list[StoredTemplate]) -> dict[str, Any]:
    """A master file as one thing; it has no id of its own, its name stands for it."""
    bundle = stored[0].bundle
    parts = [_summary(part) for part in stored]
    return {"id": bundle, "name": bundle, "kind": "master", "builtin": False, "parts": parts}


def _fields(template: StoredTemplate) -> dict[str, Any]:
    """What a template says; of a sampler what it sets."""
    from lunalux_core.templates.template_files import read_part

    part = asdict(read_part(template.kind, template.document, template.name))
    part.pop("name")
    return {**part.pop("values"), **part} if template.kind == "sampler" else part


def _tell_of(others: list[StoredTemplate]) -> None:
    for other in others:
        output.say("template_other", name=other.name, kind=other.kind, id=other.id)


def _several(name: str, parts: list[StoredTemplate]) -> InvalidInput:
    listed = ", ".join(f"{part.kind} ({part.id})" for part in parts)
    return InvalidInput(
        "TEMPLATE_AMBIGUOUS",
        f"Several templates are called {name!r}: {listed}.",
        "Name one by its id, or with --kind.",
        name=name,
        found=listed,
    )


def _documents(path: Path, name: str) -> list[TemplateDocument]:
    """What a file a person named brings; mended texts are told."""
    from dataclasses import replace

    from lunalux_core.importing.shelf_documents import read_document
    from lunalux_core.templates.template_files import template_documents

    document, mended = read_document(read_file(path), path.name)
    for repair in mended:
        output.note(f"{path.name}: {note(repair)}")
    documents = template_documents(document, name or path.stem)
    # A name is for one template; the parts of a master file have their own.
    if not name or len(documents) > 1 or documents[0].bundle:
        return documents
    document = documents[0].document
    renamed = {**document, "name": name} if "name" in document else document
    return [replace(documents[0], name=name, document=renamed)]


def _summary(template: StoredTemplate) -> dict[str, Any]:
    return {
        "id": template.id,
        "name": template.name,
        "kind": template.kind,
        "bundle": template.bundle or None,
        "builtin": template.id.startswith(_SHIPPED),
    }
