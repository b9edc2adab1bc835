"""Scripts: as SillyTavern 1.19 runs them, bounded, and told with line and column where they fail."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lunalux_core.macros.context import MacroContext
from lunalux_core.scenarios.scripts import replay
from lunalux_core.stscript.commands.command_table import core, everything
from lunalux_core.stscript.commands.likeness import unlikeness
from lunalux_core.stscript.dice import roll
from lunalux_core.stscript.faults import SENTENCES
from lunalux_core.stscript.host import AppCall, QuietHost
from lunalux_core.stscript.interpreter import Interpreter, ScriptOutcome, Setting
from lunalux_core.stscript.lacks import lacks
from lunalux_core.stscript.quick_reply_files import read_set
from lunalux_core.stscript.run_limits import Limits
from lunalux_core.stscript.script_values import (
    dump_json,
    member,
    number_text,
    parse_json,
    slice_units,
    to_number,
)
from lunalux_core.stscript.unsupported_commands import CODES

LOCALES = Path(__file__).resolve().parents[2] / "lunalux_tui" / "locales"


class App(QuietHost):
    """A host with a person who answers, and one quick reply."""

    def __init__(self, offers: Collection[str] = ("input", "buttons")) -> None:
        super().__init__()
        self._offers = offers
        self.calls: list[AppCall] = []

    @property
    def offers(self) -> Collection[str]:
        return self._offers

    async def perform(self, call: AppCall) -> str:
        self.calls.append(call)
        return f"answer to {call.text}"

    async def quick_reply(self, name: str, named: Mapping[str, str]) -> str | None:
        return "/pass from the set" if name == "Set.One" else None


def run(
    script: str, host: QuietHost | None = None, limits: Limits | None = None, **setting: Any
) -> ScriptOutcome:
    host = host or QuietHost()
    interpreter = Interpreter(host, everything(host.offers), Setting(**setting), limits)
    return asyncio.run(interpreter.run(script))


def pipe(script: str, **setting: Any) -> str | None:
    outcome = run(script, **setting)
    assert outcome.error is None, outcome.error
    return outcome.pipe


def failure(script: str, **rest: Any) -> tuple[str, object, object]:
    error = run(script, **rest).error
    assert error is not None
    return error.code, error.params["line"], error.params["column"]


def test_every_recorded_script_does_what_it_was_seen_to_do(vectors: Path) -> None:
    recorded = json.loads((vectors / "stscript.json").read_text("utf-8"))
    done = replay(recorded)
    assert len(done) == len(recorded) >= 160
    for vector, result in zip(recorded, done, strict=True):
        assert result == vector["expected"]["1.19.0"], vector["name"]


# The language


def test_line_breaks_end_nothing_and_named_arguments_come_first() -> None:
    assert pipe("/echo one\n/echo two") == "one\n/echo two"
    assert pipe("/upper\n  foo=1\n  abc") == "ABC"


def test_a_bar_in_a_macro_is_text_and_an_unclosed_macro_takes_the_rest() -> None:
    assert pipe("/pass {{setvar::a::x|y}}{{getvar::a}} | /len") == "3"
    assert pipe("/pass {{ a | /pass b") == "{{ a | /pass b"


def test_a_quoted_last_argument_ends_where_its_quote_does_in_our_own_reading_only() -> None:
    script = '/let x "a"| /times 2 "/addvar key=n 1"'
    assert run(script).local == {"n": 2}
    assert replay([{"script": script}])[0]["locals"] == {}  # there the bar is taken into the text


def test_join_and_split_are_ours_alone() -> None:
    assert pipe("/split a, b ,c | /join glue=-") == "a-b-c"
    assert pipe('/split find="" ab | /join') == "a, b"
    assert core().get("join") is None and core().get("split") is None


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ('/fuzzy list=["north","south","east"] the path goes sauth', "south"),
        ('/fuzzy list=["north","south","east"] threshold=0 the path goes sauth', ""),
        ('/fuzzy list=["open","the gate","gate"] mode=first THE GATE opens', "open"),
        ('/fuzzy list=["a grey cat","grey cats sleep","the dog"] mode=best a gray cat', "a grey cat"),
        ('/fuzzy list=["开门","关门","敲门"] threshold=0 她走过去，把门关上，又敲门', "敲门"),
        ('/setvar key=ways ["left","right"] | /fuzzy list=ways we turn rigth', "right"),
        ('/fuzzy list=["left"] threshold=x turn left', ""),
        ('/fuzzy list="no list" turn left', ""),
        ('/fuzzy list=[1,{"a":2},"left"] turn left', "left"),
        ("/fuzzy turn left", ""),
    ],
)
def test_fuzzy_finds_what_is_alike(script: str, found: str) -> None:
    assert pipe(script) == found


@pytest.mark.parametrize(
    ("pattern", "text", "score"),
    [
        ("lantern", "Lantern", 0),
        ("lantern", "a lantern burns", 0.001),
        ("lentern", "a lantern burns", 1 / 7),
        ("lanttern", "a lantern burns", 1 / 8),
        ("lantrn", "a lantern burns", 1 / 6),
        ("xyz", "a lantern burns", None),
        # Of the two pieces that overlap one stands in the text, the other is nowhere near it.
        ("abcdefghijklmnopqrstuvwxyzabcdef" + "0123456789" * 3, "abcdefghijklmnopqrstuvwxyzabcdef", 0.5005),
    ],
)
def test_how_unlike_two_texts_are(pattern: str, text: str, score: float | None) -> None:
    found = unlikeness(pattern, text, 0.4)
    assert found is None if score is None else found == pytest.approx(score)


@given(pattern=st.text("abc門 ", max_size=40), text=st.text("abc門 ", max_size=60), share=st.floats(0, 1))
@settings(max_examples=200, deadline=None)
def test_likeness_grows_with_the_threshold_and_never_misses_what_stands_there(
    pattern: str, text: str, share: float
) -> None:
    low, high = unlikeness(pattern, text, share / 2), unlikeness(pattern, text, share)
    assert high is None or 0 <= high <= 1
    assert low is None or high is not None
    if pattern and pattern in text:
        assert unlikeness(pattern, text, 0) is not None


def test_a_long_search_is_stopped_like_any_other_work() -> None:
    script = '/fuzzy threshold=1 list=["' + "z" * 30 + '"] ' + "ab" * 90_000
    assert failure(script, limits=Limits(seconds=0.02))[0] == "SCRIPT_TOO_SLOW"


def test_what_is_empty_is_replaced_and_names_are_listed() -> None:
    for value in ('""', "[]", "{}", "{{getvar::none}}"):
        assert pipe(f"/ifempty value={value} instead") == "instead", value
    assert pipe('/ifempty value="some words" instead') == "some words"
    assert pipe("/ifempty value=0 instead") == "0"
    assert pipe("/pass before | /ifempty value={{getvar::none}}") == "before"
    assert pipe('/let x {"b":1,"a":{"c":2}} | /keys {{var::x}}') == '["b","a"]'
    assert pipe('/keys ["x","y"]') == '["0","1"]' and pipe("/keys words") == "[]"
    assert core().get("ifempty") is None and core().get("keys") is None and core().get("fuzzy")


def test_the_replies_of_a_set_that_cannot_run_are_named_with_what_they_lack() -> None:
    messages = {
        "fine": "/let a 1 | /if left=a right=1 {: /echo yes :}",
        "text": "/me is no command where a text is meant? It is read as one",
        "plain": "Only words with a / in them",
        "far": "/echo a |\n/let f {: x=1 /teleport to=home {{var::x}} | /echo b :} | /:f | /teleport | /sing",
        "open": "/echo a | /if left=1 {: /teleport home | /echo b",
        "comment": "// /teleport is not meant | /pass",
    }
    replies = [{"id": n, "label": label, "message": text} for n, (label, text) in enumerate(messages.items())]
    found = {lack.label: lack for lack in lacks(read_set({"qrList": replies}), everything())}
    assert {label: lack.commands for label, lack in found.items()} == {
        "text": (("me", (1, 1)),),
        "far": (("teleport", (2, 15)), ("sing", (2, 77))),
        "open": (("teleport", (1, 25)),),
    }
    assert found["far"].error is None
    assert found["open"].error is not None and found["open"].error.code == "SCRIPT_UNCLOSED_CLOSURE"


def test_a_set_without_end_is_not_looked_through_to_the_end() -> None:
    replies = [{"label": str(n), "message": "/teleport " + "x" * 199_000} for n in range(50)]
    assert len(list(lacks(read_set({"qrList": replies}), everything()))) == 10


def test_closures_see_where_they_are_used_and_start_afresh_at_every_call() -> None:
    assert pipe("/let n 1 | /let f {: /add {{var::n}} 1 :} | /run {: /let n 10 | /:f :}") == "11"
    assert pipe("/let f {: /let own 1 | /var own :} | /:f | /:f") == "1"
    assert pipe("/let f {: a=1 /pass {{var::a}} :} | /:f a=2 | /:f") == "1"
    assert pipe("/times 2 {: /times 2 {: /addvar key=s {{timesIndex}}; :} :} | /getvar s") == "0;1;0;1;"


def test_break_ends_the_loop_or_call_around_it_even_from_within_a_condition() -> None:
    assert pipe("/times 9 {: /if left=1 right=1 {: /break out :} | /pass never :}") == "out"
    assert pipe("/break top | /pass {{pipe}} on") == "top on"


def test_a_quick_reply_runs_by_its_name_and_a_missing_one_is_told() -> None:
    assert run("/run Set.One", App()).pipe == "from the set"
    assert failure("/echo a |\n  /run Set.Two", host=App()) == ("SCRIPT_NO_QUICK_REPLY", 2, 3)


@pytest.mark.parametrize(
    ("script", "result"),
    [
        ("/mod -7 3", "-1"),
        ("/mod 7 -3", "1"),
        ("/pow 2 0.5", "1.4142135623730951"),
        ("/pow -8 0.5", "0"),
        ("/pow 10 400", "Infinity"),
        ("/log 0", "-Infinity"),
        ("/sqrt -1", "0"),
        ("/div 5", "0"),
        ("/round -2.5", "-2"),
        ("/round 0.49999999999999994", "0"),
        ('/add ["a", 1, true, null, "2"]', "7"),
        ("/mul 0x10 1e2 .5", "800"),
        ("/rand from=5 to=7 round=floor", "6"),
        ("/min", "0"),
    ],
)
def test_numbers(script: str, result: str) -> None:
    assert pipe(script, local={"a": "3"}, context=MacroContext(random=lambda: 0.75)) == result


@pytest.mark.parametrize(
    ("script", "result"),
    [
        ("/substr start=1 end=3 a😀b", "😀"),
        ("/substr end=-1 abc", "ab"),
        ("/substr start=x abc", "abc"),
        ("/replace pattern=a replacer=[$&$$] banana", "b[a$]n[a$]n[a$]"),
        ('/replace mode=regex pattern="/(?<x>a)(n)/g" replacer="<$<x>$2$3$1>" banana', "b<an$3a><an$3a>a"),
        ('/match pattern="/(x)?b/g" ab', '[["b",null]]'),
        ("/match pattern=z abc", ""),
        ("/match pattern=/z/g abc", "[]"),
        ("/len null-ish", "8"),
        ("/len true", "0"),
        ("/len 1e3", "4"),
        ('/sort [3,"b",true,1,"a"]', '[true,1,3,"a","b"]'),
        ('/sort {"b":1,"10":2,"9":3}', '["10","9","b"]'),
        ("/sort plain words", "plain words"),
        ('/array-wrap "5"', '["5"]'),
        ("/array-unwrap [[1],2]", "[1]"),
        ("/trimend One. Two", "One."),
        ("/trimstart end of it. Two. Three", "Two. Three"),
    ],
)
def test_texts_and_lists(script: str, result: str) -> None:
    assert pipe(script) == result


def test_members_of_values_follow_javascript() -> None:
    assert (
        pipe('/setvar key=o {"b":1,"2":2} | /setvar key=o index=1 as=list [] | /getvar o')
        == '{"1":[],"2":2,"b":1}'
    )
    assert pipe("/setvar key=l index=2 x | /getvar l") == '[null,null,"x"]'
    assert pipe("/setvar key=l [1,2] | /getvar index=length l") == "2"
    assert pipe("/let t hello | /var index=1 t") == "e"
    assert pipe('/let o {"a":null} | /pass {{var::o::a}}{{var::o::b}}!') == "null!"


def test_values_outlive_nothing_and_keep_their_types() -> None:
    outcome = run("/incvar n | /addvar key=l x | /flushvar gone", local={"n": 1, "l": "[1]", "gone": "x"})
    assert outcome.local == {"n": 2, "l": '[1,"x"]'}


# What it can reach


def test_the_app_is_reached_through_the_host_only_and_what_it_lacks_is_refused_before_anything_runs() -> None:
    app = App()
    outcome = run('/setvar key=l ["yes","no"] | /buttons labels=l Sure? | /echo', app)
    assert outcome.pipe == "answer to Sure?" and app.calls[0].named == {"labels": '["yes","no"]'}
    refused = App()
    assert failure("/echo first\n| /if left=1 right=2 {: /send hi :}", host=refused) == (
        "SCRIPT_COMMAND_NOT_HERE",
        2,
        25,
    )
    assert refused.echoes == [] and refused.calls == []


def test_send_and_its_like_keep_quotes_and_names() -> None:
    app = App(("sendas",))
    run('/sendas name="Ada L." "Quoted" and {{user}}', app, context=MacroContext(user="Bo"))
    assert app.calls == [AppCall("sendas", {"name": "Ada L."}, '"Quoted" and Bo')]


# What goes wrong


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("/echo a |\n/nosuch b", ("SCRIPT_UNKNOWN_COMMAND", 2, 1)),
        ("/echo a |\n /bgcol", ("SCRIPT_COMMAND_OF_PAGE", 2, 2)),
        ("/ife (a == b) {: :}", ("SCRIPT_COMMAND_OF_EXTENSION", 1, 1)),
        ("/secret-write x", ("SCRIPT_COMMAND_OUTSIDE", 1, 1)),
        ("/pass | /qr-set-delete x", ("SCRIPT_COMMAND_DELETES", 1, 9)),
        ("/run {:\n /echo a", ("SCRIPT_UNCLOSED_CLOSURE", 1, 6)),
        ("/echo a | /# never", ("SCRIPT_UNCLOSED_COMMENT", 1, 11)),
        ('/pass "a | b"', ("SCRIPT_UNCLOSED_QUOTE", 1, 7)),
        ("/add [1, 2", ("SCRIPT_UNCLOSED_LIST", 1, 6)),
        ("/let f {: :} | /:f x", ("SCRIPT_UNEXPECTED_TEXT", 1, 20)),
        ("/parser-flag | /echo", ("SCRIPT_BAD_FLAG", 1, 1)),
        ("/echo a\n | /var b", ("SCRIPT_NO_VARIABLE", 2, 4)),
        ("/let a | /let a", ("SCRIPT_VARIABLE_EXISTS", 1, 10)),
        ("/setvar a", ("SCRIPT_NO_NAME", 1, 1)),
        ("/let a 1 | /run a", ("SCRIPT_NOT_CALLABLE", 1, 12)),
        ("/if right=1 {: :}", ("SCRIPT_NO_OPERAND", 1, 1)),
        ("/if left=a right=b rule=gt {: :}", ("SCRIPT_BAD_RULE", 1, 1)),
        ("/test x", ("SCRIPT_NO_PATTERN", 1, 1)),
        ('/test pattern="(" x', ("SCRIPT_BAD_ARGUMENT", 1, 1)),
        ('/times 1 "/echo {{user}} |\n /nosuch" ', ("SCRIPT_UNCLOSED_QUOTE", 1, 10)),
        ('/echo\n | /if left=1 right=1 "/nosuch"', ("SCRIPT_UNKNOWN_COMMAND", 2, 4)),
        ("x" * 500_001, ("SCRIPT_TOO_LONG", 1, 1)),
        ("/run " + "{: /run " * 1000 + ":}" * 1000, ("SCRIPT_TOO_DEEP", 1, 406)),
        ("/let f {: /:f :} | /:f", ("SCRIPT_TOO_DEEP", 1, 11)),
        ("/if left=1 right=1 " * 200, ("SCRIPT_TOO_DEEP", 1, 1)),
        ("/while guard=off left=1 right=1 {: /pass x :}", ("SCRIPT_TOO_MANY_STEPS", 1, 36)),
        ("/times guard=off 1e300 {: :}", ("SCRIPT_TOO_MANY_STEPS", 1, 1)),
        (
            "/setvar key=a 0123456789 | /times 99 {: /setvar key=a {{getvar::a}}{{getvar::a}} :}",
            ("SCRIPT_TOO_LARGE", 1, 41),
        ),
        (
            "/times guard=off 99999 {: /setvar key=k{{timesIndex}} " + "y" * 1000 + " :}",
            ("SCRIPT_TOO_LARGE", 1, 27),
        ),
        (
            "/let a " + "x" * 9000 + " | /replace pattern=x replacer={{var::a}} {{var::a}}",
            ("SCRIPT_TOO_LARGE", 1, 9011),
        ),
        ('/match pattern="(a+)+$" ' + "a" * 40 + "b", ("SCRIPT_BAD_ARGUMENT", 1, 1)),
        ("/setvar key=l index=1e8 x", ("SCRIPT_BAD_ARGUMENT", 1, 1)),
    ],
)
def test_each_fault_has_its_code_and_place(script: str, expected: tuple[str, int, int]) -> None:
    assert failure(script) == expected


def test_time_is_bounded_and_waiting_is_bounded_for_itself() -> None:
    loop = "/times guard=off 1e9 {: :}"
    assert failure(loop, limits=Limits(seconds=0.05, steps=10**9))[0] == "SCRIPT_TOO_SLOW"
    assert failure("/delay 9999999999")[0] == "SCRIPT_TOO_SLOW"
    assert run("/delay 60 | /pass on", limits=Limits(seconds=0.05)).pipe == "on"


def test_what_ran_before_a_fault_stays() -> None:
    outcome = run("/setvar key=a 1 | /var nope | /setvar key=a 2")
    assert outcome.local == {"a": "1"} and outcome.ran and outcome.pipe is None


def test_every_sentence_and_every_command_is_told_in_both_languages() -> None:
    chinese = json.loads((LOCALES / "errors.zh.json").read_text("utf-8"))
    for code in SENTENCES:
        message, hint = chinese[code]
        assert message.startswith("第 {line} 行第 {column} 列：") and hint
    for language in ("en", "zh"):
        words = json.loads((LOCALES / language / "script.json").read_text("utf-8"))["script"]["help"]
        named = {command.help_key.removeprefix("script.help.") for command in everything()}
        assert named == set(words) and all(words.values())


def test_a_command_is_either_here_or_told_why_it_is_not() -> None:
    known = everything()
    assert [name for name in CODES if known.get(name)] == []


def test_the_page_of_scripts_names_every_command() -> None:
    for page in ("scripts.md", "scripts.zh.md"):
        text = (LOCALES.parents[1] / "docs" / page).read_text("utf-8")
        for command in everything():
            assert f"`{command.name}`" in text, (page, command.name)


# Whatever is written

WORDS = st.sampled_from(
    [
        *(
            "/echo ",
            "/pass ",
            "/setvar key=a ",
            "/addvar key=a ",
            "/getvar a",
            "/let x ",
            "/var x",
            "/run ",
            "/:x",
        ),
        *("/if left=a right=1 ", "/while left=a right=9 rule=lt ", "/times 3 ", "/times guard=off 1e6 "),
        *("/while guard=off left=1 right=1 ", "/break ", "/abort ", "/add ", "/sort ", "/len ", "/join "),
        *('/split find="" ', "/parser-flag STRICT_ESCAPING on ", "// ", "/* ", "*|", "/closure-deserialize "),
        *(
            "{:",
            ":}",
            ":}()",
            " | ",
            " || ",
            "|",
            '"',
            "\\",
            "[1,2]",
            '{"a":1}',
            "{{pipe}}",
            "{{var::x}}",
            "\n",
        ),
        *(
            "{{getvar::a}}",
            "{{setvar::a::{{getvar::a}}{{getvar::a}}}}",
            "{{timesIndex}}",
            "else=",
            "a=",
            "x",
            "5",
        ),
        *("小明😀", "\ud800", "{{", "}}", "index=1e4 ", "as=number "),
    ]
)
SCRIPTS = st.one_of(st.lists(WORDS, max_size=25).map("".join), st.text(max_size=80))
SMALL = Limits(steps=300, seconds=30, text=3000, made=20_000, script=2000)


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(SCRIPTS)
def test_no_script_hangs_or_grows_beyond_its_bounds_and_each_does_the_same_twice(script: str) -> None:
    hosts = QuietHost(), QuietHost()
    context = MacroContext(random=lambda: 0.5)
    first, second = (run(script, host, SMALL, context=context, local={"a": "0"}) for host in hosts)
    assert first.pipe == second.pipe and hosts[0].echoes == hosts[1].echoes
    assert (first.local, first.global_, first.aborted) == (second.local, second.global_, second.aborted)
    assert (first.error and first.error.code) == (second.error and second.error.code)
    kept = [first.pipe or "", *map(str, first.local.values()), *hosts[0].echoes]
    assert sum(map(len, kept)) <= 2 * SMALL.made
    if first.error is not None:
        assert first.error.code in SENTENCES and first.error.params["line"] >= 1


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda v: st.lists(v) | st.dictionaries(st.text(), v),
    )
)
def test_json_is_read_back_as_it_was_written(value: Any) -> None:
    written = dump_json(value)
    again = parse_json(written)
    assert dump_json(again) == written


@given(st.floats())
def test_numbers_are_read_back_as_they_were_written(number: float) -> None:
    again = to_number(number_text(number))
    assert again == number or (math.isnan(again) and math.isnan(number))


def test_numbers_are_written_as_javascript_writes_them() -> None:
    written = {
        1e21: "1e+21",
        123456789012345680000.0: "123456789012345680000",
        1.5e-7: "1.5e-7",
        1e-6: "0.000001",
    }
    assert {number: number_text(number) for number in written} == written
    assert number_text(-0.0) == "0" and number_text(1.2345678901234567e-05) == "0.000012345678901234568"
    assert member("a😀", "length") == 3.0 and slice_units("a😀b", 1, 3) == "😀"


# Dice


@pytest.mark.parametrize(
    ("written", "draws", "words"),
    [
        ("2d6+3", [0.5, 0.99], "4 6 = 13"),
        (" d20 - 1 ", [0.0], "1 = 0"),
        ("20", [0.95], "20 = 20"),
        ("", [0.5], "4 = 4"),
        ("4d6kh3", [0.0, 0.2, 0.9, 0.4], "(1) 2 6 3 = 11"),
        ("2D20kl", [0.5, 0.1], "(11) 3 = 3"),
    ],
)
def test_dice_fall_as_they_are_written(written: str, draws: list[float], words: str) -> None:
    rolled = roll(written, iter(draws).__next__)
    assert rolled is not None and rolled.words == words


@pytest.mark.parametrize("written", ["two", "0d6", "2d0", "9999d6", "2d6+", "2d6k", "d"])
def test_what_is_no_dice_rolls_nothing(written: str) -> None:
    assert roll(written, lambda: 0.5) is None
