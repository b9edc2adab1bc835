"""What a command prints: data on stdout, talk on stderr, and an exit code that is a contract.

Tables are for people and plain when stdout is not a terminal; `--json` prints one document, or one
per line. Widths are counted in cells. Text from outside is cleaned before it reaches a terminal.

See docs/spec/design.md: The command line.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn, TextIO, cast

from lunalux_core.errors import (
    InvalidInput,
    LunaluxError,
    NetworkError,
    NotFound,
    PaymentError,
    SessionError,
)

# Scripts go by these numbers, and docs/cli.md names them: none may ever change its meaning.
DONE, FAILED, USAGE, SIGN_IN, PAYMENT, NOT_FOUND, NETWORK, PARTLY, INTERRUPTED = 0, 1, 2, 3, 4, 5, 6, 7, 130


class GuardedStream:
    """A stream of the program that outlives its reader: what can no longer be written is dropped, and the
    command goes on, so that nothing it does is left half done. `lost` says why, for the end.

    Args:
        stream: None for one that was closed before the program began.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self.lost: OSError | None = None
        if stream is None:
            # What the system would have said, had there been something to write to.
            self.lost = OSError(errno.EBADF, os.strerror(errno.EBADF))
            stream = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - lives as long as the program
        self.stream = stream

    def write(self, text: str) -> int:
        try:
            return self.stream.write(text)
        except OSError as error:
            self._lose(error)
            return len(text)

    def flush(self) -> None:
        try:
            self.stream.flush()
        except OSError as error:
            self._lose(error)

    def _lose(self, error: OSError) -> None:
        """Let everything from now on, and what is still buffered, go nowhere."""
        if self.lost is None:
            self.lost = error
            with suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                # The descriptor itself is exchanged: Python would fail once more when it flushes the buffer
                # at its end.
                os.dup2(nowhere, self.stream.fileno())
                os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextmanager
def guarded() -> Iterator[GuardedStream]:
    """Guard stdout and stderr for a command; gives stdout. An input that is closed reads as an empty one."""
    before = sys.stdin, sys.stdout, sys.stderr
    out = GuardedStream(sys.stdout)
    sys.stdout, sys.stderr = cast("TextIO", out), cast("TextIO", GuardedStream(sys.stderr))
    if sys.stdin is None:
        sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115 - lives as long as the program
    try:
        yield out
    finally:
        sys.stdin, sys.stdout, sys.stderr = before


def unwritable(error: OSError) -> LunaluxError:
    """The sentence for an output that takes nothing any more."""
    reason = str(error.strerror or error)
    return LunaluxError(
        "OUTPUT_UNWRITABLE",
        f"The output cannot be written: {reason}.",
        "What the command does was done; send its output elsewhere.",
        reason=reason,
    )


_USAGE_CODES = frozenset(
    {
        "USAGE",
        "API_URL_INVALID",
        "SETTING_INVALID",
        "PARAMETER_UNKNOWN",
        "PARAMETER_INVALID",
        "PARAMETER_PAIR",
        "EXTRA_BODY_INVALID",
        "HEADER_INVALID",
        "PRICE_INVALID",
        "EXPORT_FORMAT_UNKNOWN",
        "LAB_FILE_INVALID",
        "MEMORY_FORMAT",
        "MEMORY_EMPTY",
        "TRACKER_EMPTY",
        "INTRO_REQUIRED",
        "REASON_REQUIRED",
    }
)


def exit_code(error: LunaluxError) -> int:
    """The exit code of an error."""
    match error:
        case SessionError():
            return SIGN_IN
        case PaymentError():
            return PAYMENT
        case NotFound():
            return NOT_FOUND
        case NetworkError():
            return NETWORK
    return USAGE if error.code in _USAGE_CODES else FAILED


def finish_batch(failures: Sequence[LunaluxError | bool], *, as_json: bool) -> None:
    """End a command over items of which some failed; where none did, do nothing.

    A single item that is not there ends it as it ends a command that takes one: that was no batch.

    Args:
        failures: of each item its error, which was told in its row, or whether it failed.
    """
    import typer

    if len(failures) == 1 and isinstance(failures[0], NotFound):
        if as_json:
            report(failures[0], as_json=True)
        raise typer.Exit(NOT_FOUND)
    if any(failures):
        raise typer.Exit(PARTLY)


def print_json(document: Any) -> None:
    """One JSON document and a newline on stdout."""
    _write(sys.stdout, _json_text(document, sys.stdout) + "\n")


