"""Presets: what is read from files, what is refused, and that nothing is lost on the way back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lunalux_core.cards.file_kind import FileKind, recognise_document
from lunalux_core.errors import InvalidInput, LimitExceeded
from lunalux_core.presets.document import (
    DEFAULT_ORDER,
    OrderEntry,
    parse_preset,
    preset_document,
    read_preset,
    set_content,
    set_enabled,
)


def preset_of(**document: Any) -> Any:
    return read_preset({"prompts": [], **document}, "test").preset


def test_a_real_preset_comes_back_as_it_was(shared: Path) -> None:
    path = shared / "cards" / "other" / "preset_Default.json"
    preset, notes = parse_preset(path.read_bytes(), "Default")
    assert preset_document(preset) == json.loads(path.read_text("utf-8"))
    assert notes == ()
    assert (preset.name, preset.source, preset.assembly) == ("Default", "sillytavern", "sillytavern")
    assert [one.identifier for one in preset.order][:3] == ["main", "worldInfoBefore", "personaDescription"]
    assert len(preset.order) == 12 and not dict(preset.order)["enhanceDefinitions"]
    assert preset.params.context_tokens == 4095
    assert preset.params.sampling.max_tokens == 300
    assert preset.params.sampling.temperature == 1
    assert preset.params.scenario_format.startswith("[Circumstances")
    assert preset.prompt("chatHistory").marker  # type: ignore[union-attr]


def test_neutral_samplers_of_other_servers_are_not_sent() -> None:
    sampling = preset_of(top_k=0, repetition_penalty=1, temperature="0.7").params.sampling
    assert (sampling.top_k, sampling.repeat_penalty, sampling.temperature) == (None, None, 0.7)
    sampling = preset_of(top_k=40, repetition_penalty=1.1, top_p=0.9).params.sampling
    assert (sampling.top_k, sampling.repeat_penalty, sampling.top_p) == (40, 1.1, 0.9)


def test_the_list_of_100001_counts_and_no_other() -> None:
    dummy = {"character_id": 100000, "order": [{"identifier": "nsfw", "enabled": True}]}
    ours = {
        "character_id": "100001",
        "order": [
            {"identifier": "jailbreak", "enabled": True},
            {"identifier": "main", "enabled": False},
            {"identifier": "jailbreak", "enabled": False},
            "noise",
        ],
    }
    assert preset_of(prompt_order=[dummy, ours]).order == (("jailbreak", True), ("main", False))
    assert preset_of(prompt_order=[dummy]).order == DEFAULT_ORDER
    assert preset_of().order == DEFAULT_ORDER
    assert OrderEntry("enhanceDefinitions", False) in DEFAULT_ORDER


def test_a_preset_chooses_no_server_and_brings_no_key() -> None:
    document = {
        "prompts": [],
        "reverse_proxy": "https://collector.example/v1",
        "proxy_password": "hunter2",
        "custom_url": "https://collector.example",
        "custom_include_headers": "Authorization: x",
        "custom_model": "",
        "api_key_openai": "sk-123",
        "vertexai_base_url": "https://collector.example",
        "temperature": 0.5,
    }
    preset, notes = read_preset(document, "sly")
    kept = json.dumps(preset_document(preset))
    for secret in ("collector", "hunter2", "Authorization", "sk-123"):
        assert secret not in kept
    assert preset_document(preset) == {"prompts": [], "custom_model": "", "temperature": 0.5}
    assert len(notes) == 1 and "reverse_proxy" in notes[0] and "custom_include_headers" in notes[0]
    assert "hunter2" not in notes[0]


def test_prompt_fields_are_read_with_their_defaults() -> None:
    preset = preset_of(
        prompts=[
            {"identifier": "a", "content": "A"},
            {"identifier": "a", "content": "second"},
            {
                "identifier": "b",
                "role": 2,
                "injection_position": 1,
                "injection_depth": "2",
                "injection_order": 5,
                "injection_trigger": ["continue"],
                "forbid_overrides": True,
            },
            {"name": "no identifier"},
            None,
        ]
    )
    first, second = preset.prompts
    assert (first.content, first.role, first.depth, first.order, first.absolute) == (
        "A",
        "system",
        4,
        100,
        False,
    )
    assert (second.role, second.depth, second.order, second.absolute) == ("assistant", 2, 5, True)
    assert second.runs_on("continue") and not second.runs_on("normal")
    assert second.forbid_overrides


def test_a_preset_from_before_prompts_were_a_list() -> None:
    document = {"temperature": 1, "openai_max_context": 2000, "main_prompt": "M", "jailbreak_prompt": "J"}
    preset = read_preset(document, "old").preset
    assert preset.prompt("main").content == "M"  # type: ignore[union-attr]
    assert preset.prompt("jailbreak").content == "J"  # type: ignore[union-attr]
    assert preset.prompt("chatHistory").marker  # type: ignore[union-attr]


def test_what_the_prompt_manager_exports_is_a_preset() -> None:
    prompts = [{"identifier": "main", "name": "Main", "content": "M"}, {"identifier": "x", "content": "X"}]
    order = [{"identifier": "x", "enabled": True}, {"identifier": "main", "enabled": False}]
    document = {"version": 1, "type": "full", "data": {"prompts": prompts, "prompt_order": order}}
    preset = read_preset(document, "p").preset
    assert [(entry.identifier, entry.enabled) for entry in preset.order] == [("x", True), ("main", False)]
    assert {prompt.identifier: prompt.content for prompt in preset.prompts} == {"main": "M", "x": "X"}
    assert recognise_document(document) is FileKind.PRESET


def test_settings_without_prompts_are_recognised_as_a_preset() -> None:
    document = {"temperature": 0.9, "openai_max_context": 8000, "chat_completion_source": "openai"}
    assert recognise_document(document) is FileKind.PRESET and read_preset(document, "p").preset.prompts
    novelai = {"temperature": 1.3, "top_p": 0.9, "phrase_rep_pen": "aggressive"}
    assert recognise_document(novelai) is FileKind.NOVELAI
    with pytest.raises(InvalidInput):
        read_preset(novelai, "p")


def test_a_narratium_export_is_recognised_by_its_groups() -> None:
    document = {
        "prompts": [
            {"identifier": "main", "name": "Main", "content": "one", "group": 1, "enabled": True},
            {"identifier": "nsfw", "name": "Aux", "content": "two", "group": 2, "enabled": False},
            {"identifier": "x", "name": "X", "content": "three", "group": 2, "enabled": True},
        ]
    }
    preset = read_preset(document, "frame").preset
    assert (preset.assembly, preset.source) == ("narratium", "user")
    assert preset.order == (("nsfw", False), ("x", True))
    changed = set_enabled(preset, "nsfw", True)
    assert changed.assembly == "narratium"
    assert changed.order == (("nsfw", True), ("x", True))


def test_scripts_of_a_preset_are_handed_on() -> None:
    scripts = [{"scriptName": "s", "findRegex": "/a/g"}]
    assert preset_of(extensions={"regex_scripts": scripts}).regex_scripts == tuple(scripts)


def test_edits_touch_only_what_they_name() -> None:
    document = {
        "prompts": [{"identifier": "main", "content": "old", "x": 1}, {"identifier": "own", "content": ""}],
        "prompt_order": [
            {"character_id": 100000, "order": []},
            {"character_id": 100001, "order": [{"identifier": "main", "enabled": True}], "y": 2},
        ],
        "unknown": {"deep": [1]},
    }
    preset = read_preset(document, "p").preset
    changed = set_enabled(set_enabled(set_content(preset, "main", "new"), "own", True), "main", False)
    assert changed.order == (("main", False), ("own", True))
    written = preset_document(changed)
    assert written["prompts"][0] == {"identifier": "main", "content": "new", "x": 1}
    assert written["prompt_order"][0] == {"character_id": 100000, "order": []}
    assert written["prompt_order"][1]["y"] == 2
    assert written["unknown"] == {"deep": [1]}
    assert preset_document(preset) == document
    with pytest.raises(InvalidInput) as refused:
        set_content(preset, "nobody", "")
    assert refused.value.code == "PROMPT_NOT_FOUND"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "PRESET_BAD_JSON"),
        (b'{"prompts": [}', "PRESET_BAD_JSON"),
        (b'{"prompts": [], "temperature": NaN}', "PRESET_BAD_JSON"),
        (b"[1]", "PRESET_NOT_RECOGNISED"),
        (b'{"name": "x", "first_mes": "hi"}', "PRESET_NOT_RECOGNISED"),
        (b'{"temp": 1, "rep_pen": 1.1}', "PRESET_NOT_RECOGNISED"),
    ],
)
def test_other_files_are_refused(data: bytes, code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_preset(data, "x")
    assert refused.value.code == code
    assert refused.value.hint


def test_hostile_nesting_is_refused() -> None:
    with pytest.raises(LimitExceeded):
        parse_preset(b'{"prompts":' + b"[" * 5000 + b"]" * 5000 + b"}", "x")


def test_a_byte_order_mark_is_no_problem() -> None:
    assert parse_preset(b"\xef\xbb\xbf" + b'{"prompts": []}', "x").preset.prompts == ()


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)
PROMPT_KEYS = ("identifier", "name", "role", "content", "marker", "injection_position", "injection_depth")
OTHER_KEYS = ("prompt_order", "extensions", "temperature", "openai_max_context", "wi_format", "top_k")
PROMPT_KEYS = ("identifier", "name", "role", "content", "marker", "injection_position", "injection_depth")
OTHER_KEYS = ("prompt_order", "extensions", "temperature", "openai_max_context", "wi_format", "top_k")
prompts = st.fixed_dictionaries({}, optional=dict.fromkeys(PROMPT_KEYS, values))
documents = st.fixed_dictionaries(
    {"prompts": st.lists(prompts | values, max_size=4)}, optional=dict.fromkeys(OTHER_KEYS, values)
)


@settings(max_examples=100, deadline=None)
@given(documents)
def test_any_json_reads_and_comes_back(document: dict[str, Any]) -> None:
    preset = read_preset(document, "any").preset
    assert preset_document(preset) == document
    assert read_preset(preset_document(preset), "any").preset == preset


def test_parameters_of_a_preset_are_read_and_the_rest_is_named() -> None:
    document = {
        "chat_completion_source": "openai",
        "prompts": [],
        "temperature": 0.7,
        "min_p": 0.05,
        "top_a": 0.2,
        "seed": 7,
        "n": 3,
        "reasoning_effort": "min",
        "verbosity": "low",
        "show_thoughts": False,
        "enable_web_search": True,
        "function_calling": False,
        "bias_preset_selected": "Anti-bond",
    }
    preset, notes = read_preset(document, "x")
    found = preset.params.sampling
    assert (found.min_p, found.top_a, found.seed, found.n) == (0.05, 0.2, 7, None)
    assert (found.reasoning_effort, found.verbosity, found.show_thoughts) == ("minimal", "low", False)
    told = " ".join(notes)
    assert "enable_web_search" in told and "Anti-bond" in told and "n (" in told
    assert "function_calling" not in told
    neutral, quiet = read_preset({**document, "seed": -1, "n": 1, "reasoning_effort": "auto"}, "x")
    assert (neutral.params.sampling.seed, neutral.params.sampling.reasoning_effort) == (None, None)
    assert "n (" not in " ".join(quiet)


OLD = {
    "chat_completion_source": "openai",
    "openai_max_context": 4095,
    "main_prompt": "MAIN",
    "nsfw_prompt": "SECOND",
    "jailbreak_prompt": "LAST",
}


def _sent(document: dict[str, Any]) -> list[str]:
    """The texts of a preset in the order in which they are sent."""
    preset = read_preset(document, "old").preset
    texts = (preset.prompt(entry.identifier) for entry in preset.order if entry.enabled)
    return [prompt.content for prompt in texts if prompt is not None and prompt.content]


@pytest.mark.parametrize(
    ("switches", "sent"),
    [
        ({}, ["MAIN", "SECOND", "LAST"]),
        ({"nsfw_toggle": True, "jailbreak_system": True}, ["MAIN", "SECOND", "LAST"]),
        ({"nsfw_toggle": False, "jailbreak_system": False}, ["MAIN"]),
        ({"nsfw_toggle": False, "nsfw_avoidance_prompt": "AVOID"}, ["MAIN", "AVOID", "LAST"]),
        ({"nsfw_toggle": True, "nsfw_avoidance_prompt": "AVOID"}, ["MAIN", "SECOND", "LAST"]),
        ({"nsfw_first": True, "jailbreak_system": False}, ["SECOND", "MAIN"]),
        ({"prompts": [], "jailbreak_system": False}, ["MAIN", "SECOND"]),
    ],
)
def test_an_old_preset_sends_what_its_switches_say(switches: dict[str, Any], sent: list[str]) -> None:
    assert _sent({**OLD, **switches}) == sent


def test_the_second_text_of_an_old_preset_stands_beside_the_first() -> None:
    def first_two(**switch: bool) -> list[str]:
        return [entry.identifier for entry in read_preset({**OLD, **switch}, "old").preset.order[:2]]

    assert first_two(nsfw_first=False) == ["main", "nsfw"]
    assert first_two(nsfw_first=True) == ["nsfw", "main"]
    assert first_two() == ["main", "worldInfoBefore"]


def test_what_an_old_preset_switched_off_can_be_switched_on() -> None:
    old = {**OLD, "nsfw_toggle": False, "enhance_definitions": True}
    preset, notes = read_preset(old, "old")
    changed = set_enabled(preset, "nsfw", True)
    assert ("nsfw", True) in changed.order and changed.prompt("nsfw").content == "SECOND"  # type: ignore[union-attr]
    assert any("enhance_definitions" in remark for remark in notes)


def test_newer_presets_keep_old_switches_without_a_meaning() -> None:
    listed = {"prompts": [{"identifier": "jailbreak", "content": "LAST"}], "jailbreak_system": False}
    bare = {"temperature": 1, "openai_max_context": 8000, "jailbreak_system": False}
    for document in (listed, bare):
        assert ("jailbreak", True) in read_preset(document, "new").preset.order


def test_prompts_and_their_order_in_other_shapes() -> None:
    listed = [
        {"identifier": "main", "content": "M"},
        {"identifier": "own", "content": "OWN", "role": "2"},
        {"identifier": "off", "content": "OFF"},
    ]
    order = [
        {"identifier": "own", "enabled": True},
        {"identifier": "main", "enabled": True},
        {"identifier": "off", "enabled": False},
    ]
    by_name = {"main": "M", "own": {"content": "OWN", "role": 2}, "off": {"content": "OFF"}}
    shapes = [
        {"prompts": listed, "prompt_order": [{"character_id": 100001, "order": order}]},
        {"prompts": dict(enumerate(listed)), "prompt_order": {"100001": order}},
        {"prompts": by_name, "prompt_order": order},
        {"prompts": by_name, "prompt_order": {"order": order}},
    ]
    for shape in shapes:
        document = json.loads(json.dumps(shape))
        assert recognise_document(document) is FileKind.PRESET
        preset = read_preset(document, "p").preset
        assert _sent(document) == ["OWN", "M"]
        assert preset.prompt("own").role == "assistant"  # type: ignore[union-attr]
        assert preset_document(preset) == document
        changed = set_content(set_enabled(preset, "off", True), "main", "N")
        assert _sent(preset_document(changed)) == ["OWN", "N", "OFF"]
    texts = {"prompts": {"main": "M"}, "temperature": 1, "openai_max_context": 8000}
    assert _sent(texts) == ["M"]
    assert recognise_document({"prompts": {"greeting": "hi"}}) is FileKind.UNKNOWN


RISU = {
    "name": "R",
    "mainPrompt": "MAIN",
    "jailbreak": "JB",
    "globalNote": "GN",
    "temperature": 80,
    "maxContext": 4000,
    "PresensePenalty": 70,
    "formatingOrder": ["main", "chats"],
    "promptTemplate": [{"type": "plain", "type2": "main", "text": "PT", "role": "system"}],
    "top_p": 1,
}
NOVELAI = {"presetVersion": 3, "name": "N", "parameters": {"temperature": 1, "tail_free_sampling": 0.9}}


@pytest.mark.parametrize(
    ("document", "kind", "program"),
    [(RISU, FileKind.RISU_PRESET, "RisuAI"), (NOVELAI, FileKind.NOVELAI, "NovelAI")],
)
def test_presets_of_other_programs_are_named(document: dict[str, Any], kind: FileKind, program: str) -> None:
    assert recognise_document(document) is kind
    with pytest.raises(InvalidInput) as refused:
        read_preset(document, "p")
    assert (refused.value.code, refused.value.params["kind"]) == ("PRESET_NOT_RECOGNISED", kind.value)
    assert program in refused.value.message


def test_bare_settings_are_a_preset_and_unknown_texts_are_not_lost() -> None:
    assert (
        read_preset({"name": "cold", "temperature": 0.2, "top_p": 0.5}, "p").preset.params.sampling.top_p
        == 0.5
    )
    for texts in ({"system_prompt": "S"}, {"parts": ["S"]}):
        with pytest.raises(InvalidInput):
            read_preset({"temperature": 0.2, "top_p": 0.5, **texts}, "p")
