"""What a server has taught about itself by refusing: fields it does not take, how its messages must be
shaped, whether it streams. Kept between starts, so that no turn pays for the same refusal twice.

Knowledge grows old: a server is updated, an account verified. What is older than `KEPT_DAYS` is asked anew,
and `lunalux model test` forgets it at once.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from lunalux_core.llm.model import PREFILLS, Prefill
from lunalux_core.llm.servers.facts import ServerFacts
from lunalux_core.llm.servers.prompt_post_processing import Shape

KEPT_DAYS = 30
_SERVER = "server "
"""Before the key of what a server says of itself; addresses never begin so."""


@dataclass(slots=True)
class Learnt:
    """Of one model on one server. `most` is the largest number of reply tokens it takes, None if unknown;
    `prefill` how it goes on from a reply that was begun for it, "" if unknown; `images` is off where it has
    refused pictures."""

    refused: set[str] = field(default_factory=set)
    shape: Shape = field(default_factory=Shape)
    stream: bool = True
    most: int | None = None
    prefill: Prefill | Literal[""] = ""
    images: bool = True

    def copy(self) -> Learnt:
        return Learnt(set(self.refused), self.shape, self.stream, self.most, self.prefill, self.images)

    def as_json(self) -> dict[str, Any]:
        """Only what was learnt; empty where nothing was."""
        record: dict[str, Any] = {}
        if self.refused:
            record["refused"] = sorted(self.refused)
        if self.shape != Shape():
            record["post_process"] = self.shape.as_json()
        if not self.stream:
            record["stream"] = False
        if self.most is not None:
            record["max_tokens"] = self.most
        if self.prefill:
            record["prefill"] = self.prefill
        if not self.images:
            record["images"] = False
        return record

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Learnt:
        refused = value.get("refused")
        most = value.get("max_tokens")
        prefill = value.get("prefill")
        return cls(
            {name for name in refused if isinstance(name, str)} if isinstance(refused, list) else set(),
            Shape.from_json(value.get("post_process")),
            value.get("stream") is not False,
            most if isinstance(most, int) and not isinstance(most, bool) and most > 0 else None,
            next((form for form in PREFILLS if form == prefill), ""),
            value.get("images") is not False,
        )


class Knowledge:
    """All that was learnt, by server and model; in a file where one is given.

    A file that cannot be read or written is done without: everything can be learnt again.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._rows: dict[str, dict[str, Any]] | None = None

    def of(self, base_url: str, model: str) -> Learnt:
        """A copy, to be changed freely."""
        if self._rows is None:
            self._rows = self._read()
        return Learnt.from_json(self._rows.get(_key(base_url, model), {}))

    def keep(self, base_url: str, model: str, learnt: Learnt) -> None:
        """From now on, also for the next start."""
        self._change(_key(base_url, model), {**learnt.as_json(), "when": int(time.time())})

    def facts(self, base_url: str, model: str) -> ServerFacts | None:
        """What the server said of itself when it was last asked; None if it never was, or long ago."""
        if self._rows is None:
            self._rows = self._read()
        row = self._rows.get(_SERVER + _key(base_url, model))
        return ServerFacts.from_json(row) if row is not None else None

    def keep_facts(self, base_url: str, model: str, facts: ServerFacts) -> None:
        """From now on, also for the next start. The file is written where something is new or grows old."""
        key = _SERVER + _key(base_url, model)
        row = (self._rows or {}).get(key)
        told = facts.as_json()
        # Once a day is enough to keep it from growing old.
        if row is not None and {**told, "when": row["when"]} == row and time.time() - row["when"] < 86_400:
            return
        self._change(key, {**told, "when": int(time.time())})

    def forget(self, base_url: str, model: str) -> None:
        """Ask the server anew."""
        if self.of(base_url, model) != Learnt():
            self._change(_key(base_url, model), None)
        if self.facts(base_url, model) is not None:
            self._change(_SERVER + _key(base_url, model), None)

    def _change(self, key: str, row: dict[str, Any] | None) -> None:
        # Another program may have learnt something of another server meanwhile.
        rows = {**(self._rows or {}), **self._read()}
        rows.pop(key, None)
        if row is not None:
            rows[key] = row
        self._rows = rows
        self._write(rows)

    def _read(self) -> dict[str, dict[str, Any]]:
        rows: Any = None
        if self._file is not None:
            with suppress(OSError, ValueError, RecursionError):
                rows = json.loads(self._file.read_text(encoding="utf-8"))
        return {key: row for key, row in rows.items() if _fresh(row)} if isinstance(rows, dict) else {}

    def _write(self, rows: Mapping[str, Mapping[str, Any]]) -> None:
        if self._file is None:
            return
        # A name of this process, because two programs may write at once.
        temporary = self._file.with_suffix(f".{os.getpid()}.new")
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps(rows, ensure_ascii=False, indent=1), encoding="utf-8")
            temporary.replace(self._file)


def _key(base_url: str, model: str) -> str:
    return f"{base_url} {model}"


def _fresh(row: object) -> bool:
    # A time that is yet to come is from a wrong clock, and would keep the row for ever.
    when = row.get("when") if isinstance(row, dict) else None
    return isinstance(when, (int, float)) and 0 <= time.time() - when < KEPT_DAYS * 86_400
