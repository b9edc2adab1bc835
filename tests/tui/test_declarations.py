"""What is declared once as data: actions, words of both languages, themes, keys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from inspect import getsource
from pathlib import Path

import pytest
import textual.containers
import textual.screen
import textual.widgets
from textual.binding import Binding

import lunalux_tui
from lunalux_core.config.paths import Paths
from lunalux_core.errors import InvalidInput, LimitExceeded, NetworkError, NotFound, StorageError
from lunalux_tui import i18n
from lunalux_tui.actions import Action, key_name, keys_of
from lunalux_tui.app.declared_actions import all_actions
from lunalux_tui.app.own_keys import checked_keymap
from lunalux_tui.chat.action_declarations import BROWSE_ACTIONS
from lunalux_tui.chat.roster import RosterRows
from lunalux_tui.chat.screen import ChatScreen
from lunalux_tui.create.json_view import JsonView
from lunalux_tui.create.screen import CreateScreen
from lunalux_tui.create.sections.tags_field import TagsField
from lunalux_tui.i18n import catalogue, t
from lunalux_tui.parts.screen import LunaScreen
from lunalux_tui.theme import theme_files

PLACEHOLDER = re.compile(r"\{(\w+)\}")


@pytest.fixture(autouse=True)
def english() -> None:
    i18n.use("en")


def test_both_languages_have_the_same_keys_and_parameters() -> None:
    english, chinese = catalogue("en"), catalogue("zh")
    assert english.keys() == chinese.keys()
    for key, value in english.items():
        assert parameters(value) == parameters(chinese[key]), key


def parameters(value: str | Mapping[str, str]) -> set[str]:
    return set(PLACEHOLDER.findall(value if isinstance(value, str) else value["other"]))


def test_every_action_has_words_in_both_languages() -> None:
    actions = list(all_actions())
    assert len({action.id for action in actions}) == len(actions)
    for language in i18n.LANGUAGES:
        i18n.use(language)
        for action in actions:
            assert action.label != f"action.{action.id}.label", (language, action.id)
            assert action.help != f"action.{action.id}.help", (language, action.id)
            assert t(f"group.{action.group}") != f"group.{action.group}", (language, action.group)


def test_every_key_in_the_sources_is_in_the_catalogue() -> None:
    folder = Path(i18n.__file__).parent
    used: set[str] = set()
    for path in folder.rglob("*.py"):
        if "cli" not in path.parts:
            used |= set(re.findall(r"""(?<![\w.])t\(\s*"([\w.]+)\"""", path.read_text(encoding="utf-8")))
    missing = used - catalogue("en").keys()
    assert not missing


def test_errors_are_told_in_chinese_and_fall_back_to_their_own_words() -> None:
    i18n.use("zh")
    known = StorageError("DISK_FULL", "The disk is full.", "Free some space.", path="/here")
    assert i18n.tell(known)[0] == "/here 所在的磁盘已满。"
    lacking = StorageError("DISK_FULL", "The disk is full.", "Free some space.")
    assert i18n.tell(lacking) == ("The disk is full.", "Free some space.")
    assert i18n.tell(StorageError("NEW_CODE", "New {brace}.", "Do."))[0] == "New {brace}."


def test_the_errors_a_person_can_cause_have_chinese_words() -> None:
    core = Path(i18n.__file__).parents[1] / "lunalux_core"
    kinds = "|".join(
        kind.__name__ for kind in (InvalidInput, LimitExceeded, NotFound, StorageError, NetworkError)
    )
    raised = re.compile(rf"""(?:{kinds})\(\s*"([A-Z][A-Z_0-9]+)\"""")
    codes = {
        code
        for path in core.rglob("*.py")
        if "backend" not in path.parts
        for code in raised.findall(path.read_text(encoding="utf-8"))
    }
    i18n.use("zh")
    told = {code for code in codes if code in i18n.error_sentences("zh") or i18n.has(f"error.{code}.message")}
    assert len(codes - told) <= len(codes) // 10, sorted(codes - told)


def test_plurals_and_missing_parameters() -> None:
    assert t("conversations.length", n=1) == "1 message"
    assert t("conversations.length", n=2) == "2 messages"
    assert t("chat.exported", wrong=1) == "Written to {path}"
    assert t("no.such.key") == "no.such.key"


def test_amounts_have_their_thousands_marked_and_names_of_numbers_have_not() -> None:
    told = t("inspector.message", slot="Main", role="system", n=1541)
    assert "1,541 tokens" in told
    assert "1234567" in t("cli.skipped_entry", uid=1234567, reason="off")
    assert t("create.check.number", low=1024, high=4000000) == "A number from 1024 to 4000000 is needed."
    assert "order 1000" in t("inspector.entry.goes", where="before", role="system", order=1000)


def test_chinese_sentences_have_blanks_only_beside_other_letters() -> None:
    i18n.use("zh")
    assert t("dialog.conversations.title", name="林晚灯") == "与林晚灯的会话"
    assert t("dialog.conversations.title", name="Ada") == "与 Ada 的会话"
    assert i18n.in_a_row("已保存。", "", "请重试。") == "已保存。请重试。"
    assert i18n.in_a_row("Stored.", "Try again.") == "Stored. Try again."
    assert i18n.in_a_list(["林晚灯", "Ada"]) == "林晚灯、Ada"
    error = NotFound("FILE_NOT_FOUND", "There is no file.", "Check the path.", path="我的 灯.png")
    assert "我的 灯.png" in i18n.tell(error)[0], "what stands in a value is left alone"


