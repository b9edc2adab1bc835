"""`lunalux memory …`: what a story remembers, seen, corrected, written, and carried in and out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import typer

from lunalux_core.errors import InvalidInput, Names
from lunalux_core.library.conversations import Conversation
from lunalux_core.library.memories import Memory, find_message
from lunalux_core.runtime import Runtime
from lunalux_core.text import well_formed
from lunalux_tui.cli import output
from lunalux_tui.cli.conversation import FORCE, ID, YES, free_path, read_file, write_file
from lunalux_tui.cli.plain_values import given
from lunalux_tui.cli.run import delete_named, in_runtime
from lunalux_tui.cli.shelf_commands import JSON, read_json
from lunalux_tui.i18n import t

memory_app = typer.Typer(
    help="See, correct, write and carry over what a story remembers.",
    no_args_is_help=True,
    add_completion=False,
)
commands = {"memory": memory_app}

MEMORY = typer.Argument(metavar="MEMORY", help="Id, title or beginning of a memory.")
FROM = typer.Option(
    "", "--from", help="First message of the range: its id, the beginning of it, or a number."
)
TO = typer.Option("", "--to", help="Last message of the range; alone, the only one.")
KEYWORDS = typer.Option([], "--keyword", help="A word that calls it back; repeat it for more.")

SPEAKER = typer.Option("", "--speaker", help="Who knows it, for a journal of a group's member.")

WrittenKind = Literal["fact", "summary", "marked", "chapter", "journal"]


@memory_app.command("list")
@in_runtime
async def list_(
    runtime: Runtime,
    conversation: str = ID,
    here: bool = typer.Option(False, "--here", help="Only those of the branch that is shown."),
    as_json: bool = JSON,
) -> None:
    """Every memory of a conversation in the order of the story, with its state.

    A memory is stale where a message it covers was edited, deleted or swiped away; it is then not used.

    Example: lunalux memory list 3fa8c21b --json
    """
    place = await runtime.library.conversations.named(conversation)
    memories, path = await runtime.library.memories.shown(place.id)
    _print_rows(
        # One without a range belongs to all branches.
        [memory for memory in memories if not here or not memory.last or memory.last in path],
        path,
        as_json,
    )


@memory_app.command()
@in_runtime
async def show(runtime: Runtime, conversation: str = ID, memory: str = MEMORY, as_json: bool = JSON) -> None:
    """One memory in full.

    Example: lunalux memory show 3fa8c21b "The harbour"
    """
    await _print_one(runtime, await _find(runtime, conversation, memory), as_json)


@memory_app.command()
@in_runtime
async def add(
    runtime: Runtime,
    conversation: str = ID,
    kind: WrittenKind = typer.Option(
        "fact", help="What it is; a summary replaces its messages in the prompt."
    ),
    text: str = typer.Option(
        "", "--text", help="The words; of a marked message its own where none are given."
    ),
    title: str = typer.Option("", "--title", help="A short name."),
    start: str = FROM,
    end: str = TO,
    keywords: list[str] = KEYWORDS,
    speaker: str = SPEAKER,
    pin: bool = typer.Option(False, "--pin", help="Always in the prompt."),
    as_json: bool = JSON,
) -> None:
    """Write down a memory yourself; prints its id. Without a range it belongs to the whole conversation.

    Example: lunalux memory add 3fa8c21b --kind fact --text "Mirelle fears the sea." --keyword sea
    """
    from lunalux_core.memory.entries import add_entry

    place = await runtime.library.conversations.named(conversation)
    if kind == "journal":
        speaker = await _diarist(runtime, place, speaker)
    wanted = Memory(
        "",
        place.id,
        kind,
        well_formed(text),
        well_formed(title),
        _keywords(keywords),
        speaker=well_formed(speaker),
        pinned=pin,
    )
    # One transaction for the messages of the range and the memory, so that neither changes in between.
    memory = await runtime.library.database.write(
        lambda c: add_entry(
            c,
            wanted,
            find_message(c, place.id, start) if start else "",
            find_message(c, place.id, end) if end else "",
        )
    )
    if as_json:
        await _print_one(runtime, memory, as_json)
    else:
        output.print_text(memory.id)


@memory_app.command()
@in_runtime
async def edit(
    runtime: Runtime,
    conversation: str = ID,
    memory: str = MEMORY,
    text: str | None = typer.Option(None, "--text", help="Other words."),
    title: str | None = typer.Option(None, "--title", help="Another name."),
    start: str = FROM,
    end: str = TO,
    keywords: list[str] = KEYWORDS,
    no_keywords: bool = typer.Option(False, "--no-keywords", help="Take all its words away."),
    as_json: bool = JSON,
) -> None:
    """Correct a memory. Your words count from then on, also where the old ones were stale.

    Example: lunalux memory edit 3fa8c21b "The harbour" --text "They meet at dawn, not at dusk."
    """
    stored = await _find(runtime, conversation, memory)
    values = given(
        text=None if text is None else well_formed(text),
        title=None if title is None else well_formed(title),
        keywords=_keywords(keywords) if keywords or no_keywords else None,
    )
    for name, message in (("first", start), ("last", end)):
        if message:
            values[name] = await runtime.library.database.read(
                lambda c, message=message: find_message(c, stored.conversation_id, message)  # type: ignore[misc]
            )
    if not values:
        raise InvalidInput(
            "USAGE", "Nothing is to be changed.", "Give --text, --title or --keyword.", kind="memory_edit"
        )
    await _print_one(runtime, await runtime.library.memories.edit(stored.id, **values), as_json)


@memory_app.command()
@in_runtime
async def pin(
    runtime: Runtime,
    conversation: str = ID,
    memory: str = MEMORY,
    off: bool = typer.Option(False, "--off", help="Let it go again."),
    as_json: bool = JSON,
) -> None:
    """Keep a memory in every prompt.

    Example: lunalux memory pin 3fa8c21b "The harbour"
    """
    stored = await _find(runtime, conversation, memory)
    await _print_one(runtime, await runtime.library.memories.edit(stored.id, pinned=not off), as_json)


@memory_app.command()
def delete(
    conversation: str = ID,
    memory: str = MEMORY,
    yes: bool = YES,
    as_json: bool = JSON,
) -> None:
    """Forget a memory; the messages it covers stay, and are sent again where they fit.

    Example: lunalux memory delete 3fa8c21b "The harbour" --yes
    """

    delete_named(
        lambda runtime: _find(runtime, conversation, memory),
        lambda memory: t("cli.delete", name=memory.name),
        lambda runtime, memory: runtime.library.memories.delete(memory.id),
        yes=yes,
        as_json=as_json,
    )


@memory_app.command()
@in_runtime
async def write(
    runtime: Runtime,
    conversation: str = ID,
    everything: bool = typer.Option(
        False, "--all", help="Also what is smaller than a scene or protected, up to the last four messages."
    ),
    model: str = typer.Option("", "--model", help="The model that writes; else as for every memory."),
    as_json: bool = JSON,
) -> None:
    """Write what is due now: scenes that no memory covers, and chapters; prints what was written.

    A scene that could not be written is marked as failed with the reason; the command then ends with 7.

    Example: lunalux memory write 3fa8c21b --all --model ollama:qwen3:8b
    """
    place = await runtime.library.conversations.named(conversation)
    writer = runtime.models.named(model).name if model else ""
    written = await runtime.memory_writer.write(place.id, everything=everything, model=writer)
    if written.memories:
        # Trackers that are revised after a memory wait for this.
        await runtime.trackers.run_due(place.id, "memory")
    _, path = await runtime.library.memories.shown(place.id)
    if written.error is not None:
        output.note(output.one_line(*output.sentence(written.error)))
    if as_json or written.memories or written.failed:
        _print_rows([*written.memories, *written.failed], path, as_json)
    else:
        output.say("memory_nothing_due")
    if written.failed:
        raise typer.Exit(output.PARTLY)


@memory_app.command()
@in_runtime
async def scene(
    runtime: Runtime,
    conversation: str = ID,
    message: str = typer.Argument("", help="The message it ends with: its id or number; else the last one."),
    off: bool = typer.Option(False, "--off", help="Let it go on after all."),
    as_json: bool = JSON,
) -> None:
    """Say where a scene ends: what stands before is then remembered by itself, however short it is.

    Example: lunalux memory scene 3fa8c21b 24
    """
    place = await runtime.library.conversations.named(conversation)
    at = await runtime.library.database.read(lambda c: find_message(c, place.id, message or place.head_id))
    await runtime.chat.edits.end_scene(at, not off)
    if as_json:
        output.print_json({"id": at, "ends_scene": not off})
    else:
        output.say("scene_goes_on" if off else "scene_ends")


@memory_app.command()
@in_runtime
async def search(
    runtime: Runtime,
    conversation: str = ID,
    query: str = typer.Argument(metavar="QUERY", help="Words, or a whole message."),
    as_json: bool = JSON,
) -> None:
    """Memories that a text calls for: by their keywords, or with these words in them; the closest first.

    Example: lunalux memory search 3fa8c21b "the promise at the harbour"
    """
    from lunalux_core.memory.recall import searched

    place = await runtime.library.conversations.named(conversation)
    memories, path = await runtime.library.memories.shown(place.id)
    _print_rows(searched(memories, query), path, as_json)


@memory_app.command("export")
@in_runtime
async def export(
    runtime: Runtime,
    conversation: str = ID,
    path: Path = typer.Argument(help="File to write: .json (a worldbook with Memory Books' fields) or .md."),
    force: bool = FORCE,
    as_json: bool = JSON,
) -> None:
    """Write all memories to a file. The worldbook works in SillyTavern, and keeps all for Lunalux.

    Example: lunalux memory export 3fa8c21b memories.json
    """
    from lunalux_core.memory.memory_books import memory_book, memory_text

    place = await runtime.library.conversations.named(conversation)
    target = free_path(path, force=force)
    if _ending(path) == "md":
        text = await runtime.library.database.read(lambda c: memory_text(c, place.id))
    else:
        document = await runtime.library.database.read(lambda c: memory_book(c, place.id))
        text = json.dumps(document, ensure_ascii=False, indent=4) + "\n"
    write_file(target, text.encode("utf-8", "replace"))
    if as_json:
        output.print_json({"id": place.id, "path": str(path)})
    else:
        output.say("written", path=path)


@memory_app.command("import")
@in_runtime
async def import_(
    runtime: Runtime, conversation: str = ID, path: Path = typer.Argument(), as_json: bool = JSON
) -> None:
    """Take in memories: our own file, a worldbook of Memory Books or any other, or Markdown.

    Ranges are found again where the messages are here. What is there already is not stored twice.

    Example: lunalux memory import 3fa8c21b memories.json
    """
    from lunalux_core.memory.memory_books import read_memory_book, read_memory_text, store_memories

    place = await runtime.library.conversations.named(conversation)
    off = 0
    data = read_file(path)  # before its name is judged: what is not there is told first
    if _ending(path) == "md":
        read = read_memory_text(data.decode("utf-8", "replace"), place.id)
    else:
        read, off = read_memory_book(read_json(path), path.stem, place.id)
    stored = await runtime.library.database.write(lambda c: store_memories(c, place.id, read))
    told = {"off": off, "strayed": stored.strayed, "known": stored.skipped, "none": not read and not off}
    for key, count in told.items():
        if count:
            output.say(f"memory_{key}", n=int(count), name=path.name)
    if as_json:
        _, shown = await runtime.library.memories.shown(place.id)
        _print_rows(stored.memories, shown, as_json)
    else:
        for memory in stored.memories:
            output.print_text(f"{memory.id}\t{memory.kind}\t{memory.name}")


async def _diarist(runtime: Runtime, place: Conversation, named: str) -> str:
    """Whose journal it is: the member of a group that is named, else the only character there is.

    Raises:
        InvalidInput: JOURNAL_SPEAKER, nobody is named in a group. NotFound: MEMBER_NOT_FOUND.
    """
    if not place.group_id:
        return named or (await runtime.library.characters.get(place.character_id)).name
    group = await runtime.library.groups.get(place.group_id)
    if not named.strip():
        raise InvalidInput(
            "JOURNAL_SPEAKER",
            "A journal in a group is what one member knows.",
            f"Name one with --speaker: {', '.join(group.names)}.",
            members=Names(group.names),
        )
    return group.find(named).name


def _ending(path: Path) -> str:
    """ "json" or "md". Raises InvalidInput (MEMORY_FORMAT)."""
    ending = path.suffix[1:].lower()
    if ending in ("md", "markdown"):
        return "md"
    if ending == "json":
        return ending
    raise InvalidInput(
        "MEMORY_FORMAT",
        f"{path.name} does not say what it is to hold.",
        "End its name in .json (a worldbook) or .md.",
        path=path.name,
    )


def _keywords(words: Sequence[str]) -> tuple[str, ...]:
    return tuple(well_formed(word) for word in words if word.strip())


async def _find(runtime: Runtime, conversation: str, name: str) -> Memory:
    place = await runtime.library.conversations.named(conversation)
    return await runtime.library.memories.find(place.id, name)


def _print_rows(memories: Sequence[Memory], path: frozenset[str], as_json: bool) -> None:
    from lunalux_core.memory.memory_rows import memory_row

    if as_json:
        output.print_json([memory_row(memory, path) for memory in memories])
        return
    output.print_table(
        ["id", "kind", "status", "tokens", "pinned", "memory"],
        [
            [
                memory.id,
                memory.kind,
                memory.status(path),
                memory.tokens,
                "pinned" if memory.pinned else "",
                _told(memory),
            ]
            for memory in memories
        ],
    )


def _told(memory: Memory) -> str:
    if memory.state == "failed":
        return memory.reason
    return f"{memory.title}: {memory.text}" if memory.title else memory.text


async def _print_one(runtime: Runtime, memory: Memory, as_json: bool) -> None:
    from lunalux_core.memory.memory_rows import memory_row

    _, path = await runtime.library.memories.shown(memory.conversation_id)
    row = memory_row(memory, path)
    if as_json:
        output.print_json(row)
        return
    output.print_text(f"{memory.name}\n{row['id']}\t{row['kind']}\t{row['status']}\t{row['made_by']}")
    if memory.last:
        output.print_text(f"{memory.first} - {memory.last}")
    if memory.keywords:
        output.print_text(", ".join(memory.keywords))
    output.print_text("\n" + (memory.text or memory.reason))
