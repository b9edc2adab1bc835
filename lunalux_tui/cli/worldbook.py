"""`lunalux worldbook`: the shelf of worldbooks, and `worldbook test`.

See docs/spec/formats.md: Worldbook settings.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from lunalux_core.errors import InvalidInput
from lunalux_core.runtime import Runtime
from lunalux_tui.cli import output
from lunalux_tui.cli.conversation import read_file
from lunalux_tui.cli.run import in_runtime, named_character
from lunalux_tui.cli.shelf_commands import JSON, NAME, print_scenarios, read_json, shelf_app, summary
from lunalux_tui.cli.stdin import input_text
from lunalux_tui.i18n import note, t

if TYPE_CHECKING:
    from lunalux_core.worldbook.engine import ScanMessage

FILE = typer.Argument(None, help="A worldbook, or a card with one inside.")


_WITHOUT_EFFECT = {"overflow_alert", "world_info_overflow_alert", "world_info"}
"""Settings of SillyTavern that say nothing about what is found: a notice, the chosen books."""

worldbook_app = shelf_app("worldbook", "Manage and test worldbooks (lorebooks).")
commands = {"worldbook": worldbook_app}


@worldbook_app.command()
def test(
    file: Path | None = FILE,
    text: str | None = typer.Option(None, help="One message to look for keys in; else stdin."),
    messages: Path | None = typer.Option(
        None, help='File with a JSON array of {"role", "name", "content"}, oldest first.'
    ),
    settings: str = typer.Option(
        "", help='JSON object such as {"depth": 4, "recursive": false}, or a file of one.'
    ),
    seed: int = typer.Option(0, help="For entries that come by chance."),
    scenarios: Path | None = typer.Option(None, "--scenarios", help="Replay a file of scenarios instead."),
    as_json: bool = JSON,
) -> None:
    """Show which entries a text activates, in which order, and why the others stay away.

    Example: lunalux worldbook test book.json --text "The dragon sleeps" --settings '{"depth": 4}' --json
    """
    if scenarios is not None:
        from lunalux_core.scenarios.worldbook import replay

        print_scenarios(scenarios, replay)
        return
    if file is None:
        raise InvalidInput(
            "USAGE", "There is no worldbook to test.", "Name a file, or --scenarios FILE.", kind="book"
        )
    if text is not None and messages is not None:
        raise InvalidInput(
            "USAGE", "--text and --messages do not go together.", "Give one of them.", kind="texts"
        )
    from lunalux_core.scenarios.worldbook import trial

    document = _document(file)
    outcome = trial(document, _messages(text, messages), _settings(settings), name=file.stem, seed=seed)
    if as_json:
        output.print_json(outcome)
    else:
        _print(outcome)


@worldbook_app.command("own-settings")
@in_runtime
async def own(
    runtime: Runtime,
    name: str = NAME,
    off: bool = typer.Option(False, "--off", help="Back to the settings of all books."),
    as_json: bool = JSON,
) -> None:
    """Search a book with its own scan depth, token budget and recursion instead of the general settings.

    Example: lunalux worldbook own-settings Eldoria
    """
    from lunalux_core.worldbook.book_reader import with_own_settings

    shelf = runtime.library.worldbooks
    item = await shelf.find(name)
    await shelf.save(item.id, document=with_own_settings(item.document, not off))
    if as_json:
        output.print_json({**summary(item), "own_settings": not off})
    else:
        output.say("book_all" if off else "book_own", name=item.name)


@worldbook_app.command()
@in_runtime
async def bind(
    runtime: Runtime,
    name: str = NAME,
    conversation: str = typer.Option("", help="Use it in this conversation (id)."),
    persona: str = typer.Option("", help="Use it wherever you are this persona (name)."),
    character: str = typer.Option("", help="Use it with this character (name or id)."),
    off: bool = typer.Option(False, "--off", help="Unbind it instead."),
    as_json: bool = JSON,
) -> None:
    """Use a worldbook in one conversation, with one persona or one character, and in no other chat.

    Example: lunalux worldbook bind Eldoria --conversation 3fa8c21b
    """
    if sum(map(bool, (conversation, persona, character))) != 1:
        raise InvalidInput(
            "USAGE",
            "What to bind it to is missing.",
            "Give one of --conversation, --persona and --character.",
            kind="bind",
        )
    item = await runtime.library.worldbooks.find(name)
    if conversation:
        place = await runtime.library.conversations.named(conversation)
        header = dict(place.metadata)
        # Where SillyTavern keeps it, so that an exported chat takes it along.
        metadata = {**header.get("chat_metadata", {}), "world_info": "" if off else item.name}
        await runtime.library.conversations.set(place.id, metadata={**header, "chat_metadata": metadata})
    elif character:
        owner = await named_character(runtime, character)
        await runtime.library.characters.tie(owner.id, item.name, not off)
    else:
        player = await runtime.library.personas.find(persona)
        await runtime.library.personas.bind(player.id, "" if off else item.name)
    if as_json:
        output.print_json({**summary(item), "bound": not off})
    else:
        output.say("book_free" if off else "book_bound", name=item.name)


def _document(path: Path) -> Any:
    """A worldbook's JSON, taken out of the card or picture where the file is one."""
    from lunalux_core.importing.shelf_documents import read_worldbook_document

    document, mended = read_worldbook_document(read_file(path), path.name)
    for repair in mended:
        output.note(f"{path.name}: {note(repair)}")
    return document


