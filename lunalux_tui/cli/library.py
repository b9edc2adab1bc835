"""`lunalux backup` and `lunalux restore`."""

from __future__ import annotations

from pathlib import Path

import typer

from lunalux_core.runtime import Runtime
from lunalux_tui.cli import output
from lunalux_tui.cli.conversation import FORCE, free_path, home_path
from lunalux_tui.cli.run import command_settings, in_runtime
from lunalux_tui.i18n import note, t

backup_app = typer.Typer(add_completion=False)
restore_app = typer.Typer(add_completion=False)
commands = {"backup": backup_app, "restore": restore_app}

FORMATS = ("lunalux", "sillytavern", "narratium")
JSON = typer.Option(False, "--json", help="Print one JSON document.")


@backup_app.command()
@in_runtime
async def backup(
    runtime: Runtime,
    path: Path = typer.Argument(help="File to write, e.g. lunalux.zip"),
    format: str = typer.Option(
        "lunalux", help="lunalux (whole), sillytavern (a folder, or a .zip of it) or narratium (one .json)."
    ),
    force: bool = FORCE,
    as_json: bool = JSON,
) -> None:
    """Save the whole library (characters, conversations, settings) as one file. Keys are never part of it.

        lunalux backup lunalux.zip
        lunalux backup --format sillytavern everything.zip

    `lunalux restore` brings a whole backup back; `lunalux import` reads the other two, in any library.
    """
    if format not in FORMATS:
        raise output.not_known("--format", format, FORMATS)
    from lunalux_core.library.backup import back_up

    # Before anything is read: a large library takes a while.
    target = free_path(path, force=force)
    if format != "lunalux":
        await _export(runtime, target, format, as_json=as_json)
        return
    report = await back_up(runtime.library, runtime.paths, target)
    if as_json:
        output.print_json(
            {
                "path": str(report.path),
                "characters": report.characters,
                "conversations": report.conversations,
                "pictures": report.pictures,
                "bytes": report.size,
            }
        )
    else:
        output.say(
            "backed_up",
            characters=report.characters,
            conversations=report.conversations,
            pictures=report.pictures,
            path=report.path,
            size=f"{report.size / 1e6:.1f}",
        )


async def _export(runtime: Runtime, path: Path, format: str, *, as_json: bool) -> None:
    from lunalux_core.exporting import export_library

    report = await export_library(runtime.library, path, format)  # type: ignore[arg-type]
    notes = list(map(note, report.notes))
    for remark in notes:
        output.note(remark)
    if as_json:
        output.print_json({"path": str(path), "format": format, **report.counts, "notes": notes})
    else:
        counts = [f"{output.heading(kind)} {number}" for kind, number in report.counts.items()]
        output.say("saved_to", what=t("settings.list_comma").join(counts) or t("cli.nothing"), path=path)


@restore_app.command()
def restore(
    path: Path = typer.Argument(help="A file that `lunalux backup` wrote."), as_json: bool = JSON
) -> None:
    """Replace the library by a backup. What was there is moved aside, not deleted.

    Example: lunalux restore lunalux.zip
    """
    from lunalux_core.library import backup as backups

    # Without a runtime: nothing may have the library open while it is exchanged.
    old = backups.restore(command_settings().paths, home_path(path))
    if as_json:
        output.print_json({"path": str(path), "replaced": str(old) if old else None})
    else:
        output.say("restored_from_old" if old else "restored", path=path, old=old)
