"""Themes: TOML files of colours, bundled ones and the person's own.

A theme names a handful of colours; what it leaves out is derived. One bad file costs one notice, never
the app: loading answers with what was loaded and what failed.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from textual.color import Color, ColorParseError
from textual.theme import Theme

from lunalux_core.errors import InvalidInput

DEFAULT = "luna-dark"
NO_COLOUR = "no-colour"

BASE = (
    "primary",
    "secondary",
    "accent",
    "foreground",
    "background",
    "surface",
    "panel",
    "success",
    "warning",
    "error",
)
CHAT: Mapping[str, str] = {
    "speech": "accent",
    "narration": "secondary",
    "character": "accent",
    "user": "primary",
    "thinking": "secondary",
    "quote": "secondary",
    "heading": "accent",
    "code": "foreground",
    "code-background": "surface",
    "link": "primary",
    "muted": "secondary",
    "selection": "surface",
}
"""The chat's own colours, and the base colour that stands in for each."""


def folders(own: Path) -> tuple[Path, ...]:
    """Where themes are looked for, in order: the person's folder, the package, a source tree."""
    here = Path(__file__).parent
    return own, here / "themes", here.parent / "themes"


def bundled(name: str) -> bool:
    """Whether a theme of that name comes with the program."""
    return any((folder / f"{name}.toml").is_file() for folder in folders(Path())[1:])


def find_theme(name: str, own: Path) -> Theme:
    """One theme by name.

    Raises:
        InvalidInput: THEME_NOT_FOUND, THEME_INVALID.
    """
    for folder in folders(own):
        path = folder / f"{name}.toml"
        if path.is_file():
            return read_theme(path)
    raise InvalidInput(
        "THEME_NOT_FOUND",
        f"There is no theme {name!r}.",
        f"Put {name}.toml into {own}, or choose another theme.",
        name=name,
        folder=str(own),
    )


def load_themes(own: Path) -> tuple[dict[str, Theme], list[InvalidInput]]:
    """All themes by name, and what is wrong with the files that could not be read."""
    loaded: dict[str, Theme] = {}
    failed: list[InvalidInput] = []
    for path in _files(own):
        if path.stem in loaded:
            continue
        try:
            loaded[path.stem] = read_theme(path)
        except InvalidInput as error:
            failed.append(error)
    return loaded, failed


def _files(own: Path) -> Iterator[Path]:
    for folder in folders(own):
        if folder.is_dir():
            yield from sorted(folder.glob("*.toml"))


def read_theme(path: Path) -> Theme:
    """A theme from its file; the file's name is the theme's name.

    Raises:
        InvalidInput: THEME_INVALID, naming the file and what is wrong in it.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise _invalid(path, str(error)) from error
    colours = {key: str(value) for key, value in _table(document, "colors", path).items()}
    chat = {key: str(value) for key, value in _table(document, "chat", path).items()}
    for key, value in (*colours.items(), *chat.items()):
        _check(path, key, value)
    for required in ("primary", "foreground", "background"):
        if required not in colours:
            raise _invalid(path, f"[colors] has no {required}")
    dark, ansi = bool(document.get("dark", True)), bool(document.get("ansi", False))
    derived = {
        "secondary": colours["primary"],
        "accent": colours["primary"],
        "surface": colours["background"],
        "panel": colours.get("surface", colours["background"]),
        "success": colours["primary"],
        "warning": colours.get("accent", colours["primary"]),
        "error": colours.get("accent", colours["primary"]),
    }
    base = {**derived, **colours}
    variables = {f"lx-{key}": chat.get(key, base[stand_in]) for key, stand_in in CHAT.items()}
    variables |= {"lx-error": base["error"], "lx-warning": base["warning"], "lx-accent": base["accent"]}
    if ansi:
        variables |= {"ansi-foreground": base["foreground"], "ansi-background": base["background"]}
    variables |= {key: str(value) for key, value in _table(document, "variables", path).items()}
    theme = Theme(path.stem, base["primary"], dark=dark, ansi=ansi, variables=variables)
    for key in BASE:
        setattr(theme, key, base[key])
    return theme


def _table(document: Mapping[str, Any], key: str, path: Path) -> Mapping[str, Any]:
    value = document.get(key, {})
    if not isinstance(value, dict):
        raise _invalid(path, f"{key} is not a table")
    return value


def _check(path: Path, key: str, value: str) -> None:
    if key not in BASE and key not in CHAT:
        raise _invalid(path, f"{key} is not a colour of a theme")
    try:
        Color.parse(value)
    except ColorParseError as error:
        raise _invalid(path, f"{key} = {value!r} is not a colour") from error


def _invalid(path: Path, reason: str) -> InvalidInput:
    return InvalidInput(
        "THEME_INVALID",
        f"The theme {path} cannot be used: {reason}.",
        "Correct the file; another theme is used meanwhile.",
        path=str(path),
        reason=reason,
    )
