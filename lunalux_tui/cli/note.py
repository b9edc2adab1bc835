"""`lunalux note`: the author's note of a conversation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import typer

from lunalux_core.dialogue.authors_note import DEEPEST, ChatNote
from lunalux_core.documents.prompt_values import Role
from lunalux_core.runtime import Runtime
from lunalux_tui.cli import output
from lunalux_tui.cli.plain_values import given
from lunalux_tui.cli.run import in_runtime
from lunalux_tui.cli.shelf_commands import JSON
from lunalux_tui.cli.stdin import text_of
from lunalux_tui.i18n import t

note_app = typer.Typer(
    help="The author's note of a conversation: show it, set it.", no_args_is_help=True, add_completion=False
)
commands = {"note": note_app}

CONVERSATION = typer.Argument(metavar="CONVERSATION", help="Id of a conversation, or its beginning.")
Position = Literal["in_chat", "after_main", "before_main"]


@note_app.command()
@in_runtime
async def show(runtime: Runtime, conversation: str = CONVERSATION, as_json: bool = JSON) -> None:
    """The note: its text, where it stands in the prompt, and how often it is sent.

    Example: lunalux note show 3fa8c21b --json
    """
    place = await runtime.library.conversations.named(conversation)
    _print(place.id, ChatNote.read(place.note), as_json)


@note_app.command("set")
@in_runtime
async def set_(
    runtime: Runtime,
    conversation: str = CONVERSATION,
    text: str | None = typer.Option(None, help="The words; empty for none, - reads them from stdin."),
    position: Position | None = typer.Option(None, help="in_chat, after_main or before_main."),
    depth: int | None = typer.Option(None, help="Messages below it, in the chat.", min=0, max=DEEPEST),
    role: Role | None = typer.Option(None, help="system, user or assistant, in the chat."),
    interval: int | None = typer.Option(
        None, help="Sent with every n-th message of yours; 0 is never.", min=0, max=DEEPEST
    ),
    scan: bool | None = typer.Option(None, "--scan/--no-scan", help="Worldbook keys are sought in it, too."),
    as_json: bool = JSON,
) -> None:
    """Change the note; what is not named stays.

    Example: lunalux note set 3fa8c21b --text "Slow, rainy, few words." --depth 2
    """
    conversations = runtime.library.conversations
    place = await conversations.named(conversation)
    note = replace(
        ChatNote.read(place.note),
        **given(
            prompt=None if text is None else text_of(text),
            position=position,
            depth=depth,
            role=role,
            interval=interval,
            scan=scan,
        ),
    )
    await conversations.set(place.id, note=note.as_json())
    _print(place.id, note, as_json)


def _print(conversation_id: str, note: ChatNote, as_json: bool) -> None:
    if as_json:
        output.print_json(_row(conversation_id, note))
        return
    if not note.prompt:
        output.print_text(t("note.told.empty"))
        return
    often = t("note.told.often", n=note.interval) if note.interval else t("note.told.never")
    where = t(f"note.told.{note.position}", n=note.depth, role=t(f"note.roles.{note.role}"))
    output.print_text(f"{often} {where}" + (f" {t('cli.note_scanned')}" if note.scan else ""))
    output.print_text(note.prompt)


def _row(conversation_id: str, note: ChatNote) -> dict[str, Any]:
    return {
        "conversation_id": conversation_id,
        "text": note.prompt,
        "position": note.position,
        "depth": note.depth,
        "role": note.role,
        "interval": note.interval,
        "scan": note.scan,
    }
