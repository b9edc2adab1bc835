"""Macros: the language of cards and presets, as SillyTavern 1.19 reads it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lunalux_core.macros.date_formats import format_moment, humanize
from lunalux_core.macros.expansion import (
    MAX_OUTPUT,
    ChatMessage,
    MacroContext,
    VariableDelta,
    Variables,
    expand,
    expand_all,
    expand_fields,
    expander,
    hidden_keys,
)
from lunalux_core.macros.grammar import literal_token
from lunalux_core.macros.variables import format_number, to_number
from lunalux_core.scenarios.macros import replay

NOON = datetime(2026, 3, 1, 12, 5, 9, tzinfo=timezone(timedelta(hours=8)))

SCENE = MacroContext(
    user="Bo",
    char="Alicia",
    nickname="Al",
    description="{{char}} is {{user}}'s friend",
    personality="kind",
    char_version="1.2",
    first_message="Hi {{user}}",
    alternate_greetings=("Second", " Third "),
    examples="<START>\n{{user}}: a\n{{char}}: b",
    char_prompt="Play {{char}}.",
    default_prompt="Write.",
    original="the original",
    chat=(
        ChatMessage("Al", "Hello", swipes=3, swipe=1, sent_at=NOON - timedelta(hours=5)),
        ChatMessage("Bo", "Yo", is_user=True, sent_at=NOON - timedelta(hours=4)),
        ChatMessage("Al", "Well", swipes=3, swipe=1, sent_at=NOON - timedelta(hours=1)),
    ),
    outlets={"lore": "{{user}} lore"},
    extra={"memory": "remembered"},
    model="m1",
    max_context=8000,
    max_response=500,
    chat_id="chat",
    now=NOON,
    random=lambda: 0.5,
)

DEVIATIONS = {
    "{{random:a,b}}|{{random::a,b}}|{{random:a\\,b,c}}": (
        "a|a|a,b",
        "the recorded draw came from a generator of SillyTavern's own, not from the scenario's number",
    ),
    "{{//}}y": ("y", "Macro syntax lists {{//}} among the legacy spellings to keep"),
    "{{char}}'s {{description}} / {{personality}}": (
        "Alice's Alice is Bob's friend / kind",
        "Macro syntax: card fields are expanded when the field is built",
    ),
}


def test_the_vectors_recorded_from_sillytavern(vectors: Path) -> None:
    document = json.loads((vectors / "macros.json").read_text("utf-8"))
    (texts,) = replay({"scenario": {**document["scenario"], "now": "2026-03-01T12:00:00"}})
    wrong = []
    for recorded, text in zip(document["results"], texts, strict=True):
        if recorded["in"] in DEVIATIONS:
            assert recorded["1.19.0-new"] != text == DEVIATIONS[recorded["in"]][0]
        elif recorded["1.19.0-new"] != text:
            wrong.append((recorded["in"], text, recorded["1.19.0-new"]))
    assert wrong == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # names and legacy markers
        ("{{user}} {{CHAR}} {{ char }} <USER> <bot> <Group>", "Bo Al Al Bo Al Al"),
        ("{{group}} {{charIfNotGroup}} {{notChar}}", "Al Al Bo"),
        # what is glued behind a name is passed over, arguments still count
        ("{{char's}} {{user.name}} {{char（名）}} {{reverse.x::abc}}", "Al Bo Al cba"),
        ("{{none's}} {{char x}}", "{{none's}} {{char x}}"),
        # the card: fields are expanded, nothing else that is inserted
        ("{{description}} {{charPersonality}} {{version}}", "Al is Bo's friend kind 1.2"),
        ("{{greeting}} {{charFirstMessage::2}} {{greeting::9}}", "Hi Bo Third "),
        ("{{mesExamples}}", "<START>\nBo: a\nAl: b\n"),
        ("{{systemPrompt}} {{defaultSystemPrompt}}", "Play Al. Write."),
        ("{{original}}|{{original}}", "the original|"),
        ("{{outlet::lore}} {{outlet::none}} {{memory}}", "{{user}} lore  remembered"),
        # the chat
        ("{{lastMessage}} {{lastUserMessage}} {{lastCharMessage}} {{lastMessageId}}", "Well Yo Well 2"),
        ("{{lastSwipeId}} {{currentSwipeId}} {{allChatRange}} {{firstIncludedMessageId}}", "3 2 0-2 "),
        # time
        ("{{time}} {{date}} {{weekday}}", "12:05 PM March 1, 2026 Sunday"),
        ("{{isotime}} {{isodate}}", "12:05 2026-03-01"),
        ("{{time_UTC+2}} {{time::UTC-7}}", "6:05 AM 9:05 PM"),
        ("{{datetimeformat DD.MM.YY [at] HH:mm}}", "01.03.26 at 12:05"),
        ("{{idle_duration}} {{idleDuration}}", "4 hours 4 hours"),
        ("{{timeDiff::2023-01-01 12:00::2023-01-01 15:00}}", "3 hours ago"),
        ("{{timeDiff::{{isodate}} 13:00::2026-03-01}}", "in 13 hours"),
        ("{{timeDiff::then::now}}", "Invalid date"),
        # chance
        ("{{random::a::b}} {{random:a,b}} {{random a , b}} {{random:a::b}} {{random}}", "b b b b "),
        (r"{{random:a\,b}}", "a,b"),
        ("{{roll:6}} {{roll d6}} {{roll::2d6+1}} {{roll:2d6-1}} {{roll:x}} {{roll:0d0}}", "4 4 9 7  "),
        # text
        ("a{{newline}}b{{newline::2}}c{{space::2}}d", "a\nb\n\nc  d"),
        ("a\n\n{{trim}}\r\n\nb", "ab"),
        ("{{trim}}\n  x\n{{/trim}}", "x"),
        ("{{// note {{user}} }}{{comment: x}}{{//}} long {{///}}{{hidden_key:k}}{{noop}}|", "|"),
        ("{{reverse:ab{{user}}}} {{reverse::a::b}}", "oBba {{reverse::a::b}}"),
        ('{{banned "word"}}|{{isMobile}}|{{hasExtension::x}}', "|false|false"),
        ("{{model}} {{maxPrompt}} {{maxContext}} {{maxResponse}}", "m1 7500 8000 500"),
        # what is no macro stays
        ("{{nobody}} {{ nobody::{{user}} }}", "{{nobody}} {{ nobody::Bo }}"),
        ("{{user::x}} {{space::x}}", "{{user::x}} {{space::x}}"),
        ("{{foo}} {{user}} {{/foo}} {{/if}}", "{{foo}} Bo {{/foo}} {{/if}}"),
        ("{{foo}} {{user}} {{/foo}} {{user}} x {{/user}}", "{{foo}} Bo {{/foo}} {{user}} x {{/user}}"),
        ("{{user {{char}} }} {{char", "{{user Al }} {{char"),
        ("}}{{ { } {{}} {{{user}}} {{{{user}}}} {{1{{user}}}}", "}}{{ { } {{}} {Bo} {{Bo}} {{1Bo}}"),
        (r"\{\{user\}\} \{ \}", "{{user}} { }"),
        ('{"a": {"b": 1}} function() { return {}; }', '{"a": {"b": 1}} function() { return {}; }'),
    ],
)  # fmt: skip
def test_expansion(text: str, expected: str) -> None:
    assert expand(text, SCENE) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{if description}}D{{else}}N{{/if}}", "D"),
        ("{{if !description}}D{{else}}N{{/if}}", "N"),
        ("{{if scenario}}S{{/if}}", ""),
        ("{{if {{getvar::none}}}}a{{else}}b{{/if}}", "b"),
        ("{{if false}}a{{/if}}{{if 0}}a{{/if}}{{if OFF}}a{{/if}}{{if no}}a{{/if}}{{if !no}}b{{/if}}", "b"),
        ("{{if x}}a{{if 0}}b{{else}}c{{/if}}{{else}}d{{/if}}", "ac"),
        ("{{if x}}\n    one\n      two\n{{/if}}", "one\n  two"),
        ("{{#if x}} a {{/if}}", " a "),
        ("{{if::user::yes {{user}}{{else}}no}}", "yes Bo"),
        ("{{setvar::f::1}}{{if .f}}on{{/if}}{{if $f}}global{{/if}}", "on"),
        ("{{if x}}{{setvar::seen::1}}{{else}}{{setvar::seen::2}}{{/if}}{{getvar::seen}}", "1"),
        ("{{if x", "{{if x"),
        ("{{if x}}open", "{{if x}}open"),
        ("{{else}}", ""),
    ],
)
def test_conditions_choose_and_evaluate_only_one_branch(text: str, expected: str) -> None:
    assert expand(text, SCENE) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{setvar::n::5}}{{addvar::n::2}}{{getvar::n}}", "7"),
        ("{{incvar::n}}{{incvar::n}}{{decvar::n}}", "121"),
        ("{{setvar::s::a}}{{addvar::s::b}}{{getvar::s}}", "ab"),
        ("{{setvar::l::[]}}{{addvar::l::x}}{{getvar::l}}", '["x"]'),
        ("{{setvar::l::[1, 2]}}{{addvar::l::é}}{{incvar::l}} {{.l--}}", '[1,2,"é",1] [1,2,"é",1,-1]'),
        ("{{.o ||= 007}} {{.o}} {{.p ??= 1e2}} {{.p ??= 5}}", "007 7 1e2 100"),
        ("{{setvar::h::0x" + "f" * 300 + "}}{{addvar::h::1}}{{getvar::h}}", "Infinity"),
        ("{{setvar::n::007}}{{getvar::n}} {{setvar::n::1.50}}{{getvar::n}}", "7 1.5"),
        ("{{hasvar::n}}{{setvar::n::}}{{hasvar::n}}{{deletevar::n}}{{varexists::n}}", "falsetruefalse"),
        ("{{setglobalvar::g::1}}{{incglobalvar::g}}{{getglobalvar::g}}{{getvar::g}}", "22"),
        ("{{setvar::b}}\n  line\n    more\n{{/setvar}}{{getvar::b}}", "line\n  more"),
        ("{{.hp = 5}}{{.hp += 3}}{{.hp -= 1}}{{.hp}} {{.hp++}} {{ .hp -- }}", "7 8 7"),
        (
            "{{.hp=5}}{{.hp == 5}} {{.hp != 5}} {{.hp > 4}} {{.hp <= 4}} {{.hp >= x}}",
            "true false true false false",
        ),
        ("{{.no || {{user}}}} {{.no ?? y}} {{.no}}", "Bo y "),
        ("{{.no ||= a}}{{.no ||= b}} {{$g ??= c}}{{$g}}", "aa cc"),
        ("{{.a = 1}}{{.a ?? {{setvar::b::x}}}}{{hasvar::b}}", "1false"),
        ("{{.my-var = x y}}{{.my-var}}", "x y"),
        ("{{.a b}} {{.}} {{.1}}", "{{.a b}} {{.}} {{.1}}"),
        ("{{if {{.n > 3}}}}big{{else}}small{{/if}}", "small"),
    ],
)
def test_variables(text: str, expected: str) -> None:
    assert expand(text, SCENE, Variables()) == expected


def test_variables_belong_to_a_branch() -> None:
    start = Variables({"hp": "10"}, {"best": "3"})
    first, second = start.fork(), start.fork()
    expand("{{.hp -= 4}}{{.new = 1}}{{$best++}}", SCENE, first)
    expand("{{deletevar::hp}}", SCENE, second)
    assert first.local.all() == {"hp": "6", "new": "1"}
    assert second.local.all() == {}
    assert start.local.all() == {"hp": "10"}
    assert first.delta() == VariableDelta({"hp": "6", "new": "1"}, {"best": "4"})
    assert second.delta() == VariableDelta({"hp": None})
    path = [VariableDelta({"hp": "10", "x": "1"}), VariableDelta({"hp": None, "y": "2"})]
    along = Variables.along(path, {"best": "4"})
    assert along.local.all() == {"x": "1", "y": "2"}
    assert not along.delta()


def test_what_is_inserted_is_not_read_again() -> None:
    scene = MacroContext(user="{{char}}", char="Al", chat=(ChatMessage("Al", "{{setvar::a::1}}{{trim}}"),))
    variables = Variables()
    assert expand("{{user}} {{lastMessage}}", scene, variables) == "{{char}} {{setvar::a::1}}{{trim}}"
    assert not variables.delta()


def test_card_fields_may_name_each_other_but_not_forever() -> None:
    scene = MacroContext(char="Al", description="[{{personality}}]", personality="<{{description}}|{{char}}>")
    assert expand("{{description}}", scene) == "[<|Al>]"
    built = expand_fields(scene)
    assert built.description == "[<|Al>]"
    assert expand("{{description}}", built) == "[<|Al>]"


def test_unknown_macros_are_named_and_can_be_hidden() -> None:
    text = "a {{asset::x}} {{user}} {{img::y}} {{asset::z}} {{#when::c}}body{{/when}}"
    result = expand_all(text, SCENE)
    assert result.text == "a {{asset::x}} Bo {{img::y}} {{asset::z}} {{#when::c}}body{{/when}}"
    assert result.unknown == ("asset", "img", "when")
    assert expand_all(text, SCENE, hide_unknown=True).text == "a  Bo   body"


def test_hidden_keys_are_for_the_worldbook_only() -> None:
    text = "x {{hidden_key:silver key}}y {{reverse:{{hidden_key::a::b}}}}"
    assert hidden_keys(text) == ["silver key", "a", "b"]
    assert expand(text, SCENE) == "x y "


def test_literals_are_opaque_and_values_can_be_filtered() -> None:
    text = "{{setvar::a::" + literal_token(0) + "}}{{user}}" + literal_token(1)
    variables = Variables()
    result = expand(text, SCENE, variables, literals=("{{char}}::x", "{{user}}"), value_filter=str.upper)
    assert result == "BO{{user}}"
    assert variables.local.raw("a") == "{{char}}::x"


def test_a_pick_is_stable_in_its_place() -> None:
    text = "{{pick::a::b::c::d::e::f}} {{pick::a::b::c::d::e::f}}"
    once = expand(text, SCENE)
    assert expand(text, SCENE) == once
    others = {expand(text, MacroContext(chat_id=str(number))) for number in range(20)}
    assert len(others) > 1
    assert any(first != second for first, second in (each.split() for each in others))


def test_random_draws_from_the_injected_source() -> None:
    draws = iter([0.0, 0.99, 0.5])
    apply = expander(MacroContext(random=lambda: next(draws)))
    assert apply("{{random::a::b::c}}{{random::a::b::c}}{{roll:10}}") == "ac6"


@pytest.mark.parametrize(
    "text",
    [
        "{{reverse:" * 10_000 + "a" + "}}" * 10_000,
        "{{if 1}}" * 10_000 + "a" + "{{/if}}" * 10_000,
        "{{setvar::x::" * 10_000 + "a" + "}}" * 10_000,
        "{{" * 20_000,
        "}}" * 20_000,
        "{{" * 10_000 + "}}" * 10_000,
        "{{/if}}" * 10_000 + "{{else}}" * 10_000,
        "{{a::" * 20_000,
        "{{random::" + "a::" * 20_000 + "}}",
        "{{.a = " * 10_000 + "}}" * 10_000,
    ],
)
def test_hostile_nesting_is_harmless(text: str) -> None:
    assert len(expand(text, SCENE)) <= len(text)


def test_output_is_limited() -> None:
    bomb = "{{setvar::a::xxxxxxxx}}" + "{{setvar::a::{{getvar::a}}{{getvar::a}}}}" * 60 + "{{getvar::a}}"
    variables = Variables()
    assert len(expand(bomb, SCENE, variables)) <= MAX_OUTPUT + len(bomb)
    assert len(variables.local.raw("a") or "") <= 2 * MAX_OUTPUT


@settings(max_examples=100)
@given(st.text(alphabet=st.sampled_from("{}:.$!#/\\|=+-?<> \nifelsuvargtrm1龙"), max_size=60))
def test_nothing_raises(text: str) -> None:
    expand(text, SCENE, Variables())


pieces = st.sampled_from(
    [
        *(
            "{{",
            "}}",
            "::",
            "user",
            "{{user}}",
            "{{if .a}}",
            "{{else}}",
            "{{/if}}",
            "{{.a=1}}",
            "{{setvar::a}}",
        ),
        *("{{/setvar}}", "{{trim}}", "{{//", "\n", "{{#if", "{{!", "<USER>", " ", "{{/trim}}", "{{/user}}"),
    ]
)


@settings(max_examples=100)
@given(st.lists(pieces, max_size=20))
def test_no_mixture_of_blocks_raises_or_leaves_marks(parts: list[str]) -> None:
    result = expand("".join(parts), SCENE, Variables())
    assert not {"\ufdd0", "\ufdd1"} & set(result)


@settings(max_examples=100)
@given(st.text(alphabet=st.characters(exclude_characters="{}<\\\ufdd0\ufdd1"), max_size=60))
def test_text_without_braces_is_unchanged(text: str) -> None:
    assert expand(text, SCENE) is text


@settings(max_examples=100)
@given(st.text(alphabet=st.characters(exclude_characters="\ufdd0\ufdd1"), max_size=20))
def test_a_stored_value_comes_back(text: str) -> None:
    variables = Variables({"v": text})
    number = to_number(text)
    expected = text if number is None or not text.strip() else format_number(number)
    assert expand("[{{getvar::v}}]", SCENE, variables) == f"[{expected}]"


@pytest.mark.parametrize(
    ("text", "number"),
    [("0x10", "16"), ("1e3", "1000"), ("-0.50", "-0.5"), ("1e21", "1e+21"), ("1e-7", "1e-7"),
     ("0.000001", "0.000001"), (".5", "0.5"), ("Infinity", "Infinity")],
)  # fmt: skip
def test_numbers_are_written_as_ecmascript_writes_them(text: str, number: str) -> None:
    value = to_number(text)
    assert value is not None
    assert format_number(value) == number


def test_moment_tokens() -> None:
    moment = datetime(2026, 11, 3, 0, 7, 5, 120_000, tzinfo=UTC)
    assert format_moment(moment, "YYYY YY M MM MMM MMMM D Do DD DDD dddd ddd dd d") == (
        "2026 26 11 11 Nov November 3 3rd 03 307 Tuesday Tue Tu 2"
    )
    assert format_moment(moment, "H HH h hh k kk m mm s ss SSS A a Z ZZ X") == (
        "0 00 12 12 24 24 7 07 5 05 120 AM am +00:00 +0000 1793664425"
    )
    assert format_moment(moment, "LT|LTS|L|l|LL|ll|LLL|LLLL|Q|W|w|E|GGGG") == (
        "12:07 AM|12:07:05 AM|11/03/2026|11/3/2026|November 3, 2026|Nov 3, 2026|"
        "November 3, 2026 12:07 AM|Tuesday, November 3, 2026 12:07 AM|4|45|45|2|2026"
    )
    assert format_moment(moment, "[YYYY] 年 xyz?", "en").startswith("YYYY 年 ")
    assert format_moment(moment, "LL dddd A h", "zh") == "2026年11月3日 星期二 凌晨 12"


def test_durations_in_words() -> None:
    spoken = [humanize(timedelta(**each)) for each in (
        {"seconds": 30}, {"seconds": 50}, {"minutes": 3}, {"minutes": 50}, {"hours": 5}, {"hours": 23},
        {"days": 3}, {"days": 28}, {"days": 90}, {"days": 400}, {"days": 1000},
    )]  # fmt: skip
    assert spoken == [
        "a few seconds", "a minute", "3 minutes", "an hour", "5 hours", "a day", "3 days", "a month",
        "3 months", "a year", "3 years",
    ]  # fmt: skip
    assert humanize(timedelta(hours=2), "zh", suffix=True) == "2 小时后"


@given(
    st.lists(
        st.sampled_from(
            [
                "{{user}}",
                "{{CHAR}}",
                "<bot>",
                "<User>",
                "{",
                "}",
                "{{",
                "}}",
                "user",
                "<",
                ">",
                "\\",
                "\n",
                " é",
            ]
        ),
        max_size=12,
    )
)
def test_texts_with_names_alone_come_out_as_from_the_parser(parts: list[str]) -> None:
    text = "".join(parts)
    slow = replace(SCENE, extra={**SCENE.extra, "user": SCENE.user})
    assert expand(text, SCENE) == expand(text, slow)
