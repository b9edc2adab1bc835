"""`lunalux quickreply`: sets of quick replies, in and out, and one of them run."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from lunalux_core.errors import InvalidInput, Names, NotFound
from lunalux_core.library.quick_replies import ReplyUse, StoredSet, pick
from lunalux_core.runtime import Runtime
from lunalux_tui.cli import output
from lunalux_tui.cli.conversation import FORCE, YES, free_path, write_file
from lunalux_tui.cli.run import delete_named, in_runtime, named_character, with_runtime
from lunalux_tui.cli.script import CONVERSATION, TerminalHost, print_outcome
from lunalux_tui.cli.shelf_commands import JSON, import_each, read_json, there_already
from lunalux_tui.i18n import t

if TYPE_CHECKING:
    from lunalux_core.stscript.quick_reply_files import QuickReply, QuickReplySet

quickreply_app = typer.Typer(help="Manage and run quick replies.", no_args_is_help=True, add_completion=False)
commands = {"quickreply": quickreply_app}

NAME = typer.Argument(metavar="SET", help="Name or id of the set.")


@quickreply_app.command("list")
@in_runtime
async def list_sets(runtime: Runtime, as_json: bool = JSON) -> None:
    """Every set and the labels of its replies.

    Example: lunalux quickreply list --json
    """
    uses = await runtime.library.quick_replies.uses()
    rows = [_summary(stored, uses) for stored in await runtime.library.quick_replies.list()]
    if as_json:
        output.print_json(rows)
        return
    table = [[row["id"], row["name"], ", ".join(map(_with_menus, row["replies"]))] for row in rows]
    output.print_table(["id", "name", "replies"], table)


@quickreply_app.command("import")
@in_runtime
async def import_sets(
    runtime: Runtime,
    paths: list[Path] = typer.Argument(metavar="PATH..."),
    name: str = typer.Option("", help="What to call it, for a single file."),
    as_json: bool = JSON,
) -> None:
    """Store SillyTavern's sets of quick replies, those of old slots too. Nothing of them runs by itself.
    Replies that need a command which is not there are told.

    Example: lunalux quickreply import dice.json
    """

    async def store(content: QuickReplySet) -> tuple[dict[str, Any], Sequence[str]]:
        stored, is_new = await runtime.library.quick_replies.add(content)
        notes = content.notes if is_new else there_already(stored.name)
        return _summary(stored), (*notes, *_lacks(content))

    await import_each(
        paths,
        lambda path: [_read(path, name)],
        store,
        lambda row: (row["id"], row["name"], len(row["replies"])),
        as_json=as_json,
    )


@quickreply_app.command()
@in_runtime
async def export(
    runtime: Runtime,
    name: str = NAME,
    path: Path = typer.Argument(),
    force: bool = FORCE,
    as_json: bool = JSON,
) -> None:
    """Write a set to a file as SillyTavern reads it, with every field it came with.

    Example: lunalux quickreply export Dice dice.json
    """
    stored = await runtime.library.quick_replies.find(name)
    text = json.dumps(stored.content.document, ensure_ascii=False, indent=4) + "\n"
    write_file(free_path(path, force=force), text.encode("utf-8", "replace"))
    if as_json:
        output.print_json({**_summary(stored), "path": str(path)})
    else:
        output.say("written", path=path)


@quickreply_app.command()
def run(
    name: str = NAME,
    labels: list[str] = typer.Argument(
        metavar="LABEL...", help="Label of the reply; further ones go through the menus that it opens."
    ),
    conversation: str = CONVERSATION,
    as_json: bool = typer.Option(False, "--json", help="Print an object, as `lunalux script run` does."),
) -> None:
    """Run a quick reply that is a script; print one that is a text. /run in it finds the others. With
    --conversation it works on that chat. What stands in the menu of a reply is named behind it.

    Example: lunalux quickreply run Dice d6
    """

    # All sets, because a script may run replies of the others.
    stored = with_runtime(lambda runtime: runtime.library.quick_replies.list())
    chosen = pick(stored, name)
    # The chosen set first, so that /run finds the label there before it looks into the others.
    sets = [chosen.content, *(stored_set.content for stored_set in stored if stored_set.id != chosen.id)]
    reply = _reply(chosen, labels, sets)
    from lunalux_core.stscript.commands.command_table import everything
    from lunalux_core.stscript.interpreter import Interpreter, ScriptOutcome

    host = _Host(sets)
    if reply.is_script and conversation:
        from lunalux_tui.cli.script_surface import run_on_conversation

        outcome, echoes = with_runtime(
            lambda runtime: run_on_conversation(runtime, conversation, reply.message, asks=output.talks())
        )
        print_outcome(outcome, echoes, as_json=as_json)
        return
    if reply.is_script:
        outcome = asyncio.run(Interpreter(host, everything(host.offers)).run(reply.message))
    else:
        outcome = ScriptOutcome(reply.message, {}, {})
    print_outcome(outcome, host.echoes, as_json=as_json)


@quickreply_app.command()
@in_runtime
async def use(
    runtime: Runtime,
    name: str = NAME,
    conversation: str = typer.Option("", metavar="ID", help="In this conversation only."),
    character: str = typer.Option("", metavar="NAME", help="With this character only."),
    group: str = typer.Option("", metavar="NAME", help="With this group only."),
    off: bool = typer.Option(False, "--off", help="Take it out of force there."),
    buttons: bool = typer.Option(True, "--buttons/--no-buttons", help="Show its replies above the prompt."),
    automatic: bool | None = typer.Option(
        None, "--automatic/--no-automatic", help="Whether its replies may run by themselves, in the app."
    ),
    as_json: bool = JSON,
) -> None:
    """Put a set in force: everywhere, or in one place. What runs by itself needs your word once.

    Example: lunalux quickreply use Dice --character Mirelle
    """
    from lunalux_tui.cli.chat_options import refuse_together

    named = {"--conversation": conversation, "--character": character, "--group": group}
    pairs = (("--conversation", "--character"), ("--conversation", "--group"), ("--character", "--group"))
    refuse_together({option: bool(value) for option, value in named.items()}, pairs)
    library = runtime.library
    stored = await library.quick_replies.find(name)
    place = ReplyUse("global", "", stored.id, buttons)
    if conversation:
        place = replace(place, scope="chat", target=(await library.conversations.named(conversation)).id)
    elif character:
        place = replace(place, scope="character", target=(await named_character(runtime, character)).id)
    elif group:
        # A group stands where the character does: no id is both.
        place = replace(place, scope="character", target=(await library.groups.find(group)).id)
    await library.quick_replies.use(place, on=not off)
    if automatic is not None:
        await library.quick_replies.allow(stored.id, automatic)
    row = _summary(await library.quick_replies.find(stored.id), await library.quick_replies.uses())
    if as_json:
        output.print_json(row)
        return
    output.print_text(f"{row['id']}\t{row['name']}\t{'automatic' if row['automatic'] else ''}".rstrip())
    for used in row["in_force"]:
        output.print_text("\t".join(filter(None, (used["scope"], used["target"]))))
    # Nobody was asked yet, so these do not run by themselves.
    if stored.content.automatic and row["automatic"] is None:
        output.say("quick_automatic", n=len(stored.content.automatic))


@quickreply_app.command()
def delete(
    name: str = NAME,
    yes: bool = YES,
    as_json: bool = JSON,
) -> None:
    """Delete a set; export it first to keep it.

    Example: lunalux quickreply delete Dice --yes
    """
    delete_named(
        lambda runtime: runtime.library.quick_replies.find(name),
        lambda stored: t("cli.delete_quick_replies", name=stored.name),
        lambda runtime, stored: runtime.library.quick_replies.delete(stored.id),
        yes=yes,
        as_json=as_json,
    )


class _Host(TerminalHost):
    """The terminal, with the sets of the library."""

    def __init__(self, sets: Sequence[QuickReplySet]) -> None:
        super().__init__(asks=output.talks())
        self._sets = sets

    async def quick_reply(self, name: str, named: Mapping[str, str]) -> str | None:
        from lunalux_core.stscript.quick_reply_files import named as find

        reply = find(self._sets, name)
        return None if reply is None else reply.message


def _reply(stored: StoredSet, labels: Sequence[str], sets: Sequence[QuickReplySet]) -> QuickReply:
    """The reply of a label, or the one that a way of labels through its menus ends at."""
    from lunalux_core.stscript.reply_menu import MenuEntry, followed, menu_of

    reply = stored.content.find(labels[0])
    if reply is None:
        raise _not_found(labels[0], stored.name, stored.content.replies)
    entry = MenuEntry(reply, stored.content)
    for label in labels[1:]:
        inner = followed(entry, label, sets)
        if inner is None:
            raise _not_found(label, entry.reply.label, [choice.reply for choice in menu_of(entry, sets)])
        entry = inner
    if not entry.reply.message and (choices := menu_of(entry, sets)):
        raise InvalidInput(
            "QUICK_REPLY_IS_MENU",
            f"{entry.reply.label} only opens a menu.",
            f"Name choice of it behind the label: {', '.join(choice.reply.label for choice in choices)}.",
            label=entry.reply.label,
            labels=Names(choice.reply.label for choice in choices),
        )
    return entry.chosen


def _not_found(label: str, name: str, replies: Sequence[QuickReply]) -> NotFound:
    labels = ", ".join(reply.label for reply in replies)
    return NotFound(
        "QUICK_REPLY_NOT_FOUND",
        f"There is no quick reply {label!r} in {name}.",
        f"It has: {labels}." if labels else "It is empty.",
        label=label,
        name=name,
        labels=labels,
    )


def _read(path: Path, name: str) -> QuickReplySet:
    from lunalux_core.stscript.quick_reply_files import read_set

    return read_set(read_json(path), name or path.stem)


def _lacks(content: QuickReplySet) -> list[str]:
    """A sentence for each reply that cannot run here."""
    from lunalux_core.stscript.commands.command_table import everything
    from lunalux_core.stscript.lacks import lacks
    from lunalux_tui.i18n import t

    told = []
    for lack in lacks(content, everything()):
        if lack.commands:
            commands = ", ".join(
                t("cli.command_at", command=name, line=line, column=column)
                for name, (line, column) in lack.commands
            )
            told.append(t("cli.quick_reply_lacks", label=lack.label, commands=commands))
        if lack.error is not None:
            reason = output.one_line(*output.sentence(lack.error))
            told.append(t("cli.quick_reply_unreadable", label=lack.label, reason=reason))
    return told


def _with_menus(row: Mapping[str, Any]) -> str:
    """A label for the table, with the sets that its menu opens."""
    return " ▸ ".join(filter(None, (row["label"], "/".join(menu["set"] for menu in row["menus"]))))


def _summary(stored: StoredSet, uses: Sequence[ReplyUse] = ()) -> dict[str, Any]:
    """A set for JSON. `automatic`: whether its replies may run by themselves, null where nobody was asked."""
    return {
        "id": stored.id,
        "name": stored.name,
        "automatic": stored.automatic,
        "in_force": [
            {"scope": use.scope, "target": use.target or None, "buttons": use.visible}
            for use in uses
            if use.set_id == stored.id
        ],
        "replies": [
            {
                "id": reply.id,
                "label": reply.label,
                "title": reply.title,
                "script": reply.is_script,
                "hidden": reply.hidden,
                "runs_on": sorted(reply.moments) + (["worldbook"] if reply.automation_id else []),
                "menus": [{"set": menu.name, "chained": menu.chained} for menu in reply.menus],
            }
            for reply in stored.content.replies
        ],
    }
