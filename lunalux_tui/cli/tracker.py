"""`lunalux tracker …`: sheets of a story that a model revises and a person corrects."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import typer

from lunalux_core.errors import InvalidInput
from lunalux_core.language import Language
from lunalux_core.library.memories import find_message
from lunalux_core.library.trackers import Tracker, TrackerState
from lunalux_core.runtime import Runtime
from lunalux_core.text import well_formed
from lunalux_tui.cli import output
from lunalux_tui.cli.conversation import ID, YES, read_file
from lunalux_tui.cli.plain_values import given
from lunalux_tui.cli.run import delete_asked, in_runtime
from lunalux_tui.cli.shelf_commands import JSON
from lunalux_tui.i18n import t

tracker_app = typer.Typer(
    help="Sheets of a story that revise themselves: clothes, places, plot threads.",
    no_args_is_help=True,
    add_completion=False,
)
commands = {"tracker": tracker_app}

TRACKER = typer.Argument(metavar="TRACKER", help="Name or id of a tracker, or its beginning.")
INSTRUCTION = typer.Option(None, "--instruction", help="What it is to hold, as told to the model.")
SHAPE = typer.Option(None, "--shape", help="File with its shape: a JSON schema, a JSON example, or a text.")
VALUE = typer.Option(None, "--value", help="What it holds: text or JSON.")
VALUE_FILE = typer.Option(None, "--value-file", help="The same from a file.")
EVERY = typer.Option(None, "--every", min=1, max=1000, help="With --run turns: after so many replies.")
DEPTH = typer.Option(None, "--depth", min=0, max=10_000, help="Messages below it, for the position in_chat.")

Runs = Literal["turns", "memory", "command"]
Positions = Literal["in_chat", "before_main", "after_main"]
Roles = Literal["system", "user", "assistant"]
RUN = typer.Option(None, "--run", help="When it is revised: after replies, after a memory, or by command.")
POSITION = typer.Option(None, "--position", help="Where it stands in the prompt.")
ROLE = typer.Option(None, "--role", help="Who says it, for the position in_chat.")


@tracker_app.command("list")
@in_runtime
async def list_(
    runtime: Runtime,
    conversation: str = ID,
    templates: bool = typer.Option(False, "--templates", help="The ready-made ones instead."),
    as_json: bool = JSON,
) -> None:
    """The trackers of a conversation, with the values of the branch that is shown.

    Example: lunalux tracker list 3fa8c21b --json
    """
    place = await runtime.library.conversations.named(conversation)
    # Only now, because the templates are shown in the language of the conversation.
    if templates:
        await _print_templates(runtime, place.id, as_json)
        return
    _print_rows(await runtime.library.trackers.shown(place.id), as_json)


@tracker_app.command()
@in_runtime
async def add(
    runtime: Runtime,
    conversation: str = ID,
    called: str = typer.Argument("", metavar="[NAME]", help="What it is called."),
    name: str = typer.Option("", "--name", help="The same as an option."),
    template: str = typer.Option(
        "", "--template", help="Begin with clothes, positions, relations, inventory, plot or weather."
    ),
    instruction: str | None = INSTRUCTION,
    shape: Path | None = SHAPE,
    value: str | None = VALUE,
    value_file: Path | None = VALUE_FILE,
    run: Runs | None = RUN,
    every: int | None = EVERY,
    position: Positions | None = POSITION,
    depth: int | None = DEPTH,
    role: Roles | None = ROLE,
    lang: Language | None = typer.Option(None, "--lang", help="Language of a template; else the story's."),
    as_json: bool = JSON,
) -> None:
    """Add a tracker; prints its id. A template brings name and instruction, which may be changed.

    Example: lunalux tracker add 3fa8c21b --template clothes --every 3
    """
    from lunalux_core.trackers.keeper import checked_by_hand

    place = await runtime.library.conversations.named(conversation)
    language = lang or await _language(runtime, place.id)
    tracker = Tracker("", place.id, "", "")
    if template:
        from lunalux_core.trackers.tracker_templates import template_named

        tracker = template_named(template).tracker(place.id, language)
    tracker = replace(
        tracker,
        **given(
            name=_line(called or name) or None,
            instruction=well_formed(instruction) if instruction is not None else None,
            run=run,
            every=every,
            position=position,
            depth=depth,
            role=role,
            **_shape(shape),
        ),
    )
    written = _value(value, value_file)
    stored = await runtime.library.trackers.add(tracker, checked_by_hand(tracker, written) if written else "")
    if as_json:
        output.print_json(await _row(runtime, stored))
    else:
        output.print_text(stored.id)


@tracker_app.command()
@in_runtime
async def show(
    runtime: Runtime,
    conversation: str = ID,
    tracker: str = TRACKER,
    values: bool = typer.Option(False, "--values", help="Its values on all branches, oldest first."),
    as_json: bool = JSON,
) -> None:
    """One tracker in full, with what it holds on the branch that is shown.

    Example: lunalux tracker show 3fa8c21b clothes
    """
    state = await _find(runtime, conversation, tracker)
    if values:
        await _print_values(runtime, state.tracker, as_json)
        return
    _print_one(state, as_json)


@tracker_app.command("run")
@in_runtime
async def run_(
    runtime: Runtime,
    conversation: str = ID,
    trackers: list[str] = typer.Argument(None, metavar="[TRACKER]...", help="Which; else all that are on."),
    model: str = typer.Option("", "--model", help="The model that revises; else the task's profile's."),
    as_json: bool = JSON,
) -> None:
    """Revise trackers now by the messages since their values; prints what they hold.

    Where the answer cannot be used, the old value stays, and the command ends with 7.

    Example: lunalux tracker run 3fa8c21b clothes --model ollama:qwen3:8b
    """
    place = await runtime.library.conversations.named(conversation)
    wanted = [(await _find(runtime, place.id, name)).tracker.id for name in trackers or ()]
    reviser = runtime.models.named(model).name if model else ""
    revised = await runtime.trackers.run(place.id, wanted, reviser)
    for revision in revised:
        if revision.error is not None:
            output.note(f"{revision.state.tracker.name}: {' '.join(output.sentence(revision.error)).strip()}")
    _print_rows([revision.state for revision in revised], as_json)
    if not revised:
        output.say("tracker_none")
    elif not any(revision.asked for revision in revised):
        output.say("tracker_nothing_new")
    if any(revision.error is not None for revision in revised):
        raise typer.Exit(output.PARTLY)


@tracker_app.command()
@in_runtime
async def edit(
    runtime: Runtime,
    conversation: str = ID,
    tracker: str = TRACKER,
    value: str | None = VALUE,
    value_file: Path | None = VALUE_FILE,
    at: str = typer.Option(
        "", "--at", help="The message it holds from: its id or number; else the last one shown."
    ),
    name: str | None = typer.Option(None, "--name", help="Another name."),
    instruction: str | None = INSTRUCTION,
    shape: Path | None = SHAPE,
    run: Runs | None = RUN,
    every: int | None = EVERY,
    position: Positions | None = POSITION,
    depth: int | None = DEPTH,
    role: Roles | None = ROLE,
    on: bool = typer.Option(False, "--on", help="Take part in prompts again."),
    off: bool = typer.Option(False, "--off", help="Take no part in prompts, and do not revise itself."),
    as_json: bool = JSON,
) -> None:
    """Correct what a tracker holds, or how it works. Your value counts from then on.

    Example: lunalux tracker edit 3fa8c21b clothes --value "Mirelle: a grey cloak"
    """
    from lunalux_core.trackers.keeper import checked_by_hand

    stored = await _find(runtime, conversation, tracker)
    changes = given(
        name=_line(name) if name is not None else None,
        instruction=well_formed(instruction) if instruction is not None else None,
        run=run,
        every=every,
        position=position,
        depth=depth,
        role=role,
        enabled=True if on else False if off else None,
        **_shape(shape),
    )
    written = _value(value, value_file)
    if not changes and written is None:
        raise InvalidInput(
            "USAGE",
            "Nothing is to be changed.",
            "Give --value or another option.",
            kind="tracker_edit",
        )
    changed = replace(stored.tracker, **changes)
    if written is not None:
        # Before anything is stored: a value that does not fit the new shape changes nothing.
        written = checked_by_hand(changed, written)
    if changes:
        await runtime.library.trackers.edit(changed.id, **changes)
    if written is not None:
        place = changed.conversation_id
        # None: from the last message that is shown.
        message = await runtime.library.database.read(lambda c: find_message(c, place, at)) if at else None
        await runtime.library.trackers.set(changed.id, written, message)
    _print_one(await runtime.library.trackers.find(changed.conversation_id, changed.id), as_json)


@tracker_app.command()
def delete(
    conversation: str = ID,
    tracker: str = TRACKER,
    yes: bool = YES,
    as_json: bool = JSON,
) -> None:
    """Delete a tracker with all its values.

    Example: lunalux tracker delete 3fa8c21b clothes --yes
    """

    async def remove(runtime: Runtime, state: TrackerState) -> None:
        await runtime.library.trackers.delete(state.tracker.id)
        output.deleted({"id": state.tracker.id, "name": state.tracker.name}, as_json=as_json)

    delete_asked(
        lambda runtime: _find(runtime, conversation, tracker),
        lambda state: t("cli.delete", name=state.tracker.name),
        remove,
        yes=yes,
    )


def _line(text: str) -> str:
    from lunalux_core.text import clean_line

    return clean_line(well_formed(text), 60)


def _shape(path: Path | None) -> dict[str, str]:
    if path is None:
        return {}
    from lunalux_core.trackers.shape import read_shape

    # Editors on Windows put a byte order mark at the beginning.
    form, shape = read_shape(read_file(path).decode("utf-8-sig", "replace"))
    return {"form": form, "shape": shape}


def _value(text: str | None, path: Path | None) -> str | None:
    if path is not None:
        return read_file(path).decode("utf-8-sig", "replace")
    return well_formed(text) if text is not None else None


async def _language(runtime: Runtime, conversation_id: str) -> Language:
    """The language of what was said last."""
    from lunalux_core.trackers.tracker_templates import story_language
    from lunalux_tui import i18n

    spoken: Language = "zh" if i18n.language() == "zh" else "en"
    return await runtime.library.database.read(lambda c: story_language(c, conversation_id, spoken))


async def _find(runtime: Runtime, conversation: str, name: str) -> TrackerState:
    place = await runtime.library.conversations.named(conversation)
    return await runtime.library.trackers.find(place.id, name)


async def _row(runtime: Runtime, tracker: Tracker) -> dict[str, Any]:
    from lunalux_core.trackers.tracker_rows import tracker_row

    return tracker_row(await runtime.library.trackers.find(tracker.conversation_id, tracker.id))


def _print_rows(trackers: Sequence[TrackerState], as_json: bool) -> None:
    from lunalux_core.trackers.tracker_rows import tracker_row

    if as_json:
        output.print_json([tracker_row(state) for state in trackers])
        return
    output.print_table(
        ["id", "name", "status", "run", "value"],
        [
            [
                state.tracker.id,
                state.tracker.name,
                state.status if state.tracker.enabled else "off",
                f"turns {state.tracker.every}" if state.tracker.run == "turns" else state.tracker.run,
                # Why it could not be revised, else what it holds.
                state.tracker.reason or (state.value.value if state.value else ""),
            ]
            for state in trackers
        ],
    )


def _print_one(state: TrackerState, as_json: bool) -> None:
    from lunalux_core.trackers.tracker_rows import tracker_row

    if as_json:
        output.print_json(tracker_row(state))
        return
    tracker = state.tracker
    output.print_text(f"{tracker.name}\n{tracker.id}\t{tracker.form}\t{state.status}\t{tracker.run}")
    output.print_text(f"{tracker.position}\t{tracker.depth}\t{tracker.role}\n\n{tracker.instruction}")
    for part in (tracker.shape, tracker.reason, state.value.value if state.value else ""):
        if part:
            output.print_text(f"\n{part}")


async def _print_values(runtime: Runtime, tracker: Tracker, as_json: bool) -> None:
    from lunalux_core.library.trackers import load_values
    from lunalux_core.trackers.tracker_rows import value_row

    values = await runtime.library.database.read(lambda c: load_values(c, tracker.id))
    rows = [value_row(tracker, value) for value in values]
    if as_json:
        output.print_json(rows)
        return
    cells = [[row["at"] or "", row["made_by"], _text(row["value"])] for row in rows]
    output.print_table(["message", "made by", "value"], cells)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


async def _print_templates(runtime: Runtime, conversation_id: str, as_json: bool) -> None:
    from lunalux_core.trackers.tracker_templates import TEMPLATES

    language = await _language(runtime, conversation_id)
    rows = [
        {
            "id": template.key,
            "name": template.key,
            "title": template.wording(language).name,
            "instruction": template.wording(language).instruction,
        }
        for template in TEMPLATES
    ]
    if as_json:
        output.print_json(rows)
        return
    cells = [[row["name"], row["title"], row["instruction"]] for row in rows]
    output.print_table(["name", "title", "instruction"], cells)
