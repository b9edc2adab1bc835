"""What an import tells about each file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lunalux_core.errors import InvalidInput, LunaluxError

OnDuplicate = Literal["skip", "replace", "copy"]
ImportOutcome = Literal["imported", "duplicate", "replaced", "failed"]
ImportKind = Literal[
    "card",
    "worldbook",
    "preset",
    "regex",
    "template",
    "chat",
    "group",
    "persona",
    "tags",
    "profile",
    "settings",
]


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What became of one file.

    `id` names what was stored (for a duplicate: what was there), `kind` what it is. `warnings` are English
    sentences for the person: what differs here from where the file comes from.
    """

    path: str
    status: ImportOutcome
    id: str = ""
    name: str = ""
    spec: str = ""
    error: LunaluxError | None = None
    warnings: tuple[str, ...] = ()
    kind: ImportKind = "card"


def failed(path: object, error: LunaluxError, kind: ImportKind = "card") -> ImportResult:
    return ImportResult(str(path), "failed", error=error, kind=kind)


def not_understood(path: object, error: Exception) -> InvalidInput:
    """What is told of a file that broke its reader, so that the others go on."""
    return InvalidInput(
        "FILE_NOT_UNDERSTOOD",
        f"{path} could not be read ({type(error).__name__}).",
        "Everything else went on. Report it, together with the file if you may.",
        path=str(path),
        reason=type(error).__name__,
    )
