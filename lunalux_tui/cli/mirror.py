"""`lunalux mirror`: the library as files, both ways."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from lunalux_core.errors import InvalidInput
from lunalux_core.runtime import Runtime
from lunalux_tui.cli import output
from lunalux_tui.cli.run import in_runtime
from lunalux_tui.i18n import t

if TYPE_CHECKING:
    from collections.abc import Callable

    from lunalux_core.mirror.mirror import Mirror
    from lunalux_core.mirror.work import MirrorEvent

mirror_app = typer.Typer(add_completion=False)
commands = {"mirror": mirror_app}

ROUNDS = 3
"""Passes over what was changed while it was worked on."""


@mirror_app.command()
@in_runtime
async def mirror(
    runtime: Runtime,
    folder: Path = typer.Argument(help="Folder for the files; it is made."),
    watch: bool = typer.Option(False, "--watch", help="Go on until ctrl+c, whenever one side changes."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Only say what would be done."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON document a line."),
) -> None:
    """Keep stories, cards, worldbooks and presets as files, for an editor, git and grep.

    What was changed in the library goes into the files, what was changed in a file goes into the library;
    where both were, both are kept. Nothing is deleted in the library. docs/mirror.md describes the files.
    What cannot be used is told and stays as it is; the command then ends with 7.

        lunalux mirror ~/stories
        lunalux mirror ~/stories --watch
    """
    if watch and dry_run:
        raise InvalidInput(
            "USAGE", "A dry run ends by itself.", "Give --watch or --dry-run, not both.", kind="mirror"
        )
    from lunalux_core.mirror.mirror import opened
    from lunalux_core.regular_files import path_of

    await runtime.first_start()
    counts: Counter[str] = Counter()

    def tell(event: MirrorEvent) -> None:
        counts[event.action] += 1
        _tell(event, as_json=as_json)

    path = path_of(folder)
    with opened(runtime.library, runtime.paths, path, lambda: runtime.reader, dry=dry_run) as mirrored:
        # A dry run changes nothing, not even replies that a killed program left unfinished.
        if not dry_run:
            await runtime.chat.recover(output.journal_damaged)
        if watch:
            await _watch(mirrored, tell)
            return
        for _ in range(1 if dry_run else ROUNDS):
            # What is wrong with a file stays so, and is told by the last round alone.
            counts["waiting"] = counts["skipped"] = 0
            if await mirrored.run(tell, dry=dry_run):
                break
    _sum_up(counts, folder, dry=dry_run)


def _sum_up(counts: Counter[str], folder: Path, *, dry: bool) -> None:
    output.say(
        "mirror_dry" if dry else "mirror_done",
        folder=folder,
        written=counts["written"] + counts["restored"],
        taken=counts["taken"] + counts["added"],
        conflicts=counts["conflict"],
        skipped=counts["skipped"] + counts["waiting"],
    )
    if counts["skipped"] or counts["waiting"]:
        raise typer.Exit(output.PARTLY)


async def _watch(mirrored: Mirror, tell: Callable[[MirrorEvent], None]) -> None:
    """Mirror until ctrl+c, which is how it is meant to end."""
    from lunalux_tui.cli.http_server import on_signals

    watching = asyncio.ensure_future(mirrored.watch(tell, lambda: output.say("mirror_watching")))

    def stop() -> None:
        watching.cancel()

    on_signals(stop)
    with suppress(asyncio.CancelledError):
        await watching


def _tell(event: MirrorEvent, *, as_json: bool) -> None:
    sentence = output.sentence(event.error) if event.error is not None else ("", "")
    if as_json:
        error = None if event.error is None else {"code": event.error.code, "message": sentence[0]}
        output.print_line(
            {
                "action": event.action,
                "kind": event.kind,
                "path": event.path,
                "id": event.id or None,
                "name": event.name or None,
                "kept": event.kept or None,
                "error": error,
            }
        )
    elif event.error is not None:
        text = output.one_line(*sentence)
        # Most sentences about a file were made for one that somebody had just named.
        output.note(text if event.path in sentence[0] else t("cli.mirror.error", path=event.path, text=text))
    else:
        key = "mirror.missing" if event.missing else f"mirror.{event.action}"
        words = {"path": event.path, "kept": event.kept, "name": event.name, "n": event.missing}
        if event.action == "conflict" and event.kind == "story":
            key = "mirror.conflict_story"
        output.print_text(t(f"cli.{key}", **words))
        sys.stdout.flush()  # a watch goes on for hours