def _messages(text: str | None, path: Path | None) -> list[ScanMessage]:
    from lunalux_core.worldbook.engine import ScanMessage

    if path is None:
        # A text alone is a message of the person.
        return [ScanMessage("User", input_text() if text is None else text, is_user=True)]
    document = read_json(path)
    if not isinstance(document, list) or not all(isinstance(message, dict) for message in document):
        raise InvalidInput(
            "MESSAGES_INVALID",
            f"{path.name} holds no list of messages.",
            'Give a JSON array of {"role", "name", "content"}, oldest first.',
            path=path.name,
        )
    messages = []
    for message in document:
        is_user = message.get("role", "user") == "user"
        name = str(message.get("name") or ("User" if is_user else "Char"))
        messages.append(ScanMessage(name, str(message.get("content") or ""), is_user))
    return messages


def _settings(text: str) -> dict[str, Any]:
    if not text.strip():
        return {}
    try:
        document = json.loads(text)
    except ValueError as error:
        # What does not even begin like JSON is the name of a file.
        if not text.lstrip().startswith(("{", "[")):
            document = read_json(Path(text))
        else:
            raise InvalidInput(
                "USAGE", f"--settings is not valid JSON: {error}.", kind="settings_json", reason=str(error)
            ) from None
    if not isinstance(document, dict):
        raise InvalidInput(
            "USAGE", "--settings is no JSON object.", 'Give one like {"depth": 4}.', kind="settings"
        )
    from lunalux_core.text import clean_line
    from lunalux_core.worldbook.engine import WorldbookSettings, setting_name

    try:
        WorldbookSettings.read(document)
    except (TypeError, ValueError) as error:
        raise InvalidInput(
            "USAGE",
            f"--settings has a value of the wrong kind: {error}.",
            kind="settings_value",
            reason=str(error),
        ) from None
    names = (*WorldbookSettings.names(), "max_context")
    for name in document:
        if name not in _WITHOUT_EFFECT and name not in names and not setting_name(name):
            raise InvalidInput(
                "USAGE",
                f"--settings has the unknown name {clean_line(name, 60)}.",
                f"Known are {', '.join(names)}.",
                kind="setting_name",
                value=clean_line(name, 60),
                choices=", ".join(names),
            )
    return document


def _print(outcome: dict[str, Any]) -> None:
    output.print_table(
        ["uid", "entry", "position", "tokens", "why"],
        [
            [
                entry["uid"],
                entry["comment"],
                entry["position"],
                entry["tokens"],
                _why(entry),
            ]
            for entry in outcome["activated"]
        ],
    )
    for entry in outcome["skipped"]:
        reason = t(f"create.trial.skip.{entry['reason']}")
        output.say("skipped_entry", uid=entry["uid"], reason=reason)
    output.say("entries", n=len(outcome["activated"]), tokens=outcome["tokens"])


def _why(entry: dict[str, Any]) -> str:
    """Why an entry is there: as people read it on a terminal, as programs know it in a pipe."""
    if not sys.stdout.isatty():
        return " ".join(str(part) for part in (entry["reason"], entry["key"]) if part)
    return t(f"create.trial.reason.{entry['reason']}", word=entry["key"], n=entry["pass"])
