"""`lunalux import`: files of every kind into the library, recognised by their content."""

from __future__ import annotations

import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from lunalux_core.errors import LunaluxError
from lunalux_core.importing import ImportResult, gather, import_files
from lunalux_core.importing.sources import QUICK_REPLIES
from lunalux_core.library import Library
from lunalux_tui.cli import output
from lunalux_tui.cli.run import command_settings
from lunalux_tui.cli.stdin import input_lines
from lunalux_tui.i18n import note

if TYPE_CHECKING:
    from lunalux_core.importing.address import Downloads

import_app = typer.Typer(add_completion=False)
commands = {"import": import_app}

CHOICES = ("skip", "replace", "copy")


@import_app.command("import")
def import_cards(
    paths: list[str] = typer.Argument(
        metavar="PATH...", help="Files, folders, globs, addresses of files, or - for a list on stdin."
    ),
    jobs: int = typer.Option(0, help="Reading threads; 0 chooses.", min=0, max=64),
    dry_run: bool = typer.Option(False, "--dry-run", help="Check every file, store nothing."),
    lang: str = typer.Option("", help="Language of the cards, en or zh; guessed otherwise."),
    on_duplicate: str = typer.Option("skip", help="For known content: skip, replace or copy."),
    allow_private: bool = typer.Option(
        False, "--allow-private", help="Fetch from this computer and its network, too."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON document per line."),
) -> None:
    """Import anything: cards (.png .json .charx .yaml), worldbooks, presets, templates, regex scripts, chats.

        lunalux import ~/cards "more/*.png" --json
        lunalux import ~/SillyTavern/data/default-user
        find . -name "*.png" | lunalux import -
        lunalux import https://example.org/mirelle.png

    A file's content decides what it is. Folders are searched whole, zip archives are looked into; an address
    is that of a file, not of a page about it. A bad file never stops the batch; the exit code is 7 when any
    failed, and 5 for a single path that is not there. A dry run says what it would do.
    """
    if on_duplicate not in CHOICES:
        raise output.not_known("--on-duplicate", on_duplicate, CHOICES)
    if lang not in {"", "en", "zh"}:
        raise output.not_known("--lang", lang, ("en", "zh"))
    settings = command_settings()
    # The library alone, without the account and the models that a runtime brings.
    library = Library(settings.paths)
    began = time.monotonic()
    count: Counter[str] = Counter()
    failures: list[LunaluxError | bool] = []
    left: set[str] = set()
    progress = _Progress(enabled=sys.stderr.isatty())
    downloads = _Downloads(allow_private, progress)
    try:
        results = import_files(
            library,
            settings.paths,
            gather(paths, input_lines(), left, downloads.fetch),
            jobs=jobs,
            on_duplicate=on_duplicate,  # type: ignore[arg-type]
            language=lang,
            dry_run=dry_run,
        )
        for result in results:
            count[result.status] += 1
            failures.append(result.error or False)
            # The counter leaves its line to the row and comes back below it.
            progress.clear()
            # What was fetched lies in a temporary folder; people know it by its address.
            result = replace(result, path=downloads.told(result.path))
            _tell(result, as_json=as_json, dry_run=dry_run)
            progress.show(sum(count.values()))
    finally:
        progress.clear()
        library.close()
        downloads.close()
    if QUICK_REPLIES in left:
        output.say("left_quick_replies", folder=QUICK_REPLIES)
    if of_no_use := left - {QUICK_REPLIES}:
        output.say("left_alone", names=", ".join(sorted(of_no_use)))
    seconds = round(time.monotonic() - began, 3)
    totals = {name: count[name] for name in ("imported", "duplicate", "replaced", "failed")}
    if as_json:
        output.print_line(
            {"summary": {**totals, "seconds": seconds, **({"dry_run": True} if dry_run else {})}}
        )
    else:
        output.say("imported_dry" if dry_run else "imported", **totals, seconds=f"{seconds:.1f}")
    output.finish_batch(failures, as_json=as_json)


class _Downloads:
    """Fetches addresses, once there is one: the HTTP library is not loaded for files."""

    def __init__(self, allow_private: bool, progress: _Progress) -> None:
        self._allow_private = allow_private
        self._progress = progress
        self._files: Downloads | None = None

    def fetch(self, address: str) -> Path:
        from lunalux_core.importing.address import Downloads

        if self._files is None:
            self._files = Downloads(allow_private=self._allow_private, progress=self._progress.fetched)
        return self._files.fetch(address)

    def told(self, path: str) -> str:
        """A path, or the address that its file came from."""
        return path if self._files is None else self._files.told(path)

    def close(self) -> None:
        if self._files is not None:
            self._files.close()


_WOULD = {"imported": "would import", "replaced": "would replace"}
"""What a dry run calls what it did not do."""


def _tell(result: ImportResult, *, as_json: bool, dry_run: bool) -> None:
    error = None if result.error is None else output.sentence(result.error)[0]
    notes = list(map(note, result.warnings))
    status: str = result.status
    identity = result.id
    # Nothing was stored, so there is no id yet, except of what would be replaced.
    if dry_run and status in _WOULD:
        status, identity = _WOULD[status], result.id if status == "replaced" else ""
    if as_json:
        output.print_line(
            {
                "path": result.path,
                "status": status,
                "id": identity or None,
                "name": result.name or None,
                "spec": result.spec or None,
                "error": None if result.error is None else {"code": result.error.code, "message": error},
                **({} if result.kind == "card" else {"kind": result.kind}),
                **({"notes": notes} if notes or result.kind != "card" else {}),
            }
        )
    elif error is not None:
        output.note(f"{result.path}: {error}")
    else:
        output.print_text(f"{status}\t{result.kind}\t{identity}\t{result.name}\t{result.path}")
    for remark in notes:
        output.note(f"{result.path}: {remark}")


class _Progress:
    """A counter on a terminal's stderr, shown after the first second."""

    def __init__(self, *, enabled: bool) -> None:
        self._enabled = enabled
        self._began = time.monotonic()
        self._shown = False

    def show(self, done: int) -> None:
        if self._enabled and time.monotonic() - self._began > 1:
            output.passing("files_read", n=done)
            self._shown = True

    def fetched(self, size: int) -> None:
        """Show how much of a download has come."""
        if self._enabled and time.monotonic() - self._began > 1:
            output.passing("megabytes_read", size=f"{size / 1e6:.1f}")
            self._shown = True

    def clear(self) -> None:
        if self._shown:
            output.passing()
            self._shown = False
