"""Themes: TOML files of colours, bundled ones and the person's own.

A theme names a handful of colours; what it leaves out is derived. One bad file costs one notice, never
the app: loading answers with what was loaded and what failed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from textual.color import Color, ColorParseError
from textual.theme import Theme

from lunalux_core.config.toml_lines import FileLine, line_of
from lunalux_core.config.toml_text import read_toml
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
    "speaker-2": "success",
    "speaker-3": "warning",
    "speaker-4": "secondary",
    "speaker-5": "error",
    "speaker-6": "foreground",
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

STYLED = (*CHAT, "accent", "error", "warning", "cursor")
"""What `[styles]` can mark without colour; `cursor` is the row under the cursor of a list."""

STYLES = ("bold", "italic", "underline", "reverse", "dim")
TABLES = {"colors": (*BASE,), "chat": (*CHAT,), "styles": STYLED}
FLAGS = ("dark", "ansi")


def folders(own: Path) -> tuple[Path, ...]:
    """Where themes are looked for, in order: the person's folder, the package, a source tree."""
    here = Path(__file__).parents[1]
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
        # The person's folder is read first: a theme of one's own takes the place of a bundled one.
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
            yield from sorted(path for path in folder.glob("*.toml") if path.is_file())


def read_theme(path: Path) -> Theme:
    """A theme from its file; the file's name is the theme's name.

    Raises:
        InvalidInput: THEME_INVALID, naming the file, the line and what is wrong there.
    """
    try:
        text, document = read_toml(path.read_bytes())
    except ValueError as error:
        raise _invalid(FileLine(str(path)), str(error)) from error
    except OSError as error:
        raise _invalid(FileLine(str(path)), str(error.strerror or error)) from error
    _check(document, path, text)
    colours = {key: str(value) for key, value in document.get("colors", {}).items()}
    chat = {key: str(value) for key, value in document.get("chat", {}).items()}
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
    variables |= {f"lx-{key}-style": str(words) for key, words in document.get("styles", {}).items()}
    dark, ansi = document.get("dark", True), document.get("ansi", False)
    if ansi:
        variables |= {"ansi-foreground": base["foreground"], "ansi-background": base["background"]}
    # Last: a theme may set any variable of the style sheets itself.
    variables |= {key: str(value) for key, value in document.get("variables", {}).items()}
    theme = Theme(path.stem, base["primary"], dark=dark, ansi=ansi, variables=variables)
    for key in BASE:
        setattr(theme, key, base[key])
    return theme


def _check(document: Mapping[str, Any], path: Path, text: str) -> None:
    """Every key is known, every colour a colour, every style a style."""

    def wrong(kind: str, reason: str, *key: str, **params: str) -> InvalidInput:
        place = FileLine(str(path), line_of(text, key))
        return _invalid(place, reason, kind, name=key[-1], table=key[0], **params)

    for key, value in document.items():
        if key in FLAGS:
            if not isinstance(value, bool):
                raise wrong("flag", f"{key} = {value!r} is not true or false", key, value=str(value))
        elif key not in TABLES and key != "variables":
            raise wrong("key", f"{key} is not a key of a theme", key)
        elif not isinstance(value, dict):
            raise wrong("table", f"{key} is not a table", key)
    for table, keys in TABLES.items():
        for key, value in document.get(table, {}).items():
            if key not in keys:
                raise wrong("key", f"{key} is not a key of [{table}]", table, key)
            if table == "styles":
                if not set(str(value).split()) <= set(STYLES):
                    styles = ", ".join(STYLES)
                    raise wrong(
                        "style", f"{key} = {value!r} is none of {styles}", table, key, value=str(value)
                    )
            elif not _is_colour(str(value)):
                raise wrong("colour", f"{key} = {value!r} is not a colour", table, key, value=str(value))
    for required in ("primary", "foreground", "background"):
        if required not in document.get("colors", {}):
            place = FileLine(str(path), line_of(text, ("colors",)))
            raise _invalid(place, f"[colors] has no {required}", "missing", name=required)


def _is_colour(value: str) -> bool:
    try:
        Color.parse(value)
    except ColorParseError:
        return False
    return True


def _invalid(place: FileLine, reason: str, kind: str = "", **params: str) -> InvalidInput:
    return InvalidInput(
        "THEME_INVALID",
        f"The theme {place} cannot be used: {reason}.",
        "Correct the file; another theme is used meanwhile.",
        path=place.path,
        where=place,
        reason=reason,
        kind=kind,
        **params,
    )
