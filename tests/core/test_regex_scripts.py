"""Regex scripts: reading and writing files, and running them as SillyTavern does."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lunalux_core.errors import InvalidInput
from lunalux_core.macros.expansion import MacroContext, Variables, expander
from lunalux_core.regex.engine import EcmaEngine, RegexBudget
from lunalux_core.regex.script import (
    AI_OUTPUT,
    USER_INPUT,
    Pattern,
    RegexScript,
    parse_find,
    parse_slashed,
    read_script,
    read_scripts,
    write_script,
)
from lunalux_core.regex.substitution import Skipped, run_scripts
from lunalux_core.scenarios.regex import replay

DEVIATIONS = {
    "group-11-is-offset": (
        "xx[]",
        "Running regex scripts: $n beyond the last group is empty, not a callback argument",
    ),
    "group-beyond-is-input": (
        "xx[]",
        "Running regex scripts: the same, where SillyTavern inserts the whole input",
    ),
    "macro-injected-from-text": (
        "a {{char}} b",
        "Running regex scripts: captured words are never read as macros",
    ),
    "null-replace": ("", "Regex script files: a replaceString of null is empty instead of an error"),
}


@pytest.fixture(scope="module")
def engine() -> Iterator[EcmaEngine]:
    with EcmaEngine() as engine:
        yield engine


def test_the_vectors_recorded_from_sillytavern(vectors: Path, engine: EcmaEngine) -> None:
    cases: list[dict[str, Any]] = json.loads((vectors / "regex.json").read_text("utf-8"))
    wrong = []
    for vector, result in zip(cases, replay(cases, engine), strict=True):
        expected = vector["expected"]["1.19.0"].get("out")
        if vector["name"] in DEVIATIONS:
            assert expected != result["out"] == DEVIATIONS[vector["name"]][0]
        elif result["out"] != expected:
            wrong.append((vector["name"], result["out"], expected))
    assert wrong == []


def one(engine: EcmaEngine, text: str, **fields: Any) -> str:
    script = RegexScript(**{"placement": (AI_OUTPUT,), **fields})
    return run_scripts([script], text, placement=AI_OUTPUT, target="store", engine=engine).text


def test_scripts_run_in_order_and_say_what_they_did(engine: EcmaEngine) -> None:
    scripts = [
        RegexScript(name="first", find="/cat/g", replace="dog", placement=(AI_OUTPUT,)),
        RegexScript(name="off", find="x", disabled=True, placement=(AI_OUTPUT,)),
        RegexScript(name="second", find="/dog/g", replace="bird", placement=(AI_OUTPUT,)),
        RegexScript(name="mine", find="bird", placement=(USER_INPUT,)),
        RegexScript(name="shown", find="bird", markdown_only=True, placement=(AI_OUTPUT,)),
        RegexScript(name="finds nothing", find="whale", placement=(AI_OUTPUT,)),
        RegexScript(name="broken", find="/(/", placement=(AI_OUTPUT,)),
        RegexScript(name="refused", find="/a/x", placement=(AI_OUTPUT,)),
        RegexScript(name="runaway", find="/(a+)+$/", placement=(AI_OUTPUT,)),
        RegexScript(name="last", find="/!/", replace="?", placement=(AI_OUTPUT,)),
    ]
    text = "cat " + "a" * 40 + "!"
    result = run_scripts(scripts, text, placement=AI_OUTPUT, target="store", engine=engine)
    assert result.text == "bird " + "a" * 40 + "?"
    assert result.applied == ("first", "second", "last")
    assert [(name, reason) for name, reason, _ in result.skipped] == [
        ("off", "disabled"),
        ("mine", "placement"),
        ("shown", "target"),
        ("broken", "invalid"),
        ("refused", "invalid"),
        ("runaway", "timeout"),
    ]
    assert [skip.name for skip in result.skipped if skip.failed] == ["broken", "refused", "runaway"]


def test_a_message_has_one_budget_for_all_its_scripts(engine: EcmaEngine) -> None:
    runaway = RegexScript(name="runaway", find="/(a+)+$/", placement=(AI_OUTPUT,))
    budget = RegexBudget(job=0.05, total=0.1)
    result = run_scripts(
        [runaway] * 10, "a" * 40 + "!", placement=AI_OUTPUT, target="store", engine=engine, budget=budget
    )
    assert [skip.reason for skip in result.skipped] == ["timeout"] * 10
    assert budget.spent == pytest.approx(0.1, abs=0.05)


def test_five_hundred_scripts_of_every_kind_leave_the_words_and_take_no_longer_than_their_budget(
    engine: EcmaEngine,
) -> None:
    """Those that come while the budget lasts do their work; each of the others says why it did nothing."""
    wild = ("/(a+)+$/g", "/(/g", "/(a|a)*$/", "/(a|aa)+$/g", "/^(([a-z])+.)+[A-Z]([a-z])+$/")
    scripts = [
        RegexScript(name="first", find="/STOP/", replace="END", placement=(AI_OUTPUT,)),
        *(RegexScript(name=f"{n}", find=wild[n % 5], placement=(AI_OUTPUT,)) for n in range(500)),
    ]
    budget = RegexBudget()
    began = time.process_time()
    words = "a" * 60 + "! STOP"
    result = run_scripts(scripts, words, placement=AI_OUTPUT, target="store", engine=engine, budget=budget)
    assert result.text == "a" * 60 + "! END"
    assert {skip.reason for skip in result.skipped} <= {"timeout", "invalid", "budget"}
    assert len({skip.name for skip in result.skipped if skip.failed}) == len(result.skipped) > 400
    assert budget.spent <= budget.total + budget.job
    assert time.process_time() - began < budget.total + 2, "our own part is small beside what patterns take"


def test_captures_reach_macros_as_arguments_but_are_never_read_as_macros(engine: EcmaEngine) -> None:
    variables = Variables()
    script = RegexScript(
        find=r"/HP: (\S+)/g", replace="{{setvar::hp::$1}}<{{user}}:$1:{{match}}>", placement=(AI_OUTPUT,)
    )
    result = run_scripts(
        [script],
        "HP: {{user}} HP: a::b",
        placement=AI_OUTPUT,
        target="store",
        engine=engine,
        expand=expander(MacroContext(user="Bo"), variables),
    )
    assert result.text == "<Bo:{{user}}:HP: {{user}}> <Bo:a::b:HP: a::b>"
    assert variables.local.raw("hp") == "a::b"


def test_replacement_references(engine: EcmaEngine) -> None:
    assert one(engine, "john smith", find=r"/(?<a>\w+) (\w+)/", replace="$2 $<a> $<none> $3 $0") == (
        "smith john   john smith"
    )
    assert one(engine, "x", find="x", replace="\\1 \\n $$ {{MATCH}}") == "\\1 \\n $$ x"
    assert one(engine, "ab", find="/(a)(b)/", replace="$1$2", trim_strings=("b",)) == "a"


def test_half_a_character_does_not_reach_the_library(engine: EcmaEngine) -> None:
    assert one(engine, "🐱", find=r"/\ud83d/", replace="") == "\ufffd"
    assert one(engine, "🐱x🐱", find="/x/", replace="🐶$0") == "🐱🐶x🐱"


@pytest.mark.parametrize(
    ("find", "pattern"),
    [
        ("/a/g", Pattern("a", "", True)),
        ("/a/gi", Pattern("a", "i", True)),
        ("/a/b/", Pattern("a/b")),
        ("/a/gg", Pattern("/a/gg")),
        ("/a/y\nmore", Pattern("/a/y\nmore")),
        ("/a\nb/g", Pattern("/a")),
        ("//", Pattern("//")),
        ("/", Pattern("/")),
        ("x/a/g", Pattern("x/a/g")),
        ("/a/g tail", Pattern("a", "", True)),
        ("\nab", Pattern("ab")),
    ],
)
def test_how_a_find_text_is_understood(find: str, pattern: Pattern) -> None:
    assert parse_find(find) == pattern


@pytest.mark.parametrize("find", ["", "\n", "/a/x", "/a/gU"])
def test_a_find_text_that_is_refused(find: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_find(find)
    assert caught.value.code == "REGEX_INVALID"


def test_worldbook_keys_with_slashes() -> None:
    assert parse_slashed("/a.b/i") == Pattern("a.b", "i")
    assert parse_slashed(r"/a\/b/") == Pattern("a/b")
    for plain in ("/a/b/", "a", "/a/x", "//", "/a/gg"):
        assert parse_slashed(plain) is None


@settings(max_examples=100)
@given(st.text(alphabet=st.sampled_from("/agix\n\\.\r龙"), max_size=12))
def test_no_find_text_breaks_the_parser(find: str) -> None:
    try:
        pattern = parse_find(find)
    except InvalidInput:
        return
    assert pattern.source
    assert "g" not in pattern.flags


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
KEYS = [
    *("id", "scriptName", "findRegex", "replaceString", "trimStrings", "placement", "disabled"),
    *("markdownOnly", "promptOnly", "runOnEdit", "substituteRegex", "minDepth", "maxDepth", "unknownKey"),
]


@settings(max_examples=100)
@given(st.dictionaries(st.sampled_from(KEYS), json_values, max_size=10))
def test_whatever_a_file_holds_it_is_read_and_written_back_untouched(document: dict[str, Any]) -> None:
    written = write_script(read_script(document))
    assert {key: written[key] for key in document} == document


def test_an_edit_changes_only_what_was_edited() -> None:
    document = {
        "scriptName": "a",
        "findRegex": "x",
        "minDepth": "1",
        "maxDepth": "",
        "foo": [1],
        "disabled": 0,
    }
    script = read_script(document)
    assert (script.min_depth, script.max_depth, script.disabled) == (1, None, False)
    changed = RegexScript(**{name: getattr(script, name) for name in script.__slots__} | {"name": "b"})
    written = write_script(changed)
    assert {key: written[key] for key in document} == {**document, "scriptName": "b"}


def test_scripts_are_found_wherever_files_keep_them() -> None:
    script = {"scriptName": "s", "findRegex": "x", "placement": [2]}
    for document in (
        script,
        [script],
        {"data": {"extensions": {"regex_scripts": [script]}}},
        {"extensions": {"regex_scripts": script}},
        {"prompts": [], "extensions": {"regex_scripts": [script]}},
        {"script_1": script},
    ):
        assert [each.name for each in read_scripts(document)] == ["s"]
    with pytest.raises(InvalidInput):
        read_scripts({"entries": {}})


def test_old_and_foreign_files_are_brought_up_to_date() -> None:
    display = read_scripts({"findRegex": "x", "placement": [0]})[0]
    assert display.placement == (1, 2, 3, 5, 6)
    assert display.markdown_only
    assert read_scripts({"findRegex": "x", "placement": [2, 4]})[0].placement == (2, 3)
    foreign = read_scripts(
        {"a": {"scriptKey": "a", "findRegex": "</b>", "replaceString": None}}, "narratium"
    )[0]
    assert foreign.find == r"/<\/b>/g"
    assert parse_find(foreign.find) == Pattern(r"<\/b>", "", True)


def test_a_skip_unpacks_as_name_and_reason() -> None:
    assert Skipped("a", "depth")[:2] == ("a", "depth")


def test_depth_limits_edits_and_targets(engine: EcmaEngine) -> None:
    script = RegexScript(find="a", replace="X", placement=(2,), prompt_only=True, min_depth=1, max_depth=3)
    texts = [
        run_scripts([script], "a", placement=2, target="prompt", engine=engine, depth=depth).text
        for depth in (0, 1, 3, 4, None)
    ]
    assert texts == ["a", "X", "X", "a", "X"]
    edited = RegexScript(find="a", replace="X", placement=(2,))
    result = run_scripts([edited], "a", placement=2, target="store", engine=engine, is_edit=True)
    assert result.skipped == (Skipped("a", "edit"),)
