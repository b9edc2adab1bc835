"""The shapes of what `--json` prints: docs/shapes.toml, read, shown on a page and compared with real output.

    Shape   = Part ("|" Part)*
    Part    = "[" Shape "]" | "{" Field ("," Field)* "}" | Word | a literal in double quotes
    Field   = key ["?"] ":" Shape | "..." Name | "*:" Shape

A key with "?" may be missing, `...Name` brings the fields of another shape, `*` stands for any other key. A
word is one of `WORDS`, the name of a shape under [shared], or one under [literals], a Literal of the code.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

WORDS: Mapping[str, Callable[[Any], bool]] = {
    "text": lambda value: isinstance(value, str),
    "whole": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "any": lambda value: True,
    "time": lambda value: isinstance(value, str) and bool(_TIME.fullmatch(value)),
}
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_TOKENS = re.compile(r'\s*("[^"]*"|\.\.\.|[\w$.-]+|[\[\]{}:,|?*])')


@dataclass(frozen=True, slots=True)
class Declared:
    """docs/shapes.toml. `lines`: commands that print one document a line."""

    shared: Mapping[str, str]
    commands: Mapping[str, str]
    literals: Mapping[str, tuple[str, ...]]
    lines: frozenset[str]


def declared() -> Declared:
    document = tomllib.loads(Path(__file__).with_name("shapes.toml").read_text("utf-8"))
    literals = {name: tuple(_choices(where)) for name, where in document["literals"].items()}
    return Declared(
        document["shared"], document["commands"], literals, frozenset(document["lines"]["commands"])
    )


def _choices(where: str) -> Iterator[str]:
    module, _, name = where.partition(":")
    pending = [getattr(import_module(module), name)]
    while pending:
        one = pending.pop(0)
        if isinstance(one, str):
            yield one
        else:
            pending += get_args(one) if get_args(one) else list(one)


@dataclass(frozen=True, slots=True)
class Field:
    shape: Shape
    optional: bool


@dataclass(frozen=True, slots=True)
class Object:
    """`rest` is the shape under any other key. `name` is the shared shape that it is."""

    fields: Mapping[str, Field]
    rest: Shape | None
    name: str


@dataclass(frozen=True, slots=True)
class List:
    of: Shape


Part = str | Object | List
Shape = tuple[Part, ...]
"""Any one of the parts. A text is one of `WORDS`, or a literal in its quotes."""


class Reader:
    """Reads one shape; names are looked up where they stand."""

    def __init__(self, known: Declared, text: str, name: str = "") -> None:
        self._known, self._name = known, name
        self._tokens = _TOKENS.findall(text)
        if re.sub(r"\s+", "", "".join(self._tokens)) != re.sub(r"\s+", "", text):
            raise ValueError(f"not a shape: {text}")

    def whole(self) -> Shape:
        shape = self._shape()
        if self._tokens:
            raise ValueError(f"left over: {self._tokens[:5]}")
        return shape

    def _shape(self) -> Shape:
        parts = list(self._part())
        while self._next("|"):
            parts += self._part()
        return tuple(parts)

    def _part(self) -> Shape:
        token = self._tokens.pop(0)
        if token == "[":
            of = self._shape()
            self._need("]")
            return (List(of),)
        if token == "{":
            return (self._object(),)
        if token in WORDS or token.startswith('"'):
            return (token,)
        if token in self._known.literals:
            return tuple(f'"{choice}"' for choice in self._known.literals[token])
        return Reader(self._known, self._known.shared[token], token).whole()

    def _object(self) -> Object:
        fields: dict[str, Field] = {}
        rest: Shape | None = None
        while not self._next("}"):
            if self._next("..."):
                name = self._tokens.pop(0)
                (base,) = Reader(self._known, self._known.shared[name], name).whole()
                assert isinstance(base, Object)
                fields |= base.fields
            elif self._next("*"):
                self._need(":")
                rest = self._shape()
            else:
                key = self._tokens.pop(0)
                optional = self._next("?")
                self._need(":")
                fields[key] = Field(self._shape(), optional)
            self._next(",")
        return Object(fields, rest, self._name)

    def _next(self, token: str) -> bool:
        if self._tokens and self._tokens[0] == token:
            self._tokens.pop(0)
            return True
        return False

    def _need(self, token: str) -> None:
        if not self._next(token):
            raise ValueError(f"{token} is missing before {self._tokens[:5]}")


def departures(shape: Shape, value: Any, seen: set[str], path: str = "") -> list[str]:
    """How a value departs from a shape; the keys that it has are added to `seen`."""
    best: list[str] | None = None
    for part in shape:
        trial: set[str] = set()
        if (wrong := _of_part(part, value, trial, path)) == []:
            seen |= trial
            return []
        # Of several shapes the one that it comes closest to is told.
        if best is None or len(wrong) < len(best):
            best = wrong
    return best or []


def _of_part(part: Part, value: Any, seen: set[str], path: str) -> list[str]:
    if isinstance(part, str):
        right = WORDS[part](value) if part in WORDS else value == json.loads(part)
        return [] if right else [f"{path}: {json.dumps(value)[:60]} is not {part}"] * 3
    if isinstance(part, List):
        if not isinstance(value, list):
            return [f"{path}: {json.dumps(value)[:60]} is no list"] * 3
        return [one for item in value for one in departures(part.of, item, seen, f"{path}[]")]
    if not isinstance(value, dict):
        return [f"{path}: {json.dumps(value)[:60]} is no object"] * 3
    wrong = [
        f"{path}.{key} is missing"
        for key, field in part.fields.items()
        if not field.optional and key not in value
    ]
    for key, inner in value.items():
        field = part.fields.get(key)
        of = field.shape if field is not None else part.rest
        if of is None:
            wrong.append(f"{path}.{key} is not declared")
            continue
        below = f"{part.name or path}.{key}"
        seen.add(below)
        wrong += departures(of, inner, seen, below)
    return wrong


def keys(shape: Shape, path: str = "") -> Iterator[str]:
    """Every key that a shape declares, as `departures` writes them."""
    for part in shape:
        if isinstance(part, List):
            yield from keys(part.of, f"{path}[]")
        elif isinstance(part, Object):
            for key, field in part.fields.items():
                yield f"{part.name or path}.{key}"
                yield from keys(field.shape, f"{part.name or path}.{key}")


def lines(known: Declared, text: str, width: int = 100) -> list[str]:
    """A shape as it stands on the page, with the literals of the code written out."""
    for name, choices in known.literals.items():
        text = re.sub(rf"(?<![\w.]){name}(?![\w:?])", " | ".join(f'"{choice}"' for choice in choices), text)
    text = " ".join(text.split())
    shown, line = [], ""
    for piece in re.findall(r"[^,|{]+[,|{]?\s*|[,|{]\s*", text):
        if line and len(line) + len(piece.rstrip()) > width:
            shown.append(line.rstrip())
            line = "  "
        line += piece
    return [*shown, line.rstrip()]
