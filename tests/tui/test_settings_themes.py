"""Themes: readable, documented, told by line when broken, worn as soon as they are saved."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from chat_world import open_app
from settings_world import section
from textual.color import Color
from textual.css.model import RuleSet
from textual.css.parse import parse

from lunalux_core.config.paths import Paths
from lunalux_core.errors import InvalidInput
from lunalux_tui import i18n
from lunalux_tui.theme import theme_files
from lunalux_tui.theme.styles import ERROR, MUTED, REVERSE
from lunalux_tui.theme.themed_app import palette
from lunalux_tui.theme.themes_dialog import ThemesDialog

DOCS = Path(__file__).resolve().parents[2] / "docs"
SMALL = "[colors]\nprimary = '{primary}'\nforeground = '#ffffff'\nbackground = '#000000'\n"


def contrast(one: Color, other: Color) -> float:
    """The ratio of WCAG 2.1, from 1 to 21."""

    def luminance(colour: Color) -> float:
        parts = [value / 255 for value in colour.rgb]
        red, green, blue = (v / 12.92 if v <= 0.03928 else ((v + 0.055) / 1.055) ** 2.4 for v in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


COLOURED = (
    "ember",
    "fjord",
    "luna-dark",
    "luna-light",
    "midnight",
    "mint",
    "morning",
    "moss",
    "orchid",
    "rosewood",
)


@pytest.mark.parametrize(("name", "least"), [*((name, 4.5) for name in COLOURED), ("high-contrast", 7.0)])
def test_every_text_can_be_read_on_every_ground(name: str, least: float, paths: Paths) -> None:
    theme = theme_files.find_theme(name, paths.themes)
    grounds = [theme.background, theme.surface, theme.panel, theme.variables["lx-selection"]]
    no_text = {"selection", "code-background", "background", "surface", "panel"}
    texts = {key: theme.variables[f"lx-{key}"] for key in theme_files.CHAT if key not in no_text}
    texts |= {key: getattr(theme, key) for key in theme_files.BASE if key not in no_text}
    for key, text in texts.items():
        for ground in grounds:
            ratio = contrast(Color.parse(text), Color.parse(ground or "#000"))
            assert ratio >= least, (key, text, ground, round(ratio, 2))


def test_the_theme_without_colour_marks_cursor_errors_and_hints() -> None:
    colours = palette(theme_files.find_theme(theme_files.NO_COLOUR, Path()))
    assert colours.cursor & REVERSE
    assert colours.style(ERROR).bold and colours.style(ERROR).underline
    assert colours.style(MUTED).dim
    assert colours.style(0).color is None or colours.style(0).color.is_default


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("dark = 1\n" + SMALL.format(primary="red"), 1, "true or false"),
        ("[colors]\nprimary = 'no-such'\nforeground = 'red'\nbackground = 'red'\n", 2, "not a colour"),
        (SMALL.format(primary="red") + "[chat]\nspech = 'red'\n", 6, "spech is not a key of [chat]"),
        (SMALL.format(primary="red") + "[styles]\nmuted = 'blinking'\n", 6, "is none of"),
        (SMALL.format(primary="red") + "extra = 1\n", 5, "not a key of [colors]"),
        ("[colors]\nprimary = 'red'\n", 1, "has no foreground"),
        ("[colors\n", 1, ""),
    ],
)
def test_a_broken_theme_names_file_and_line(text: str, line: int, what: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInput) as caught:
        theme_files.read_theme(path)
    assert caught.value.code == "THEME_INVALID"
    assert str(path) in caught.value.message
    assert f"line {line}" in caught.value.message and what in caught.value.message
    i18n.use("zh")
    message, hint = i18n.tell(caught.value)
    i18n.use("en")
    assert message.startswith(("主题", "无法使用主题")) and hint != caught.value.hint
    assert f"第 {line} 行" in message or "at line" in message


def test_every_key_of_a_theme_is_documented() -> None:
    text = (DOCS / "themes.md").read_text("utf-8")
    documented = set(re.findall(r"^\| `([\w-]+)` \|", text, re.MULTILINE))
    assert documented == {*theme_files.FLAGS, *theme_files.BASE, *theme_files.CHAT}
    for word in theme_files.STYLES:
        assert f"`{word}`" in text


async def test_a_theme_is_tried_on_and_taken_off_again() -> None:
    async with open_app((100, 30)) as driven:
        app = driven.app
        await section(driven, "look")
        await driven.press("enter")
        await driven.until(lambda: isinstance(app.screen, ThemesDialog))
        assert app.theme == "luna-dark"
        await driven.press("down")
        tried = app.theme
        assert tried != "luna-dark"
        await driven.press("escape")
        assert app.theme == "luna-dark"
        await driven.press("enter")
        await driven.until(lambda: isinstance(app.screen, ThemesDialog))
        await driven.press("down", "enter")
        await driven.until(lambda: app.runtime.settings.theme == tried)
        assert app.theme == tried
        assert f'theme = "{tried}"' in app.runtime.paths.config_file.read_text("utf-8")


async def test_a_theme_is_worn_as_it_is_saved_and_a_broken_one_is_told(paths: Paths) -> None:
    paths.themes.mkdir(parents=True)
    mine = paths.themes / "mine.toml"
    mine.write_text(SMALL.format(primary="#112233"), encoding="utf-8")
    paths.config_file.write_text('[ui]\ntheme = "mine"\n', encoding="utf-8")
    async with open_app() as driven:
        app = driven.app
        assert app.current_theme.primary == "#112233"
        save(mine, SMALL.format(primary="#445566"))
        await driven.until(lambda: app.current_theme.primary == "#445566")
        save(mine, "[colors]\nprimary = 7-\n")
        await driven.until(lambda: any("mine.toml" in n.title + n.message for n in app._notifications))
        assert app.current_theme.primary == "#445566"
        save(paths.themes / "other.toml", SMALL.format(primary="#778899"))
        await driven.until(lambda: "other" in app.theme_names())


async def test_a_broken_theme_does_not_keep_the_app_from_starting(paths: Paths) -> None:
    paths.themes.mkdir(parents=True)
    (paths.themes / "mine.toml").write_text("[colors]\nprimary = 7-\n", encoding="utf-8")
    paths.config_file.write_text('[ui]\ntheme = "mine"\n', encoding="utf-8")
    async with open_app() as driven:
        assert driven.app.theme == theme_files.DEFAULT
        assert [problem.code for problem in driven.app.problems()] == ["THEME_INVALID"]


async def test_no_style_sheet_is_parsed_twice_with_the_same_colours(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Places and dialogs bring style sheets of their own; a theme that comes back is there at once."""
    paths.themes.mkdir(parents=True)
    # Colours that no other test of this process has parsed anything with.
    (paths.themes / "mine.toml").write_text(SMALL.format(primary="#0a1b2d"), encoding="utf-8")
    paths.config_file.write_text('[ui]\ntheme = "mine"\n', encoding="utf-8")
    parsed: list[tuple[Any, ...]] = []

    def counted(scope: str, css: str, read_from: Any, **more: Any) -> Iterable[RuleSet]:
        colour = "".join(token.value for token in more["variable_tokens"]["primary"])
        parsed.append((colour, scope, css, read_from, more["tie_breaker"]))
        return parse(scope, css, read_from, **more)

    monkeypatch.setattr("textual.css.stylesheet.parse", counted)
    async with open_app((100, 30)) as driven:
        app = driven.app

        def ground() -> Color:
            return app.screen.query_one("#dialog").styles.background

        await section(driven, "look")
        await driven.press("enter")
        await driven.until(lambda: isinstance(app.screen, ThemesDialog))
        mine, mine_primary = ground(), parsed[-1][0]
        await driven.press("up")
        await driven.until(lambda: app.theme != "mine" and ground() != mine)
        await driven.press("down")
        await driven.until(lambda: app.theme == "mine" and ground() == mine)
        assert sum(colour == mine_primary for colour, *_ in parsed) > 10
        assert len(parsed) == len(set(parsed))


def save(path: Path, text: str) -> None:
    """Write a file with a time that is surely another one."""
    before = path.stat().st_mtime_ns if path.exists() else 0
    path.write_text(text, encoding="utf-8")
    os.utime(path, ns=(before + 10**9, before + 10**9))