def moment(milliseconds: int) -> str | None:
    """A time of the library as rows tell it: ISO 8601 in UTC; None where it is not known."""
    from lunalux_core.chatlogs.chatlog_dates import st_date

    return st_date(milliseconds) if milliseconds else None


def print_line(document: Any) -> None:
    """One JSON document of a stream of lines; flushed, so that a reader sees it at once."""
    print_json(document)
    sys.stdout.flush()


def print_text(text: str = "", *, end: str = "\n") -> None:
    """Text for people on stdout, without control characters."""
    from lunalux_core.text import clean

    _write(sys.stdout, clean(text) + end)


def print_coloured(pieces: Iterable[tuple[str, str]]) -> None:
    """A line of texts, each with the sequence that begins its colour, "" for none."""
    from lunalux_core.text import clean

    parts = [f"{ink}{clean(text)}\x1b[0m" if ink else clean(text) for text, ink in pieces]
    _write(sys.stdout, "".join(parts) + "\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table: aligned on a terminal, tab-separated without a heading when piped."""
    from lunalux_core.text import clean_line

    # A cell may be a whole description, of which no terminal shows more.
    cells = [[clean_line(_in_a_cell(cell), 2000) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        for row in cells:
            _write(sys.stdout, "\t".join(row) + "\n")
        return
    # On a terminal only: to a program, no line is the right answer.
    if not cells:
        say("nothing_there")
        return
    from rich.cells import cell_len  # for people at a terminal alone: a pipe is not aligned

    from lunalux_tui.render.wrap import fit

    headings = [heading(column) for column in columns]
    widths = _fitted(
        columns,
        [max(cell_len(row[i]) for row in [headings, *cells]) for i in range(len(columns))],
        shutil.get_terminal_size().columns - 2 * (len(columns) - 1),
    )
    for row in cells:
        for number, column in enumerate(columns):
            if column == "id":  # its beginning can be copied and is understood, with an ellipsis it is not
                row[number] = row[number][: widths[number]]
    bold, plain = ("\x1b[1m", "\x1b[0m") if colour() else ("", "")
    for number, row in enumerate([headings, *cells]):
        fields = [
            (text := fit(cell, width)) + " " * (width - cell_len(text))
            for cell, width in zip(row, widths, strict=True)
        ]
        line = "  ".join(fields).rstrip()
        _write(sys.stdout, f"{bold}{line}{plain}\n" if number == 0 else line + "\n")


def _in_a_cell(value: object) -> str:
    """A value as people write it: no Python words and brackets."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_in_a_cell, value))
    return "" if value is None else str(value)


def heading(column: str) -> str:
    """A word of a table as people of this language read it; one that is in no catalogue stays as it is."""
    from lunalux_tui import i18n

    key = f"cli.column.{column.replace(' ', '_')}"
    return i18n.t(key) if i18n.has(key) else column


def label(word: str) -> str:
    """A word in a row: as people read it on a terminal, as programs know it in a pipe."""
    return heading(word) if sys.stdout.isatty() else word


def word(kind: str, value: object) -> object:
    """One of a few known values: as people read it on a terminal, as programs know it in a pipe.

    Args:
        kind: what the value tells (status, coin, movement, action); its words are `cli.word.<kind>`.
    """
    from lunalux_tui import i18n

    key = f"cli.word.{kind}.{value}"
    return i18n.t(key) if sys.stdout.isatty() and i18n.has(key) else value


def remark(text: str) -> str:
    """A sentence of the core among data: in the person's language on a terminal, as it is in a pipe."""
    from lunalux_tui.i18n import note as told

    return told(text) if sys.stdout.isatty() else text


def print_row(cells: Sequence[object]) -> None:
    """A line of a table whose other lines are not known yet; tab-separated when piped."""
    from lunalux_core.text import clean_line

    written = [clean_line(_in_a_cell(cell), 2000) for cell in cells]
    _write(sys.stdout, ("  " if sys.stdout.isatty() else "\t").join(written) + "\n")


NARROWEST, NARROWEST_ID = 4, 8
"""Cells that a column keeps when a table has to fit; 8 letters tell an id from others."""


def _fitted(columns: Sequence[str], widths: list[int], room: int) -> list[int]:
    """Widths of columns that fit `room` cells together, the widest made narrower first."""
    fitted = list(widths)
    least = [NARROWEST_ID if column == "id" else NARROWEST for column in columns]
    while sum(fitted) > room:
        widest = max(range(len(fitted)), key=lambda number: fitted[number] - least[number])
        if fitted[widest] <= least[widest]:
            break
        fitted[widest] -= 1
    return fitted


def note(text: str) -> None:
    """Talk for people, on stderr."""
    from lunalux_core.text import clean

    _write(sys.stderr, clean(text) + "\n")


def say(key: str, **params: object) -> None:
    """Talk for people in their language: the sentence `cli.<key>` of the catalogue, on stderr."""
    from lunalux_tui.i18n import t

    note(t(f"cli.{key}", **params))


def deleted(row: Mapping[str, Any], *, as_json: bool) -> None:
    """Tell that what a row of JSON names was deleted."""
    if as_json:
        print_json({**row, "deleted": True})
    else:
        say("deleted", name=row["name"])


def journal_damaged(path: Path) -> None:
    """Say that the file of a reply that was cut off could not be read to its end; on stderr."""
    say("journal_damaged", path=path)


def passing(key: str = "", **params: object) -> None:
    """How far it is, on a line that the next one replaces; without a key the line is cleared.

    On a terminal only.
    """
    if sys.stderr.isatty():
        from lunalux_tui.i18n import t

        _write(sys.stderr, f"\r{t(f'cli.{key}', **params) if key else ''}\x1b[K")
        sys.stderr.flush()


def talks() -> bool:
    """Whether somebody on a terminal can be asked something."""
    # Python has None for a stream that was closed before it started.
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr is not None and sys.stderr.isatty()


def answer(question: str) -> str:
    """What the person types to a question on stderr; "" where they end the input instead."""
    from lunalux_core.text import clean

    _write(sys.stderr, clean(question))
    sys.stderr.flush()
    line = sys.stdin.readline()
    # The input ended on the line of the question, and what is said next belongs below it.
    if not line.endswith("\n"):
        _write(sys.stderr, "\n")
    return line


def not_known(option: str, value: str, choices: Iterable[str]) -> InvalidInput:
    """The error for an option's value that is none of its choices."""
    *others, last = choices
    listed = f"{', '.join(others)} or {last}" if others else last
    return InvalidInput(
        "USAGE",
        f"{option} {value} is not known.",
        f"Use {listed}.",
        kind="choice",
        option=option,
        value=value,
        choices=", ".join([*others, last]),
    )


def warn(error: LunaluxError) -> None:
    """A problem that does not stop the command."""
    message, hint = sentence(error)
    say("warning", text=one_line(message, hint))


def fail(error: LunaluxError, *, as_json: bool) -> NoReturn:
    """Tell the error and end the command with its exit code."""
    import typer

    report(error, as_json=as_json)
    raise typer.Exit(exit_code(error))


def report(error: LunaluxError, *, as_json: bool) -> None:
    """One sentence on stderr; with --json an object with code and message."""
    message, hint = sentence(error)
    if as_json:
        # On stderr as well: stdout has the document of a success, or nothing.
        document = {"error": {"code": error.code, "message": message, **({"hint": hint} if hint else {})}}
        _write(sys.stderr, _json_text(document, sys.stderr) + "\n")
    else:
        note(one_line(message, hint))


def one_line(message: str, hint: str) -> str:
    """Message and hint as two sentences on one line; what a server said may lack its full stop."""
    if not hint:
        return message
    # Chinese sentences follow one another without a blank.
    if message.endswith(("。", "！", "？")):
        return message + hint
    return f"{message} {hint}" if message.endswith((".", "!", "?", "…")) else f"{message}. {hint}"


def sentence(error: LunaluxError) -> tuple[str, str]:
    """Message and hint of an error in the language in force."""
    from lunalux_tui.i18n import tell

    return tell(error)


def colour() -> bool:
    """Whether stdout may carry colour: a terminal, and NO_COLOR unset or empty."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


_ACTING = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What JSON allows in a string and a terminal acts on: DEL, the 8-bit controls, line separators, marks of the
direction of writing."""


def _json_text(document: Any, stream: Any) -> str:
    """A document as JSON, with escapes for what acts on a terminal and for what the stream cannot carry: lone
    surrogates, narrow code pages. What a program reads back is the same either way."""
    text = json.dumps(document, ensure_ascii=False)
    # Of the signs below, ASCII has only DEL: most documents need no search.
    if not text.isascii() or "\x7f" in text:
        text = _ACTING.sub(lambda sign: f"\\u{ord(sign[0]):04x}", text)
    try:
        text.encode(stream.encoding or "ascii")
    except UnicodeEncodeError:
        return json.dumps(document)
    return text


def _write(stream: Any, text: str) -> None:
    try:
        stream.write(text)
    except UnicodeEncodeError:
        # Lone surrogates, or a terminal without UTF-8: show what can be shown.
        encoding = stream.encoding or "ascii"
        stream.write(text.encode(encoding, "replace").decode(encoding, "replace"))
