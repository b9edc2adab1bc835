"""`lunalux conversation`: list, show, export, import, delete."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import typer

from lunalux_core.errors import InvalidInput, NotFound
from lunalux_core.library.conversations import Conversation, Message
from lunalux_core.runtime import Runtime
from lunalux_tui.cli import output
from lunalux_tui.cli.run import with_runtime

conversation_app = typer.Typer(
    help="List, show, export, import and delete conversations.", no_args_is_help=True, add_completion=False
)
commands = {"conversation": conversation_app}

JSON = typer.Option(False, "--json", help="Print one JSON document.")
ID = typer.Argument(metavar="ID", help="Id of a conversation.")


@conversation_app.command("list")
def list_conversations(
    character: str = typer.Argument("", help="Only this character's (name or id)."), as_json: bool = JSON
) -> None:
    """Conversations, the ones used last first.

    Example: lunalux conversation list Mirelle --json
    """

    async def work(runtime: Runtime) -> None:
        chosen = (await runtime.library.characters.find(character)).id if character else None
        names = {c.id: c.name for c in await runtime.library.characters.list()}
        found = await runtime.library.conversations.list(chosen)
        if as_json:
            output.print_json([_summary(one, names[one.character_id]) for one in found])
            return
        output.print_table(
            ["id", "character", "messages", "last used", "title"],
            [[c.id, names[c.character_id], c.length, _day(c.updated_at), c.title or "-"] for c in found],
        )

    with_runtime(work)


@conversation_app.command()
def show(
    conversation: str = ID,
    limit: int = typer.Option(0, help="Only the newest messages; 0 shows all.", min=0),
    as_json: bool = JSON,
) -> None:
    """The messages of the path on screen.

    Example: lunalux conversation show 3fa8c21b --limit 20
    """

    async def work(runtime: Runtime) -> None:
        await runtime.chat.recover()
        place = await runtime.library.conversations.get(conversation)
        character = await runtime.library.characters.get(place.character_id)
        page = await runtime.library.conversations.page(place.id, limit=limit or 1 << 30)
        if as_json:
            messages = [_message(one) for one in page]
            output.print_json({**_summary(place, character.name), "messages": messages})
            return
        for one in page:
            mark = "" if one.status == "done" else f"  [{one.status}]"
            output.print_text(f"{one.name}{mark}\n{one.content}\n")

    with_runtime(work)


@conversation_app.command("export")
def export(
    conversation: str = ID,
    path: Path = typer.Argument(help="File to write: .jsonl (SillyTavern), .md, .txt or .json (whole tree)."),
    thinking: bool = typer.Option(False, "--thinking", help="With the model's reasoning, in Markdown."),
    force: bool = typer.Option(False, "--force", help="Overwrite an existing file."),
    as_json: bool = JSON,
) -> None:
    """Write a conversation to a file. All but .json hold the path on screen; swipes go along in .jsonl.

    Example: lunalux conversation export 3fa8c21b evening.md
    """

    async def work(runtime: Runtime) -> None:
        from lunalux_core.transfer import export_conversation, format_of

        if path.exists() and not force:
            raise InvalidInput("FILE_EXISTS", f"{path} exists already.", "Choose another name, or --force.")
        text = await export_conversation(runtime.library, conversation, format_of(path), thinking=thinking)
        write_file(path, text.encode("utf-8", "replace"))
        if as_json:
            output.print_json({"id": conversation, "path": str(path)})
        else:
            output.note(f"Written to {path}")

    with_runtime(work)


@conversation_app.command("import")
def import_(
    path: Path = typer.Argument(help="A chat file: .jsonl, or JSON of SillyTavern, Narratium, RisuAI, …"),
    character: str = typer.Option(..., help="The character it belongs to (name or id)."),
    as_json: bool = JSON,
) -> None:
    """Store a chat file as a new conversation.

    Example: lunalux conversation import chat.jsonl --character Seraphina
    """

    async def work(runtime: Runtime) -> None:
        from lunalux_core.transfer import import_conversation

        found = await runtime.library.characters.find(character)
        persona = await runtime.library.personas.chosen()
        name = persona.name if persona else runtime.settings.user_name
        done = await import_conversation(
            runtime.library, found.id, read_file(path), path.name, user_name=name or "You"
        )
        for one in done.notes:
            output.note(one)
        if as_json:
            output.print_json(
                {"id": done.conversation_id, "messages": done.messages, "notes": list(done.notes)}
            )
        else:
            output.print_text(done.conversation_id)

    with_runtime(work)


@conversation_app.command()
def delete(conversation: str = ID, as_json: bool = JSON) -> None:
    """Delete a conversation with all its branches.

    Example: lunalux conversation delete 3fa8c21b
    """

    async def work(runtime: Runtime) -> None:
        await runtime.library.conversations.delete(conversation)
        if as_json:
            output.print_json({"id": conversation, "deleted": True})
        else:
            output.note(f"Deleted {conversation}")

    with_runtime(work)


def read_file(path: Path) -> bytes:
    """The bytes of a file a person named. Raises NotFound (FILE_NOT_FOUND) or InvalidInput."""
    try:
        return path.expanduser().read_bytes()
    except FileNotFoundError:
        raise NotFound(
            "FILE_NOT_FOUND", f"There is no file {path}.", "Check the path.", path=str(path)
        ) from None
    except OSError as error:
        raise InvalidInput(
            "FILE_UNREADABLE",
            f"{path} cannot be read: {error.strerror}.",
            "Check its permissions.",
            path=str(path),
            reason=str(error.strerror),
        ) from error


def write_file(path: Path, data: bytes) -> None:
    """Write a file a person named. Raises StorageError."""
    from lunalux_core.database import storage_error

    try:
        path.expanduser().write_bytes(data)
    except OSError as error:
        raise storage_error(error, path) from error


def _summary(conversation: Conversation, character: str) -> dict[str, Any]:
    return {
        "id": conversation.id,
        "character_id": conversation.character_id,
        "character": character,
        "title": conversation.title,
        "length": conversation.length,
        "created_at": conversation.created_at,
        "updated_at": conversation.updated_at,
    }


def _message(message: Message) -> dict[str, Any]:
    return {
        "id": message.id,
        "parent_id": message.parent_id or None,
        "role": message.role,
        "name": message.name,
        "content": message.content,
        "thinking": message.thinking,
        "next_prompts": list(message.suggestions),
        "event": message.event,
        "status": message.status,
        "model": message.model,
        "usage": message.usage,
        "billing": message.billing,
        "hidden": message.hidden,
        "swipe": message.swipe,
        "swipes": message.swipes,
        "created_at": message.created_at,
    }


def _day(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000).strftime("%Y-%m-%d %H:%M")
