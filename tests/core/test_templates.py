"""Templates by themselves: what a file is, what old ones mean, story strings, cleaning, choice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lunalux_core.config.paths import Paths
from lunalux_core.dialogue.text_reply import ReplyCut, cleaned_reply
from lunalux_core.dialogue.text_templates import regex_matches
from lunalux_core.errors import InvalidInput, LunaluxError, NotFound
from lunalux_core.library import Library
from lunalux_core.library.templates import StoredTemplate, named_like
from lunalux_core.templates.cleanup import Cleaning, clean_reply, to_sentence_end
from lunalux_core.templates.handlebars import parse
from lunalux_core.templates.served import derived, produced, recognised
from lunalux_core.templates.shipped import (
    common_context,
    common_sysprompt,
    shipped_instructs,
    shipped_templates,
    story_context,
)
from lunalux_core.templates.template_activation import activated
from lunalux_core.templates.template_files import (
    TemplateDocument,
    is_master,
    kind_of,
    master_document,
    read_context,
    read_instruct,
    read_part,
    template_documents,
    with_anchors,
)
from lunalux_core.templates.template_values import KINDS, Instruct, Sampler
from lunalux_core.templates.turn_texts import Names

# -- what a file is ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        ({"name": "a", "input_sequence": "x", "output_sequence": "y"}, "instruct"),
        ({"name": "a", "input_sequence": "x", "story_string": "y", "content": "z"}, "instruct"),
        ({"name": "a", "story_string": "{{system}}"}, "context"),
        ({"name": "a", "content": "Be brief.", "post_history": ""}, "sysprompt"),
        ({"temp": 1, "top_k": 40, "top_p": 1, "rep_pen": 1}, "sampler"),
        ({"name": "a", "prefix": "<think>", "suffix": "</think>", "separator": "\n"}, "reasoning"),
        ({"content": "no name"}, None),
        ({"temperature": 1}, None),
        ([], None),
    ],
)
def test_a_file_is_known_by_its_content(document: Any, kind: str | None) -> None:
    assert kind_of(document) == kind


def test_a_master_file_brings_its_parts() -> None:
    document = {
        "instruct": {"name": "I", "input_sequence": "<u>", "output_sequence": "<a>", "later": 1},
        "context": {"name": "C", "story_string": "{{system}}"},
        "sysprompt": {"name": "S", "content": "Be brief."},
        "preset": {"temp": 1, "top_p": 1, "server_url": "http://elsewhere.example"},
        "reasoning": {"name": "R", "prefix": "<t>", "suffix": "</t>", "separator": ""},
        "srw": {"value": "Well,", "show": True},
    }
    assert is_master(document)
    parts = template_documents(document, "Mine")
    assert [(part.kind, part.name, part.bundle) for part in parts] == [
        ("instruct", "I", "Mine"),
        ("context", "C", "Mine"),
        ("sysprompt", "S", "Mine"),
        ("sampler", "Mine", "Mine"),
        ("reasoning", "R", "Mine"),
        ("srw", "Mine", "Mine"),
    ]
    assert "server_url" not in parts[3].document and "server_url" in parts[3].notes[0]
    again = master_document({part.kind: part.document for part in parts})
    del document["preset"]["server_url"]
    assert again == document


def test_what_is_no_template_is_refused() -> None:
    for document in ({}, [], "text", None, {"instruct": "no object"}):
        with pytest.raises(InvalidInput) as refused:
            template_documents(document, "x")
        assert refused.value.code == "TEMPLATE_NOT_RECOGNISED"


def test_old_fields_are_read_as_what_they_mean_today() -> None:
    old = {"input_sequence": "a", "separator_sequence": "</s>", "output_suffix": "x", "names": True}
    read = read_instruct(old)
    assert (read.output_suffix, read.names_behavior) == ("</s>", "always")
    assert read_instruct({"names": False, "names_force_groups": True}).names_behavior == "force"
    assert read_instruct({"names": False}).names_behavior == "none"
    assert read_instruct({}).names_behavior == "force"
    assert read_instruct({"wrap": "false", "macro": 0, "input_sequence": None}) == Instruct(
        wrap=False, macro=False
    )


def test_an_old_context_gets_the_places_of_notes() -> None:
    assert with_anchors("Head {{system}} tail {{trim}}") == (
        "Head {{#if anchorBefore}}{{anchorBefore}}\n{{/if}}{{system}} tail "
        "{{#if anchorAfter}}{{anchorAfter}}\n{{/if}}{{trim}}"
    )
    assert "anchorBefore" not in read_context({"story_string": "x", "story_string_position": 0}).story_string
    assert read_context({"story_string": "{{#if"}).story_string == "{{#if"


def test_a_sampler_says_it_in_our_words() -> None:
    sampler = read_part(
        "sampler",
        {
            "temp": 0.7,
            "top_k": "40",
            "rep_pen": 1.1,
            "rep_pen_range": 2048,
            "seed": -1,
            "dynatemp": False,
            "min_temp": 0.5,
            "banned_tokens": '"as an"\nrobot\n[123]',
            "dry_sequence_breakers": '["\\n", ":"]',
            "sampler_order": [6, 0, 1],
            "max_length": 8192,
            "genamt": 350,
            "temp_last": True,
        },
    )
    assert isinstance(sampler, Sampler)
    assert sampler.values == {
        "temperature": 0.7,
        "top_k": 40,
        "repeat_penalty": 1.1,
        "repeat_last_n": 2048,
        "banned_strings": ["as an", "robot"],
        "dry_sequence_breakers": ["\n", ":"],
        "sampler_order": [6, 0, 1],
        "max_tokens": 350,
    }
    assert sampler.context_tokens == 8192


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = sorted(
    {
        *Instruct.__dataclass_fields__,
        *type(common_context()).__dataclass_fields__,
        *("names", "names_force_groups", "separator_sequence", "content", "post_history", "prefix", "suffix"),
        *("value", "show", "temp", "rep_pen", "top_k", "sampler_order", "banned_tokens", "seed", "dynatemp"),
        *("instruct", "context", "sysprompt", "preset", "reasoning", "srw", "dry_sequence_breakers"),
    }
)
DOCUMENTS = st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=10), JSON, max_size=12)


@given(DOCUMENTS | JSON, st.text(max_size=20))
def test_reading_raises_nothing_but_our_own_errors(document: Any, stem: str) -> None:
    try:
        parts = template_documents(document, stem)
    except LunaluxError:
        return
    for part in parts:
        assert part.name
        read_part(part.kind, part.document)


@given(st.sampled_from(KINDS), DOCUMENTS)
def test_every_reader_reads_every_object(kind: Any, document: Mapping[str, Any]) -> None:
    read_part(kind, document, "x")


@given(DOCUMENTS)
def test_what_is_written_is_what_was_read(document: dict[str, Any]) -> None:
    """Whole files and their parts come back as they were, whatever is in them that nobody here knows."""
    try:
        parts = template_documents(document, "x")
    except InvalidInput:
        return
    if parts[0].bundle:
        again = master_document({part.kind: part.document for part in parts})
        kept = {key: value for key, value in document.items() if key in again and key != "preset"}
        assert {key: value for key, value in again.items() if key != "preset"} == kept
    elif parts[0].kind != "sampler":
        assert json.loads(json.dumps(parts[0].document)) == document


# -- the story string ----------------------------------------------------------------------------------


def rendered(text: str, **values: str) -> str:
    return parse(text).render(values, lambda name: f"[{name}]")


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("a{{x}}b", "aXb"),
        ("{{ x }}{{{x}}}{{&x}}{{this.x}}", "XXXX"),
        ("{{y}}|{{random::a::b}}|{{roll 1d6}}", "[y]|[random::a::b]|[roll 1d6]"),
        ("{{#if x}}1{{else}}2{{/if}}{{#if none}}1{{else}}2{{/if}}", "12"),
        ("{{#unless x}}1{{else}}2{{/unless}}", "2"),
        ("{{#if none}}1{{else if x}}2{{else}}3{{/if}}", "2"),
        ("{{#if none}}1{{else unless x}}2{{else}}3{{/if}}", "3"),
        ("{{#if x}}{{#if none}}1{{^}}2{{/if}}{{/if}}", "2"),
        ("{{! a note }}{{!-- with }} braces --}}x", "x"),
        ("\\{{x}} {{x}}", "{{x}} X"),
        ("\\\\{{x}}", "\\X"),
        ("\\{{a}}\\{{b}}", "{{a}}{{b}}"),
        ("a\n{{#if x}}\nb\n{{/if}}\nc", "a\nb\nc"),
        ("a\n  {{#if none}}\nb\n  {{else}}\nc\n  {{/if}}\nd", "a\nc\nd"),
        ("{{#if x}}{{x}}\n{{/if}}{{#if x}}{{x}}\n{{/if}}", "X\nX\n"),
        ("a  {{~x~}}  b", "aXb"),
        ("a {{~#if x~}} b {{~/if~}} c", "abc"),
        ("<&>{{x}}", "<&>X"),
        ("}} lone", "}} lone"),
    ],
)
def test_the_syntax_of_story_strings(text: str, result: str) -> None:
    assert rendered(text, x="X", none="") == result


@pytest.mark.parametrize(
    ("text", "line", "column", "kind"),
    [
        ("one\n  {{#if x}}", 2, 3, "open"),
        ("{{x", 1, 1, "braces"),
        ("a{{#each x}}{{/each}}", 1, 2, "unknown"),
        ("a\nb{{/if}}", 2, 2, "closing"),
        ("{{#if x}}{{/unless}}", 1, 10, "crossed"),
        ("{{else}}", 1, 1, "else"),
        ("{{#if x}}{{else}}{{else}}{{/if}}", 1, 18, "else"),
        ("{{#if}}{{/if}}", 1, 1, "field"),
        ("{{#if (eq a b)}}{{/if}}", 1, 1, "field"),
        ("{{}}", 1, 1, "empty"),
        ("x{{a{{b}}}}", 1, 5, "nested"),
        ("{{#if x}}" * 60 + "{{/if}}" * 60, 1, 451, "deep"),
    ],
)
def test_a_broken_story_string_tells_line_and_column(text: str, line: int, column: int, kind: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse(text)
    params = refused.value.params
    assert (params["line"], params["column"], params["kind"]) == (line, column, kind)
    assert f"line {line}, column {column}" in refused.value.message


@given(st.text(st.sampled_from("{}#/~!^\\&ifx \nelsunt"), max_size=60))
def test_any_text_is_a_story_string_or_says_where_it_is_not(text: str) -> None:
    try:
        parse(text).render({"x": "X"}, lambda name: "")
    except InvalidInput as error:
        assert error.code == "TEMPLATE_SYNTAX"
        assert 1 <= int(str(error.params["line"])) <= text.count("\n") + 1


# -- replies -------------------------------------------------------------------------------------------

TAGS = Instruct(input_sequence="<u>", output_sequence="<a>", stop_sequence="</end>", wrap=False)
STOPS = ("\nBob:", "</end>", "<u>", "<a>", "\nCarol:")
WORDS = st.lists(
    st.sampled_from(
        [
            *STOPS,
            "Bob:",
            "Alice:",
            "Carol:",
            "\nAlice:",
            "Hello",
            " ",
            "\n",
            "*",
            "_",
            ".",
            "<",
            "</",
            "<|endoftext|>",
        ]
    ),
    min_size=1,
    max_size=8,
).map("".join)
CLEANING = st.builds(
    Cleaning,
    names=st.sampled_from([Names("Bob", "Alice"), Names("Bob", "Alice", ("Alice", "Carol")), Names("", "")]),
    stops=st.sampled_from([(), STOPS, ("\n",), ("H", "Hello")]),
    instruct=st.sampled_from([None, TAGS]),
    impersonate=st.booleans(),
    own_names=st.booleans(),
    others_names=st.booleans(),
    char_lines=st.booleans(),
    group_lines=st.booleans(),
    trim=st.booleans(),
    whole_sentences=st.booleans(),
    collapse=st.booleans(),
    fix_marks=st.booleans(),
)


@settings(max_examples=300)
@given(WORDS | st.text(min_size=1), CLEANING)
def test_cleaning_never_makes_a_reply_empty(reply: str, how: Cleaning) -> None:
    result = clean_reply(reply, how)
    assert result.text
    assert bool(result.text.strip()) or not reply.strip()
    assert result.kept or result.text.strip() or not reply.strip()


@settings(max_examples=300)
@given(st.lists(WORDS | st.text(min_size=1, max_size=6), min_size=1, max_size=6), CLEANING, st.booleans())
def test_a_streamed_reply_never_becomes_empty_and_does_not_depend_on_its_pieces(
    pieces: list[str], how: Cleaning, going_on: bool
) -> None:
    cut = ReplyCut(how)
    streamed = "".join(map(cut.feed, pieces)) + cut.flush()
    at_once = ReplyCut(how)
    assert at_once.feed("".join(pieces)) + at_once.flush() == streamed
    text, _ = cleaned_reply(streamed, how, going_on=going_on)
    whole = "".join(pieces)
    assert bool(text.strip()) == bool(streamed.strip()) == bool(whole.strip())


def test_a_reply_is_cut_where_somebody_else_begins() -> None:
    cut = ReplyCut(Cleaning(Names("Bob", "Alice"), STOPS, TAGS))
    shown = [cut.feed(one) for one in ("The lamp ", "burns.\nBo", "at and ", "oar.\nBob", ": Oh", " more")]
    assert shown == ["The lamp ", "burns.", "\nBoat and ", "oar.", "", ""]
    assert cut.over and cut.flush() == ""


def test_one_sign_at_the_end_is_no_stop_string() -> None:
    cut = ReplyCut(Cleaning(Names("Bob", "Alice"), STOPS, TAGS))
    assert cut.feed("I love you <") == "I love you "
    assert cut.flush() == "<"
    cut = ReplyCut(Cleaning(Names("Bob", "Alice"), STOPS, TAGS))
    assert cut.feed("The end.</en") + cut.flush() == "The end."


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("One. Two", "One."),
        ("灯亮了。她说", "灯亮了。"),
        ("Good 😀 and", "Good 😀"),
        ('"Yes," she said. "But', '"Yes," she said.'),
        ("no end at all  ", "no end at all"),
        ("", ""),
    ],
)
def test_a_reply_up_to_its_last_whole_sentence(text: str, whole: str) -> None:
    assert to_sentence_end(text) == whole


# -- choice and our own set ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("bartowski/Meta-Llama-3.1-8B-Instruct-GGUF", "Llama 3"),
        ("mistral-nemo-instruct-2407", "Mistral"),
        ("gemma-3-12b-it", "Gemma"),
        ("Qwen3-8B", "ChatML"),
        ("c4ai-command-r-v01", "Command-R"),
        ("Phi-4-mini-instruct", "Phi"),
        ("phi-4-Q4_K_M", "Phi 4"),
        ("DeepSeek-V3", "DeepSeek"),
        ("GLM-4.5-Air", "GLM"),
        ("vicuna-13b-v1.5", "Vicuna"),
        ("MythoMax-L2-13b", "Alpaca"),
        ("gpt2", None),
    ],
)
def test_our_own_set_knows_the_common_models(model: str, name: str | None) -> None:
    with regex_matches() as matches:
        found = activated(model, shipped_instructs(), matches)
    assert (found.name if found else None) == name


def test_a_pattern_that_never_ends_chooses_nothing() -> None:
    slow = Instruct("slow", activation_regex="/(a+)+$/")
    broken = Instruct("broken", activation_regex="/(/")
    with regex_matches() as matches:
        assert activated("a" * 40 + "!", [slow, broken], matches) is None
        assert activated("aa", [broken, slow], matches) == slow


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("/MIS/gi", True),
        ("mis", True),
        ("/mis/q", False),
        ("/mis/ii", False),
        ("/mis/x", False),
        ("/(?<first>m)\\w+/s", True),
        ("", False),
        ("/", False),
    ],
)
def test_expressions_are_read_as_they_are_written_there(expression: str, found: bool) -> None:
    one = Instruct("one", activation_regex=expression)
    with regex_matches() as matches:
        assert (activated("mistral", [one], matches) is one) == found


def test_our_own_set_is_whole() -> None:
    names = [template.name for template in shipped_templates()]
    assert names == [
        *("Llama 3", "Mistral", "Gemma", "Command-R", "Phi", "Phi 4", "DeepSeek", "GLM", "Vicuna", "Alpaca"),
        *("ChatML", "Story"),
    ]
    for context in (common_context(), story_context()):
        assert parse(context.story_string).render({"system": "S"}, lambda name: "").strip() == "S"
    assert "{{char}}" in common_sysprompt("en").content and "{{char}}" in common_sysprompt("zh").content


@pytest.mark.parametrize("one", shipped_instructs(), ids=lambda one: one.name)
def test_a_servers_template_is_recognised_by_what_it_produces(one: Instruct) -> None:
    assert recognised(produced(one), shipped_instructs()) == one
    assert recognised("<s>" + produced(one), shipped_instructs()) == one
    read_off = derived(produced(one))
    assert read_off is None or produced(read_off) == produced(one)


def test_what_cannot_be_told_apart_is_not_guessed() -> None:
    assert derived("no marks of ours") is None
    assert recognised("", shipped_instructs()) is None


# -- the library ---------------------------------------------------------------------------------------


async def test_the_library_keeps_documents_as_they_are(paths: Paths) -> None:
    library = Library(paths)
    try:
        document = {"name": "Äther", "input_sequence": "<u>", "output_sequence": "", "odd": [1, {"x": None}]}
        stored, new = await library.templates.add(TemplateDocument("instruct", "Äther", document))
        again, twice = await library.templates.add(TemplateDocument("instruct", "äther", dict(document)))
        assert (new, twice, again.id) == (True, False, stored.id)
        (found,) = await library.templates.find("ÄTHER")
        assert found.document == document and found.kind == "instruct"
        await library.templates.delete(stored.id)
        with pytest.raises(NotFound):
            await library.templates.find("Äther")
    finally:
        library.close()


def test_a_name_is_found_by_its_beginning_or_a_word_of_it() -> None:
    stored = [
        StoredTemplate(str(place), "instruct", name, "", {})
        for place, name in enumerate(["ChatML", "Llama 3 Instruct", "Llama 2 Chat"])
    ]
    assert named_like(stored, "chat")[0].name == "ChatML"
    assert named_like(stored, "instruct")[0].name == "Llama 3 Instruct"
    assert named_like(stored, "2")[0].id == "2"
    with pytest.raises(NotFound) as unknown:
        named_like(stored, "Llama")
    assert "Llama 2 Chat" in unknown.value.hint and "Llama 3 Instruct" in unknown.value.hint