def test_bundled_themes_load_and_a_bad_one_costs_a_notice(paths: Paths) -> None:
    paths.themes.mkdir(parents=True)
    (paths.themes / "broken.toml").write_text("[colors]\nprimary = 'no-such-colour'\n", encoding="utf-8")
    (paths.themes / "mine.toml").write_text(
        "[colors]\nprimary = '#112233'\nforeground = '#fff'\nbackground = '#000'\n", encoding="utf-8"
    )
    loaded, failed = theme_files.load_themes(paths.themes)
    assert {"luna-dark", "luna-light", "high-contrast", "no-colour", "mine"} <= loaded.keys()
    assert [error.code for error in failed] == ["THEME_INVALID"]
    assert "broken.toml" in failed[0].message


def test_a_key_map_keeps_what_it_can() -> None:
    good, wrong = checked_keymap({"chat.tree": "ctrl+y", "chat.nothing": "x"}, all_actions())
    assert good == {"chat.tree": "ctrl+y"}
    assert [error.code for error in wrong] == ["KEY_UNKNOWN_ACTION"]


def test_keys_are_written_as_people_do() -> None:
    names = [key_name(key) for key in ("ctrl+p", "alt+left", "shift+enter", "question_mark")]
    assert names == ["^p", "alt+←", "⇧⏎", "?"]


def test_no_action_waits_for_a_key_that_terminals_send_as_another_one() -> None:
    """Many send the steps by words as alt+b and alt+f."""
    others = {"alt+b", "alt+f"}
    for action in all_actions():
        assert not set(keys_of(action, {})[:1]) & others, action.id


def test_no_two_actions_of_the_chat_wait_for_one_key() -> None:
    """But for the answers to questions, of which only one is asked at a time."""
    questions = {"move_in", "answer_scripts", "answer_memory"}
    actions = dict[str, set[str]]()
    for kind in ChatScreen.__mro__:
        for binding in vars(kind).get("BINDINGS", ()):
            if isinstance(binding, Binding):
                for key in binding.key.split(","):
                    actions.setdefault(key, set()).add(binding.action.partition("(")[0])
    assert {key: names for key, names in actions.items() if len(names - questions) > 1} == {}
    assert len(actions) > 30


@pytest.mark.parametrize(
    ("screen", "inside"),
    [
        (ChatScreen, (*BROWSE_ACTIONS, *RosterRows.ACTIONS)),
        (CreateScreen, (*JsonView.ACTIONS, *TagsField.ACTIONS)),
    ],
)
def test_every_action_is_done_by_its_screen_or_by_an_object(
    screen: type[LunaScreen[None]], inside: tuple[Action, ...]
) -> None:
    """A key whose method was forgotten, or misspelt in the table, would do nothing and say nothing."""
    declared = {action.method.partition("(")[0] for action in screen.ACTIONS}  # type: ignore[attr-defined]
    for action in inside:  # of widgets that have the screen do it
        place, _, method = action.method.rpartition(".")
        declared |= {method.partition("(")[0]} if place == "screen" else set()
    assert len(declared) > 15
    assert {method for method in declared if not hasattr(screen, f"action_{method}")} == set()
    assert screen.HANDLERS.keys() <= declared, "nobody can want it"
    by_both = {method for method in screen.HANDLERS if f"def action_{method}(" in getsource(screen)}
    assert screen.HANDLERS and not by_both, "the object's would take the place of the screen's own"


def test_texts_of_the_app_spell_keys_as_the_footer_does() -> None:
    strange = re.compile(r"\b(?:f\d{1,2}|Esc|[Ee]scape)\b|ctrl\+|alt-|shift\+")
    for language in i18n.LANGUAGES:
        for key, words in i18n.catalogue(language).items():
            if not key.startswith(("cli.", "setting.")):  # those stand in the documents too
                for text in [words] if isinstance(words, str) else words.values():
                    assert not strange.search(text), (key, text)


def test_stylesheets_name_only_widgets_that_exist() -> None:
    """A selector of a class that was renamed selects nothing, and nobody is told."""
    folder = Path(lunalux_tui.__file__).parent
    sources = [path.read_text("utf-8") for path in folder.rglob("*.py")]
    there = {name for source in sources for name in re.findall(r"^class (\w+)", source, re.MULTILINE)}
    there |= {
        *textual.widgets.__all__,
        *dir(textual.containers),
        *dir(textual.screen),
        "Screen",
        "Toast",
        "ToastRack",
    }
    sheets = {path.name: path.read_text("utf-8") for path in folder.rglob("*.tcss")}
    assert len(sheets) > 5
    for name, sheet in sheets.items():
        for selector in re.findall(r"([^{}]+)\{", re.sub(r"/\*.*?\*/", "", sheet, flags=re.DOTALL)):
            wanted = set(re.findall(r"(?<![\w.#$:-])([A-Z]\w+)", selector))
            assert wanted <= there, (name, wanted - there)
