"""Both languages everywhere: every screen follows the switch, no words are missing, none are too long."""

from __future__ import annotations

import ast
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from chat_world import Driven, open_app
from rich.cells import cell_len
from textual.widgets import Input, Label, Static

from lunalux_core.errors import LunaluxError
from lunalux_tui import i18n
from lunalux_tui.actions import key_name
from lunalux_tui.app import places
from lunalux_tui.app.declared_actions import all_actions
from lunalux_tui.i18n import LANGUAGES, catalogue, t

PACKAGE = Path(i18n.__file__).parent
KINDS = {
    *("InvalidInput", "LimitExceeded", "NotFound", "StorageError", "NetworkError", "ProviderError"),
    *("BackendError", "SessionError", "PaymentError", "PluginError"),
}
PARAMETER = re.compile(r"(?<!\{)\{(\w+)\}(?!\})")


def raised() -> Iterator[tuple[Path, str, set[str] | None]]:
    """Every error the sources make: where, its code, and the values it brings (None: not to be told)."""
    root = PACKAGE.parent
    for folder in ("lunalux_core", "lunalux_tui"):
        for path in (root / folder).rglob("*.py"):
            if "backend" in path.relative_to(root).parts:
                continue
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KINDS:
                    code = node.args[0] if node.args else None
                    if isinstance(code, ast.Constant) and isinstance(code.value, str):
                        names = [keyword.arg for keyword in node.keywords]
                        yield path, code.value, None if None in names else {name for name in names if name}


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    i18n.use("en")
    yield
    i18n.use("en")


def test_every_error_of_the_sources_has_chinese_words_for_the_values_it_brings() -> None:
    i18n.use("zh")
    known = i18n.error_sentences("zh")
    made = [one for one in raised() if one[1] != "USAGE"]  # of the command line, each time in other words
    assert len({code for _, code, _ in made}) > 90
    for path, code, values in made:
        if i18n.has(f"error.{code}.message"):
            continue
        assert code in known, (path.name, code)
        if values is not None:
            wanted = {name for text in known[code] for name in PARAMETER.findall(text)}
            if "kind" in values and not wanted <= values:  # a kind with sentences of its own
                continue
            assert wanted <= values, (path.name, code, wanted - values)


def test_labels_of_the_footer_are_short_in_both_languages() -> None:
    for language in LANGUAGES:
        i18n.use(language)
        for action in all_actions():
            if action.footer:
                keys = [key_name(key) for key in action.keys.split(",") if key]
                assert cell_len(f"{keys[0] if keys else ''} {action.label}") <= 22, (language, action.id)


def test_sentences_are_whole() -> None:
    """No sentence is glued from pieces: a piece would begin or end with a blank, or stop in the middle."""
    for language in LANGUAGES:
        for key, value in catalogue(language).items():
            if key.endswith(("comma", "semicolon")):  # stand between the members of a list
                continue
            for text in value.values() if isinstance(value, Mapping) else (value,):
                assert text == text.strip(), (language, key)
                assert text.count("{") == text.count("}"), (language, key)


async def test_no_english_is_left_on_any_screen_after_the_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_app((120, 40)) as driven:
        for place in places.PLACES:
            if places.exists(place.id):
                driven.app.switch_language("en")
                driven.app.action_go(place.id)
                await driven.until(lambda place=place: _here(driven, place.id))  # type: ignore[misc]
                await driven.settle()
                assert english_left(seen(driven)), place.id
                driven.app.switch_language("zh")
                await driven.settle()
                left = english_left(seen(driven))
                assert not left, (place.id, left)


def _here(driven: Driven, place: str) -> bool:
    return bool(getattr(driven.app.screen, "PLACE", places.FIRST) == place)


def seen(driven: Driven) -> str:
    """The words on the screen, with the placeholders of empty fields."""
    screen = driven.app.screen
    lines = ["".join(segment.text for segment in strip) for strip in screen._compositor.render_strips()]
    words = [field.placeholder for field in screen.query(Input).results(Input)]
    words += [str(widget.render()) for kind in (Static, Label) for widget in screen.query(kind).results(kind)]
    return "\n".join([*lines, *words])


def english_left(text: str) -> list[str]:
    """The English sentences of the catalogue that a text shows, besides what is the same in Chinese and what
    only the command line says: headings of its tables are single words, which names of settings hold too."""
    english, chinese = catalogue("en"), catalogue("zh")
    left = []
    for key, value in english.items():
        if key.startswith("cli.") or not isinstance(value, str):
            continue
        whole = value != chinese[key] and "{" not in value and len(value) > 6
        if whole and re.search(rf"(?<!\w)({re.escape(str(value))})(?!\w)", text):
            left.append(f"{key}: {value}")
    return left


# -- broken files ----------------------------------------------------------------------------------


@pytest.fixture
def own_locales(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the catalogues that may be broken."""
    folder = tmp_path / "locales"
    shutil.copytree(i18n.FOLDER, folder)
    monkeypatch.setattr(i18n, "FOLDER", folder)
    forget()
    yield folder
    monkeypatch.undo()
    forget()


def forget() -> None:
    catalogue.cache_clear()
    i18n.error_sentences.cache_clear()
    i18n._problems.clear()


def test_a_broken_locale_file_is_told_by_line_and_the_others_stand_in(own_locales: Path) -> None:
    broken = own_locales / "zh" / "settings.json"
    broken.write_text('{\n  "settings": {\n    "search": "搜索"\n    "on": "开"\n  }\n}\n', encoding="utf-8")
    i18n.use("zh")
    assert t("settings.search") == "Search the settings"
    assert t("group.chat") == "聊天"
    (problem,) = i18n.problems()
    assert problem.code == "LOCALE_INVALID" and str(broken) in problem.message and "line 4" in problem.message


def test_a_locale_file_with_a_number_in_it_is_told(own_locales: Path) -> None:
    path = own_locales / "en" / "settings.json"
    document = json.loads(path.read_text("utf-8"))
    document["settings"]["on"] = 7
    path.write_text(json.dumps(document), encoding="utf-8")
    assert t("settings.on") == "开"
    assert "settings.on" in i18n.problems()[0].message


async def test_the_app_starts_with_every_english_file_broken(own_locales: Path) -> None:
    for path in (own_locales / "en").glob("*.json"):
        path.write_text("{", encoding="utf-8")
    (own_locales / "errors.zh.json").write_text("[", encoding="utf-8")
    async with open_app((100, 30)) as driven:
        assert {problem.code for problem in driven.app.problems()} == {"LOCALE_INVALID"}
        assert t("place.settings.title") == "设置"
        assert i18n.tell(LunaluxError("DISK_FULL", "The disk is full."))[0] == "The disk is full."
