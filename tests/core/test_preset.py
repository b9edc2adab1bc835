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
