"""`lunalux bank …`: documents that replies may draw on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from lunalux_core.errors import InvalidInput, LunaluxError
from lunalux_core.library.bank_documents import Document, Reach
from lunalux_core.runtime import Runtime
from lunalux_tui.cli import output
from lunalux_tui.cli.conversation import YES
from lunalux_tui.cli.run import delete_named, in_runtime, named_character
from lunalux_tui.cli.shelf_commands import JSON
from lunalux_tui.i18n import t

bank_app = typer.Typer(help="Documents that replies may draw on.", no_args_is_help=True, add_completion=False)
commands = {"bank": bank_app}

CONVERSATION = typer.Option("", "--conversation", help="Id of a conversation, or its beginning.")
CHARACTER = typer.Option("", "--character", help="Name or id of a character.")


@bank_app.command()
@in_runtime
async def add(
    runtime: Runtime,
    paths: list[Path] = typer.Argument(metavar="PATH...", help="Files: .txt, .md, .html, .pdf or .epub."),
    conversation: str = CONVERSATION,
    character: str = CHARACTER,
    as_json: bool = JSON,
) -> None:
    """Add documents for a chat, for a character, or without either for all; prints their ids.

    What cannot be read is told and the others go on; the command then ends with 7, or 1 for a single file.

    Example: lunalux bank add rules.pdf history.epub --character Mirelle
    """
    import asyncio

    from lunalux_core.bank.document_files import document_of

    owner = await _owner(runtime, conversation, character)
    added: list[Document] = []
    failed = 0
    for path in paths:
        try:
            # Reading a book takes seconds, in which the loop has to hear ctrl+c.
            document, passages = await asyncio.to_thread(document_of, path, *owner)
            added.append(await runtime.library.documents.add(document, passages))
        except LunaluxError as error:
            if len(paths) == 1:
                raise
            # What was added before stays, so that only the bad files have to be named again.
            failed += 1
            output.note(output.one_line(*output.sentence(error)))
    _print_documents(added, as_json)
    if failed:
        raise typer.Exit(output.PARTLY)


@bank_app.command("list")
@in_runtime
async def list_(
    runtime: Runtime, conversation: str = CONVERSATION, character: str = CHARACTER, as_json: bool = JSON
) -> None:
    """All documents, or those that a chat or a character draws on.

    Example: lunalux bank list --character Mirelle --json
    """
    _print_documents(
        await runtime.library.documents.list(await _reach(runtime, conversation, character)), as_json
    )


@bank_app.command()
@in_runtime
async def search(
    runtime: Runtime,
    query: str = typer.Argument(metavar="QUERY", help="Words, or a whole message."),
    conversation: str = CONVERSATION,
    character: str = CHARACTER,
    limit: int = typer.Option(10, "--limit", min=1, max=60, help="At most so many."),
    as_json: bool = JSON,
) -> None:
    """Passages that a text calls for, the closest first.

    Example: lunalux bank search "who lit the lamp" --character Mirelle
    """
    from lunalux_core.bank.document_rows import passage_row

    reach = await _reach(runtime, conversation, character)
    passages = await runtime.library.documents.search(query, reach, limit)
    if as_json:
        output.print_json([passage_row(passage) for passage in passages])
        return
    output.print_table(
        ["id", "document", "tokens", "text"],
        [[passage.id, passage.document, passage.tokens, passage.text] for passage in passages],
    )


@bank_app.command()
def delete(
    document: str = typer.Argument(metavar="DOCUMENT", help="Name or id of a document, or its beginning."),
    conversation: str = CONVERSATION,
    character: str = CHARACTER,
    yes: bool = YES,
    as_json: bool = JSON,
) -> None:
    """Delete a document with its passages; the file that it came from stays.

    Example: lunalux bank delete rules.pdf --yes
    """

    async def find(runtime: Runtime) -> Document:
        reach = await _reach(runtime, conversation, character)
        return await runtime.library.documents.find(document, reach)

    delete_named(
        find,
        lambda document: t("cli.delete", name=document.name),
        lambda runtime, document: runtime.library.documents.delete(document.id),
        yes=yes,
        as_json=as_json,
    )


async def _owner(runtime: Runtime, conversation: str, character: str) -> tuple[str, str]:
    """Ids of the chat and of the character that documents are for, one of them at most."""
    if conversation and character:
        raise InvalidInput(
            "USAGE",
            "A document belongs to a chat or to a character.",
            "Give --conversation or --character, not both.",
            kind="bank_owner",
        )
    if conversation:
        return (await runtime.library.conversations.named(conversation)).id, ""
    if character:
        return "", (await named_character(runtime, character)).id
    return "", ""


async def _reach(runtime: Runtime, conversation: str, character: str) -> Reach:
    chat, owner = await _owner(runtime, conversation, character)
    if chat:
        return await runtime.library.documents.reach_of(await runtime.library.conversations.get(chat))
    # Without an owner all documents are meant, also those of chats.
    return Reach(characters=(owner,)) if owner else Reach(everything=True)


def _print_documents(documents: Sequence[Document], as_json: bool) -> None:
    from lunalux_core.bank.document_rows import document_row

    if as_json:
        output.print_json([document_row(document) for document in documents])
        return
    output.print_table(
        ["id", "scope", "passages", "tokens", "name"],
        [
            [document.id, document.scope, document.passages, document.tokens, document.name]
            for document in documents
        ],
    )
