"""An experiment from its TOML file. Every mistake is told with its key and line, and nothing runs then."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from lunalux_core.config.toml_lines import FileLine, line_of
from lunalux_core.config.toml_text import read_toml
from lunalux_core.documents.prompt_values import Role
from lunalux_core.errors import InvalidInput, LunaluxError, Names
from lunalux_core.lab.experiment import (
    CHECK_KINDS,
    Check,
    CheckKind,
    Experiment,
    LabTurn,
    LabVariant,
    Said,
)
from lunalux_core.library.name_lookup import nearest
from lunalux_core.llm.model import Finish
from lunalux_core.llm.parameters import checked_value
from lunalux_core.regular_files import read_regular

T = TypeVar("T")

LARGEST = 1024 * 1024
"""Bytes of a file."""
MOST_REPEATS = 100
MOST_TRIALS = 10_000
_SHOWN = 60
_ROLES: tuple[Role, ...] = get_args(Role)
_ENDS: tuple[Finish, ...] = get_args(Finish)
Table = Literal["turns", "variants", "checks", ""]

_TOP = ("name", "turns", "variants", "checks")
_TURN = ("name", "conversation", "message", "character", "card", "messages", "say", "user", "greeting")
_VARIANT = (
    "name",
    "model",
    "preset",
    "profile",
    "template",
    "card",
    "worldbooks",
    "without_worldbooks",
    "instruction",
    "start_with",
    "set",
    "seed",
    "repeat",
)
_SAID = ("role", "content", "name")


def read_experiment(path: Path) -> Experiment:
    """The experiment in a file.

    Raises:
        NotFound: FILE_NOT_FOUND. InvalidInput: LAB_FILE_INVALID, FILE_UNREADABLE, FILE_NOT_REGULAR.
    """
    try:
        text, document = read_toml(read_regular(path, LARGEST))
    except ValueError as error:  # the parser tells the line itself
        raise _no_toml(path, str(error)) from None
    return _Reader(path, text).experiment(document)


def mistake(source: Experiment, table: Table, number: int, key: str, reason: LunaluxError) -> InvalidInput:
    """The error for a key that names something which cannot be used, and why."""
    lines = _Section(source.path, source.text, table, number, {})
    return lines.unusable(key, reason)


def unknown_book(source: Experiment, number: int, name: str, names: Sequence[str]) -> InvalidInput:
    """The error for a worldbook to leave out that is in no turn; `names` are those that are."""
    section = _Section(source.path, source.text, "variants", number, {})
    return section.unknown("without_worldbooks", name, names)


@dataclass(frozen=True, slots=True)
class _Section:
    """One table of the file, and where it stands: the `nth` of its name, from 1."""

    path: Path
    source: str
    table: Table
    nth: int
    values: Mapping[str, Any]

    def place(self, *key: str) -> FileLine:
        parts = tuple(filter(None, [self.table, *key]))
        # Of a key that is missing, the line of its table.
        return FileLine(self.path.name, line_of(self.source, parts, self.nth) if parts else 0)

    def only(self, keys: Sequence[str]) -> None:
        """Raises InvalidInput for a key that is none of these."""
        for key in self.values:
            if key not in keys:
                near = nearest(key, keys) or Names(keys)
                told = _short(key)
                raise _invalid(
                    "key",
                    self.place(key),
                    f"there is no key {told}{self._inside}",
                    f"Known near it: {near}.",
                    key=told,
                    near=near,
                )

    @property
    def _inside(self) -> str:
        return f" in [[{self.table}]]" if self.table else ""

    def wrong(self, key: str, allowed: str, value: object = None) -> InvalidInput:
        told = _short(self.values.get(key) if value is None else value)
        return _invalid(
            "value",
            self.place(key),
            f"{key} = {told} is not allowed",
            f"It must be {allowed}.",
            key=key,
            value=told,
            must=allowed,
        )

    def missing(self, key: str, hint: str) -> InvalidInput:
        said = f"{key} is missing{self._inside}"
        return _invalid(f"missing_{key}", self.place(), said, hint, key=key)

    def together(self, *keys: str) -> InvalidInput:
        told = Names(keys)
        return _invalid(
            "together", self.place(keys[-1]), f"{told} do not go together", "Keep one of them.", keys=told
        )

    def unknown(self, key: str, name: str, names: Iterable[str]) -> InvalidInput:
        listed = list(names)
        near = nearest(name, listed) or Names(listed[:8])
        told = _short(name)
        return _invalid(
            "name", self.place(key), f"{key} names {told}, which is not there", f"There are: {near}.",
            key=key, name=told, near=near,
        )  # fmt: skip

    def unusable(self, key: str, reason: LunaluxError) -> InvalidInput:
        told = reason.message.rstrip(".")
        what = key or self.table
        return _invalid(
            "unusable", self.place(*key.split(".")), f"{what}: {told}", reason.hint, key=what, reason=reason
        )

    # -- values ------------------------------------------------------------------------------------

    def text(self, key: str, default: str = "") -> str:
        value = self.values.get(key, default)
        if not isinstance(value, str) or (key in self.values and not value.strip()):
            raise self.wrong(key, "a text")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.values.get(key, [])
        listed = [value] if isinstance(value, str) else value
        if not isinstance(listed, list) or not all(isinstance(text, str) and text for text in listed):
            raise self.wrong(key, "a text, or a list of texts")
        if key in self.values and not listed:
            raise self.wrong(key, "a text, or a list of texts")
        return tuple(listed)

    def whole(self, key: str, low: int, high: int) -> int | None:
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.wrong(key, f"a whole number from {low} to {high}")
        return value

    def number(self, key: str) -> float:
        value = self.values[key]
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e15:
            raise self.wrong(key, "a number of 0 or more")
        return value

    def flag(self, key: str, default: bool) -> bool:
        value = self.values.get(key, default)
        if not isinstance(value, bool):
            raise self.wrong(key, "true or false")
        return value

    def file(self, key: str) -> Path | None:
        """A file beside this one; None where the key is not given."""
        return self._beside(self.text(key)) if key in self.values else None

    def named(self, key: str, value: str) -> str | Path:
        """A name of the library, or a file where it is written like one."""
        is_file = value.lower().endswith((".json", ".png", ".charx")) or "/" in value or "\\" in value
        return self._beside(value) if is_file else value

    def _beside(self, value: str) -> Path:
        return self.path.resolve().parent / Path(value).expanduser()


class _Reader:
    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._text = text

    def experiment(self, document: Mapping[str, Any]) -> Experiment:
        top = self._section("", 0, document)
        top.only(_TOP)
        turns = self._each(top, "turns", self._turn)
        if not turns:
            raise top.missing("turns", "Write at least one [[turns]] with what is to be run.")
        variants = self._each(top, "variants", self._variant) or (LabVariant("as it is", 0),)
        for table, named in (("turns", turns), ("variants", variants)):
            self._unique(table, [entry.name for entry in named])  # type: ignore[arg-type]
        trials = len(turns) * sum(variant.repeat for variant in variants)
        if trials > MOST_TRIALS:
            raise top.wrong("turns", f"at most {MOST_TRIALS} replies in all", trials)
        checks: list[Check] = []
        for row in self._each(top, "checks", lambda section: self._checks(section, turns, variants)):
            checks += row
        name = top.text("name", self._path.stem or "lab")
        return Experiment(name, self._path.resolve(), self._text, turns, variants, tuple(checks))

    def _section(self, table: Table, number: int, values: Mapping[str, Any]) -> _Section:
        return _Section(self._path, self._text, table, number, values)

    def _each(self, top: _Section, table: Table, read: Callable[[_Section], T]) -> tuple[T, ...]:
        rows = top.values.get(table, [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise top.wrong(table, f"tables, each under a line [[{table}]]", type(rows).__name__)
        return tuple(read(self._section(table, number, row)) for number, row in enumerate(rows, 1))

    def _unique(self, table: Table, names: Sequence[str]) -> None:
        for number, name in enumerate(names, 1):
            if name in names[: number - 1]:
                told = _short(name)
                raise _invalid(
                    "twice",
                    self._section(table, number, {}).place("name"),
                    f"the name {told} stands twice",
                    "Give each a name of its own.",
                    name=told,
                )

    def _name(self, section: _Section, kind: str) -> str:
        name = section.text("name", f"{kind} {section.nth}").strip()
        # `--only` parts the two names there.
        if "/" in name or any(not sign.isprintable() for sign in name):
            raise section.wrong("name", "a text on one line without /")
        return name

    def _turn(self, section: _Section) -> LabTurn:
        section.only(_TURN)
        given = [key for key in ("conversation", "character", "card") if key in section.values]
        if not given:
            raise section.missing(
                "conversation", "Name a conversation, a character of the library, or the file of a card."
            )
        if len(given) > 1:
            raise section.together(*given)
        recorded = given == ["conversation"]
        for key in ("message",) if not recorded else ("messages", "greeting"):
            if key in section.values:
                raise section.together(given[0], key)
        messages = self._messages(section)
        say = section.text("say")
        if not recorded and not say:
            if not messages or messages[-1].role != "user":
                raise section.missing("say", "Write what the person says.")
            *before, last = messages
            messages, say = tuple(before), last.content
        return LabTurn(
            self._name(section, "turn"),
            section.nth,
            conversation=section.text("conversation"),
            message=section.text("message"),
            character=section.text("character"),
            card=section.file("card"),
            messages=messages,
            say=say,
            user=section.text("user"),
            # A history in the file says itself how the story begins.
            greeting=section.flag("greeting", True) and "messages" not in section.values,
        )

    def _messages(self, section: _Section) -> tuple[Said, ...]:
        rows = section.values.get("messages", [])
        shape = 'a list such as [{role = "user", content = "Hello"}]'
        if not isinstance(rows, list):
            raise section.wrong("messages", shape)
        messages = []
        for row in rows:
            if not isinstance(row, dict):
                raise section.wrong("messages", shape, row)
            for key in row:
                if key not in _SAID:
                    near = nearest(key, _SAID) or Names(_SAID)
                    raise _invalid(
                        "key", section.place("messages"), f"there is no key {_short(key)} in messages",
                        f"Known near it: {near}.", key=_short(key), near=near,
                    )  # fmt: skip
            role = next((role for role in _ROLES if role == row.get("role")), None)
            if role is None:
                raise section.wrong("messages", f"of roles {', '.join(_ROLES)}", row.get("role", "no role"))
            content, name = row.get("content"), row.get("name", "")
            if not isinstance(content, str) or not isinstance(name, str):
                raise section.wrong("messages", shape, row)
            messages.append(Said(role, content, name))
        return tuple(messages)

    def _variant(self, section: _Section) -> LabVariant:
        section.only(_VARIANT)
        preset = section.text("preset")
        return LabVariant(
            self._name(section, "variant"),
            section.nth,
            model=section.text("model"),
            preset=section.named("preset", preset) if preset else "",
            profile=section.text("profile"),
            template=section.text("template"),
            card=section.file("card"),
            worldbooks=tuple(section.named("worldbooks", book) for book in section.texts("worldbooks")),
            without=section.texts("without_worldbooks"),
            instruction=section.text("instruction"),
            start_with=section.text("start_with"),
            parameters=self._parameters(section),
            seed=section.whole("seed", 0, 2**31 - 1),
            repeat=section.whole("repeat", 1, MOST_REPEATS) or 1,
        )

    def _parameters(self, section: _Section) -> Mapping[str, Any]:
        values = section.values.get("set", {})
        if not isinstance(values, dict):
            raise section.wrong("set", "a table such as {temperature = 0.5}")
        if "seed" in values and "seed" in section.values:
            raise section.together("seed", "set.seed")
        parameters = {}
        for name, value in values.items():
            try:
                parameters[name] = checked_value(name, value)
            except InvalidInput as error:
                raise section.unusable(f"set.{name}", error) from None
        return parameters

    def _checks(
        self, section: _Section, turns: Sequence[LabTurn], variants: Sequence[LabVariant]
    ) -> list[Check]:
        # One table may hold several checks, which share its name, turns and variants.
        section.only(("name", "turns", "variants", *CHECK_KINDS))
        kinds = [kind for kind in CHECK_KINDS if kind in section.values]
        if not kinds:
            raise section.missing("contains", f"Write what is checked: {', '.join(CHECK_KINDS)}.")
        names = {"turns": [turn.name for turn in turns], "variants": [variant.name for variant in variants]}
        for key, declared in names.items():
            for name in section.texts(key):
                if name not in declared:
                    raise section.unknown(key, name, declared)
        about = section.text("name"), section.texts("turns"), section.texts("variants")
        return [Check(kind, self._expected(section, kind), *about, section.nth) for kind in kinds]

    def _expected(self, section: _Section, kind: CheckKind) -> tuple[str, ...] | float:
        if kind.endswith(("_max", "_min")):
            return section.number(kind)
        texts = section.texts(kind)
        if kind == "finish":
            for text in texts:
                if text not in _ENDS:
                    raise section.wrong(kind, f"one of {', '.join(_ENDS)}", text)
        return texts


def _no_toml(path: Path, reason: str) -> InvalidInput:
    place = FileLine(path.name)
    return _invalid("syntax", place, f"it is no TOML: {reason}", "Correct it.", reason=reason)


def _invalid(kind: str, where: FileLine, said: str, hint: str, **params: object) -> InvalidInput:
    return InvalidInput("LAB_FILE_INVALID", f"{where}: {said}.", hint, kind=kind, where=where, **params)


def _short(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
