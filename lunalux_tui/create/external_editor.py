"""A long text in the person's own editor ($VISUAL, else $EDITOR)."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.app import SuspendNotSupported

from lunalux_core.errors import InvalidInput
from lunalux_core.text import clean, well_formed
from lunalux_tui.parts.answer_field import in_one_line
from lunalux_tui.parts.form_field import FieldBox

if TYPE_CHECKING:
    from textual.app import App

LARGEST = 16 * 1024 * 1024


def edit_outside(app: App[Any], text: str) -> str:
    """The text as the editor left it, read back however the editor ended.

    Raises:
        InvalidInput: EDITOR_MISSING (none is named, or it is not there), EDITOR_NOT_HERE (the terminal cannot
            be given away), EDITOR_TEXT_LOST (what it wrote cannot be read); the text is as it was.
    """
    command = editor_command()
    with tempfile.TemporaryDirectory(prefix="lunalux-") as folder:
        path = Path(folder) / "text.md"
        path.write_text(well_formed(text), encoding="utf-8", newline="\n")
        try:
            with app.suspend():
                subprocess.run([*command, str(path)], check=False)
        except SuspendNotSupported as error:
            raise InvalidInput(
                "EDITOR_NOT_HERE",
                "An editor cannot be opened from this kind of terminal.",
                "Edit the text here, or run Lunalux in a plain terminal.",
            ) from error
        except OSError as error:
            raise _missing(command[0]) from error
        return _read(path, text)


def edit_box(app: App[Any], box: FieldBox) -> None:
    """Let a field of the form be written in the editor. Raises InvalidInput as `edit_outside` does."""
    text = clean(edit_outside(app, box.text))
    text = in_one_line(text) if box.kind == "line" else text
    if text != box.text:
        box.show(text)
        # `show` is silent, and the draft has to hear of it.
        box.post_message(FieldBox.Edited(box, text))


def editor_command() -> list[str]:
    """The editor with its arguments. Raises InvalidInput (EDITOR_MISSING)."""
    named = os.environ.get("VISUAL") or os.environ.get("EDITOR") or ""
    try:
        words = shlex.split(named, posix=os.name == "posix")
    except ValueError:
        # A quote is not closed: the error names the whole.
        words = [named]
    if not words or shutil.which(words[0]) is None:
        raise _missing(words[0] if words else "")
    return words


def _read(path: Path, before: str) -> str:
    """What is in the file; editors add a line end that was not there."""
    try:
        if path.stat().st_size > LARGEST:
            raise OSError("too large")
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InvalidInput(
            "EDITOR_TEXT_LOST",
            "What the editor wrote cannot be read.",
            "The text is as it was before.",
        ) from error
    return text[:-1] if text.endswith("\n") and not before.endswith("\n") else text


def _missing(name: str) -> InvalidInput:
    return InvalidInput(
        "EDITOR_MISSING",
        f"The editor {name} is not there." if name else "No editor is named.",
        "Set VISUAL or EDITOR to one, for example: export EDITOR=nano.",
        name=name,
    )
