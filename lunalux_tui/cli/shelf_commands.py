"""What worldbooks, presets and regex scripts have in common on the command line."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import typer

from lunalux_core.errors import InvalidInput, LunaluxError
from lunalux_core.library import Library
from lunalux_core.library.shelf import Shelf, ShelfItem, ShelfKind, exported
from lunalux_core.runtime import Runtime
from lunalux_tui.cli import output
from lunalux_tui.cli.conversation import FORCE, YES, free_path, read_file, write_file
from lunalux_tui.cli.run import delete_asked, in_runtime
from lunalux_tui.i18n import note, t

if TYPE_CHECKING:
    from lunalux_core.importing.shelf_documents import ShelfDocument

T = TypeVar("T")

JSON = typer.Option(False, "--json", help="Print one JSON document.")
NAME = typer.Argument(metavar="NAME", help="Name or id.")


def shelf_app(kind: ShelfKind, help: str, *, own: bool = False) -> typer.Typer:
    """The commands list, import, export, enable, disable and delete for one kind.

    Args:
        own: the kind has built-in items, and brings its own list, export and enable.
    """
    app = typer.Typer(help=help, no_args_is_help=True, add_completion=False)

    def shared(name: str, help: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
        if own and name in {"list", "export", "enable"}:
            return lambda command: command
        return app.command(name, help=help)

    @shared("list", f"Every {kind} in the library, in its order.\n\nExample: lunalux {kind} list --json")
    @in_runtime
    async def list_items(runtime: Runtime, as_json: bool = JSON) -> None:
        items = await shelf_of(runtime.library, kind).list()
        if as_json:
            output.print_json([{**summary(item), **_about(item)} for item in items])
        else:
            output.print_table(
                ["id", "on", "name"],
                [[i.id, output.label("on" if i.enabled else "off"), i.name] for i in items],
            )

    @shared(
        "import",
        f"Store {kind} files (SillyTavern, Narratium and others).\n\n"
        f"Example: lunalux {kind} import downloads/*.json",
    )
    @in_runtime
    async def import_items(
        runtime: Runtime,
        paths: list[Path] = typer.Argument(metavar="PATH..."),
        name: str = typer.Option("", help="What to call it, for a single file."),
        as_json: bool = JSON,
    ) -> None:
        from lunalux_core.importing.document_import import OFF
        from lunalux_core.importing.shelf_documents import put

        async def store(document: ShelfDocument) -> tuple[dict[str, Any], Sequence[str]]:
            shelved = await runtime.library.database.write(
                lambda c: put(
                    c,
                    kind,
                    name or document.name,
                    document.document,
                    # A script has a switch of its own in its file, which counts; the others wait until they
                    # are enabled.
                    enabled=kind == "regex",
                    # Who gives a name wants it beside one with the same content.
                    copy=bool(name),
                )
            )
            notes = document.notes if shelved.is_new else there_already(shelved.item.name)
            if shelved.is_new and kind in OFF:
                notes = (*notes, OFF[kind])
            return summary(shelved.item), notes

        await import_each(
            paths,
            lambda path: _documents(kind, path),
            store,
            lambda row: (row["id"], row["name"]),
            as_json=as_json,
        )

    @shared(
        "export",
        f"Write a {kind} to a file, in its original format.\n\n"
        f"Example: lunalux {kind} export NAME {kind}.json",
    )
    @in_runtime
    async def export_item(
        runtime: Runtime,
        name: str = NAME,
        path: Path = typer.Argument(),
        force: bool = FORCE,
        as_json: bool = JSON,
    ) -> None:
        item = await shelf_of(runtime.library, kind).find(name)
        text = json.dumps(exported(item), ensure_ascii=False, indent=4) + "\n"
        # Imported texts may hold lone surrogates, which have no UTF-8.
        write_file(free_path(path, force=force), text.encode("utf-8", "replace"))
        if as_json:
            output.print_json({**summary(item), "path": str(path)})
        else:
            output.say("written", path=path)

    def switch(enabled: bool) -> Callable[..., None]:
        @in_runtime
        async def command(runtime: Runtime, name: str = NAME, as_json: bool = JSON) -> None:
            item = await _own(runtime, kind, name, "off")
            await shelf_of(runtime.library, kind).enable(item.id, enabled)
            if as_json:
                output.print_json({**summary(item), "enabled": enabled})
            else:
                output.say("switched_on" if enabled else "switched_off", name=item.name)

        return command

    shared("enable", f"Switch a {kind} on.\n\nExample: lunalux {kind} enable NAME")(switch(True))
    shared("disable", f"Switch a {kind} off.\n\nExample: lunalux {kind} disable NAME")(switch(False))

    @shared("delete", f"Remove a {kind} from the library.\n\nExample: lunalux {kind} delete NAME --yes")
    def delete_item(name: str = NAME, yes: bool = YES, as_json: bool = JSON) -> None:
        async def find(runtime: Runtime) -> ShelfItem:
            return await _own(runtime, kind, name, "delete")

        async def remove(runtime: Runtime, item: ShelfItem) -> None:
            await shelf_of(runtime.library, kind).delete(item.id)
            output.deleted(summary(item), as_json=as_json)

        delete_asked(find, lambda item: t("cli.delete", name=item.name), remove, yes=yes)

    return app


async def import_each(
    paths: Sequence[Path],
    read: Callable[[Path], Iterable[T]],
    store: Callable[[T], Awaitable[tuple[dict[str, Any], Sequence[str]]]],
    columns: Callable[[dict[str, Any]], Sequence[object]],
    *,
    as_json: bool,
    notes_by_name: bool = False,
) -> None:
    """Store what files bring, tell what is to be known of it, and print a row for each.

    Of several files, one that cannot be read is told, gets a row with its `error` and does not stop the
    others; the exit code is 7 then. Raises what `read` raises for a single file.

    Args:
        read: what a file holds.
        store: puts one of it into the library; gives its row and the notes on it.
        columns: what is printed of a row without --json.
        notes_by_name: tell notes under the name of what was stored, else under the file's.
    """
    rows: list[dict[str, Any]] = []
    for path in paths:
        try:
            documents = read(path)
        except LunaluxError as error:
            # With one file the command itself has failed, by the code of what is wrong.
            if len(paths) == 1:
                raise
            sentence = output.sentence(error)[0]
            output.note(f"{path}: {sentence}")
            rows.append({"path": str(path), "error": {"code": error.code, "message": sentence}})
            continue
        for document in documents:
            row, remarks = await store(document)
            notes = list(map(note, remarks))
            for remark in notes:
                output.note(f"{row['name'] if notes_by_name else path.name}: {remark}")
            rows.append({**row, "path": str(path), "notes": notes})
    stored = [row for row in rows if "error" not in row]
    if as_json:
        output.print_json(rows)
    else:
        for row in stored:
            output.print_text("\t".join(map(str, columns(row))))
    if len(stored) < len(rows):
        raise typer.Exit(output.PARTLY)


def there_already(name: str) -> tuple[str, ...]:
    """The notes on what a file brings and the library has."""
    return (t("cli.there_already", name=name),)


def _documents(kind: ShelfKind, path: Path) -> list[ShelfDocument]:
    """What a file a person named has for a shelf; mended texts are told."""
    from lunalux_core.importing.shelf_documents import read_document, read_worldbook_document, shelf_documents

    read = read_worldbook_document if kind == "worldbook" else read_document
    document, mended = read(read_file(path), path.name)
    for repair in mended:
        output.note(f"{path.name}: {note(repair)}")
    return shelf_documents(kind, document, path.stem)


def shelf_of(library: Library, kind: ShelfKind) -> Shelf:
    return {"worldbook": library.worldbooks, "preset": library.presets, "regex": library.scripts}[kind]


def summary(item: ShelfItem) -> dict[str, Any]:
    return {"id": item.id, "name": item.name, "enabled": item.enabled}


def _about(item: ShelfItem) -> dict[str, Any]:
    """What else a list tells of an item: how many entries a worldbook has, and whose settings count."""
    if item.kind != "worldbook":
        return {}
    from lunalux_core.worldbook.book_reader import own_settings, read_book

    try:
        book = read_book(item.document, item.name).book
    except InvalidInput:
        # A list shows everything there is, also what cannot be read.
        return {"entries": 0, "own_settings": False}
    return {"entries": len(book.entries), "own_settings": own_settings(book)}


def read_json(path: Path) -> Any:
    """The JSON of a file a person named. Raises NotFound, InvalidInput (JSON_INVALID), LimitExceeded."""
    from lunalux_core.importing.shelf_documents import read_document

    document, notes = read_document(read_file(path), path.name)
    for remark in notes:
        output.note(f"{path.name}: {note(remark)}")
    return document


def scenario_command(app: typer.Typer, subject: str, help: str) -> None:
    """Add the command `test --scenarios FILE` to a noun.

    Args:
        subject: module of `lunalux_core.scenarios` that replays them; loaded when the command runs.
    """

    @app.command("test", help=help)
    def test(
        scenarios: Path = typer.Option(..., "--scenarios", help="A file of scenarios to replay."),
        as_json: bool = typer.Option(False, "--json", help="The result is a JSON array in any case."),
    ) -> None:
        print_scenarios(scenarios, import_module(f"lunalux_core.scenarios.{subject}").replay)


def print_scenarios(path: Path, replay: Callable[[Any], Any]) -> None:
    """Replay a file of scenarios and print one JSON array of results (vectors/README.md)."""
    document = read_json(path)
    if not isinstance(document, (list, dict)):
        raise InvalidInput(
            "SCENARIOS_INVALID", f"{path.name} holds no scenarios.", "Give a JSON array.", path=path.name
        )
    output.print_json(replay(document))


async def _own(runtime: Runtime, kind: ShelfKind, name: str, wish: Literal["off", "delete"]) -> ShelfItem:
    """What a name means that is to be switched or deleted. Raises NotFound, InvalidInput (PRESET_BUILTIN)."""
    if kind != "preset":
        return await shelf_of(runtime.library, kind).find(name)
    from lunalux_tui.cli.preset import find_preset

    # Built-in ones are listed beside the others: it is said why this one stays.
    preset = await find_preset(runtime, name)
    if not isinstance(preset, str):
        return preset
    raise InvalidInput(
        "PRESET_BUILTIN",
        f"{preset} is built in and cannot be {'deleted' if wish == 'delete' else 'switched off'}.",
        "Put another one in use with `lunalux preset enable`.",
        kind=wish,
        name=preset,
    )
