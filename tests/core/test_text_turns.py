"""Turns of models for text completion: what each server is asked, what becomes of the reply, what is told."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from text_servers import TextServer, text_server

from lunalux_core.config.config_file import save_model
from lunalux_core.config.paths import Paths
from lunalux_core.config.settings import SavedModel, load_settings
from lunalux_core.dialogue.turn import (
    ReplyKept,
    TemplateFailed,
    TextDelta,
    TurnCompleted,
    TurnEvent,
)
from lunalux_core.errors import InvalidInput, NetworkError
from lunalux_core.importing import import_data
from lunalux_core.library.conversations import Conversation
from lunalux_core.runtime import Runtime
from lunalux_core.templates.template_files import TemplateDocument, template_documents

CARD = {
    "spec": "chara_card_v2",
    "spec_version": "2.0",
    "data": {
        "name": "Alice",
        "description": "{{char}} keeps a lighthouse.",
        "personality": "calm",
        "scenario": "A storm.",
        "first_mes": "You came, {{user}}.",
        "mes_example": "<START>\n{{user}}: Is it lit?\n{{char}}: Since dusk.",
        "system_prompt": "",
        "post_history_instructions": "",
        "character_book": {
            "entries": [
                {
                    "id": 1,
                    "keys": ["oil"],
                    "content": "The oil is whale oil.",
                    "enabled": True,
                    "insertion_order": 1,
                    "position": "before_char",
                    "extensions": {},
                },
                {
                    "id": 2,
                    "keys": ["oil"],
                    "content": "The can is half empty.",
                    "enabled": True,
                    "insertion_order": 2,
                    "extensions": {"position": 4, "depth": 0, "role": 0},
                },
            ]
        },
        "extensions": {},
    },
}
SYSTEM = {"name": "T", "content": "Play {{char}}."}
CONTEXT = {
    "name": "T",
    "story_string": "{{#if system}}{{system}}\n{{/if}}{{#if wiBefore}}{{wiBefore}}\n{{/if}}{{description}}\n"
    "{{trim}}",
    "story_string_position": 0,
}
CHATML = {
    "name": "T",
    "input_sequence": "<|im_start|>user\n",
    "output_sequence": "<|im_start|>assistant\n",
    "system_sequence": "<|im_start|>system\n",
    "input_suffix": "<|im_end|>\n",
    "output_suffix": "<|im_end|>\n",
    "system_suffix": "<|im_end|>\n",
    "story_string_prefix": "<|im_start|>system\n",
    "story_string_suffix": "<|im_end|>\n",
    "stop_sequence": "<|im_end|>",
    "wrap": False,
}
MASTER = {"instruct": CHATML, "context": CONTEXT, "sysprompt": SYSTEM}


@asynccontextmanager
async def opened(
    paths: Paths, server: TextServer, document: dict[str, Any] | None = MASTER, **config: Any
) -> AsyncIterator[tuple[Runtime, Conversation]]:
    """A library with Alice and a model for text completion on that server, with the template T."""
    values: dict[str, Any] = {"template": "T" if document else "", "mode": "text", **config}
    save_model(
        paths.config_file, SavedModel("local", "openai", values.pop("model", "m"), server.url, **values)
    )
    settings = load_settings(
        paths, {"LUNALUX_LANG": "en"}, flags={"chat.model": "local", "chat.user_name": "Bob"}
    )
    async with Runtime.open(settings) as runtime:
        for one in template_documents(document, "T") if document else ():
            await runtime.library.templates.add(one)
        result = await import_data(runtime.library, paths, json.dumps(CARD).encode(), "alice.json")
        yield runtime, await runtime.chat.start(result.id)


async def collect(events: AsyncIterator[TurnEvent]) -> list[TurnEvent]:
    return [event async for event in events]


def completed(events: list[TurnEvent]) -> TurnCompleted:
    assert isinstance(events[-1], TurnCompleted)
    return events[-1]


STORY = (
    "<|im_start|>system\nPlay Alice.\nThe oil is whale oil.\nAlice keeps a lighthouse.<|im_end|>\n"
    "<|im_start|>user\nBob: Is it lit?<|im_end|>\n<|im_start|>assistant\nSince dusk.<|im_end|>\n"
)
HISTORY = (
    "<|im_start|>assistant\nYou came, Bob.<|im_end|>\n<|im_start|>user\nI brought oil.<|im_end|>\n"
    "<|im_start|>system\nThe can is half empty.<|im_end|>\n"
)
PROMPT = STORY + HISTORY + "<|im_start|>assistant\n"


@pytest.mark.parametrize(
    ("kind", "path", "prompt", "stops", "most"),
    [
        ("llamacpp", "/completion", "prompt", "stop", "n_predict"),
        ("koboldcpp", "/api/extra/generate/stream", "prompt", "stop_sequence", "max_length"),
        ("generic", "/v1/completions", "prompt", "stop", "max_tokens"),
    ],
)
async def test_a_turn_is_one_text_on_every_server(
    paths: Paths, kind: Any, path: str, prompt: str, stops: str, most: str
) -> None:
    """The card, its worldbook at both places, examples and history, in the server's own words."""
    async with text_server(kind, pieces=["The lamp", " burns.", "\nBo", "b: Oh"]) as server:
        async with opened(paths, server) as (runtime, place):
            events = await collect(runtime.chat.send(place.id, "I brought oil."))
        ((asked_path, body),) = server.asked
        assert asked_path == path
        assert body[prompt] == PROMPT
        assert body[stops] == [
            "\nBob:",
            "<|im_end|>",
            "<|im_start|>user",
            "<|im_start|>assistant",
            "<|im_start|>system",
        ]
        assert body[most] == 1024 and body["temperature"] == 1.0
        result = completed(events)
        assert result.text == "The lamp burns."
        assert "".join(e.text for e in events if isinstance(e, TextDelta)) == "The lamp burns."


async def test_what_is_shown_is_what_is_sent(paths: Paths) -> None:
    async with text_server("llamacpp") as server, opened(paths, server) as (runtime, place):
        prompt = await runtime.chat.previews.prompt(place.id, "I brought oil.")
        assert prompt.text == PROMPT and server.asked == []
        await collect(runtime.chat.send(place.id, "I brought oil."))
        assert server.asked[0][1]["prompt"] == prompt.text
        assert prompt.form is not None and prompt.form.template == "T"
        assert {message.slot for message in prompt.messages} >= {
            "storyString",
            "dialogueExamples",
            "lastLine",
        }
        record = completed(await collect(runtime.chat.send(place.id, "And?"))).report
        assert record["template"] == "T"


async def test_continue_goes_on_from_the_open_turn(paths: Paths) -> None:
    async with (
        text_server("llamacpp", pieces=["The lamp "]) as server,
        opened(paths, server) as (runtime, place),
    ):
        first = completed(await collect(runtime.chat.send(place.id, "I brought oil.")))
        assert first.text == "The lamp"
        server.pieces = [" burns", " on.<|im_end|>"]
        await collect(runtime.chat.continue_(place.id))
        messages = await runtime.library.conversations.page(place.id)
    body = server.asked[1][1]
    assert body["prompt"] == STORY + HISTORY + "<|im_start|>assistant\nThe lamp"
    assert messages[-1].content == "The lamp burns on."


async def test_impersonate_writes_for_the_person(paths: Paths) -> None:
    async with (
        text_server("llamacpp", pieces=["Bob", ": I will", " climb.\nAlice: Good."]) as server,
        opened(paths, server) as (runtime, place),
    ):
        server.pieces = ["Bob: I will", " climb.\nAlice: Good."]
        events = await collect(runtime.chat.impersonate(place.id))
    body = server.asked[0][1]
    assert body["prompt"].endswith("You came, Bob.<|im_end|>\n<|im_start|>user\n")
    assert "\nAlice:" in body["stop"]
    assert completed(events).text == "I will climb."


async def test_a_group_names_its_members(paths: Paths) -> None:
    async with (
        text_server("llamacpp", pieces=["Alice: Yes.", "\nCarol: No."]) as server,
        opened(paths, server) as (runtime, place),
    ):
        carol = {**CARD, "data": {**CARD["data"], "name": "Carol"}}  # type: ignore[dict-item]
        result = await import_data(runtime.library, paths, json.dumps(carol).encode(), "carol.json")
        alice = place.character_id
        group = await runtime.library.groups.create("Keepers", [alice, result.id])
        talk = await runtime.chat.start_group(group.id)
        from lunalux_core.dialogue.turn import TurnOptions

        await collect(runtime.chat.send(talk.id, "Who is there?", TurnOptions(speaker="Alice")))
        messages = await runtime.library.conversations.page(talk.id)
    body = server.asked[0][1]
    assert body["prompt"].endswith("<|im_start|>user\nWho is there?<|im_end|>\n<|im_start|>assistant\nAlice:")
    assert "<|im_start|>assistant\nCarol: You came" in body["prompt"]
    assert "\nCarol:" in body["stop"]
    assert messages[-1].content == "Yes."


async def test_the_server_is_told_to_stop_at_a_stop_string_it_ignores(paths: Paths) -> None:
    pieces = ["Yes.", "<|im_end|>", "\n<|im_start|>user\n", *(["and so on "] * 2000)]
    async with (
        text_server("generic", pieces=pieces, pause=0.01) as server,
        opened(paths, server) as (runtime, place),
    ):
        events = await collect(runtime.chat.send(place.id, "Hm?"))
        await server.left.wait()
    assert completed(events).text == "Yes."


async def test_a_template_that_does_not_parse_tells_where_and_the_chat_template_is_used(paths: Paths) -> None:
    broken = {**MASTER, "context": {"name": "T", "story_string": "Fine\n  {{#if system}}{{system}}"}}
    async with text_server("llamacpp") as server, opened(paths, server, broken) as (runtime, place):
        events = await collect(runtime.chat.send(place.id, "I brought oil."))
    (failed,) = [event for event in events if isinstance(event, TemplateFailed)]
    assert isinstance(failed.error, InvalidInput)
    assert (failed.error.code, failed.error.params["line"], failed.error.params["column"]) == (
        "TEMPLATE_SYNTAX",
        2,
        3,
    )
    assert "line 2, column 3" in failed.error.message
    assert server.asked[0][0] == "/v1/chat/completions" and "messages" in server.asked[0][1]
    assert completed(events).text == "The lamp burns."


async def test_a_template_that_is_gone_is_told(paths: Paths) -> None:
    async with (
        text_server("generic") as server,
        opened(paths, server, None, template="Gone") as (runtime, place),
    ):
        events = await collect(runtime.chat.send(place.id, "Hm?"))
    (failed,) = [event for event in events if isinstance(event, TemplateFailed)]
    assert failed.error.code == "TEMPLATE_UNKNOWN"
    assert server.asked[0][0] == "/v1/chat/completions"


async def test_a_template_by_the_models_name(paths: Paths) -> None:
    async with (
        text_server("generic") as server,
        opened(paths, server, None, model="org/Meta-Llama-3.1-8B") as (runtime, place),
    ):
        await collect(runtime.chat.send(place.id, "I brought oil."))
        own = {"name": "Mine", "input_sequence": "<u>", "output_sequence": "<a>", "wrap": False}
        own["activation_regex"] = "/llama/i"
        await runtime.library.templates.add(TemplateDocument("instruct", "Mine", own))
        await collect(runtime.chat.send(place.id, "And?"))
    assert "<|start_header_id|>assistant<|end_header_id|>" in server.asked[0][1]["prompt"]
    assert server.asked[1][1]["prompt"].endswith("<u>And?<a>")


@pytest.mark.parametrize(
    ("written", "named"),
    [
        ("<|im_start|>{role}\n{content}<|im_end|>\n", "ChatML"),
        ("<{role}-odd>{content}</{role}-odd>\n", "server"),
    ],
)
async def test_a_template_read_off_the_server(paths: Paths, written: str, named: str) -> None:
    """A model of no known name on llama.cpp gets what the server's own template makes of the turns."""
    async with (
        text_server("llamacpp", turn_format=written) as server,
        opened(paths, server, None, model="unheard-of") as (runtime, place),
    ):
        prompt = await runtime.chat.previews.prompt(place.id, "I brought oil.")
    assert prompt.form is not None and prompt.form.template == named
    turn = written.format(role="user", content="I brought oil.")
    begun = written.partition("{content}")[0].format(role="assistant")
    assert turn in prompt.text and prompt.text.endswith(begun)
    assert written.format(role="assistant", content="You came, Bob.") in prompt.text


JINJA = """{{ bos_token }}{% for m in messages %}
    {%- if m.role not in ['system', 'user', 'assistant'] %}{{ raise_exception('role') }}{% endif %}
    {{- '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' + m.content.strip() + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"""


async def test_a_chat_template_in_jinja_is_recognised_by_what_it_produces(paths: Paths) -> None:
    """KoboldCpp shows its model's template and renders it nowhere."""
    async with (
        text_server("koboldcpp", chat_template=JINJA) as server,
        opened(paths, server, None, model="unheard-of") as (runtime, place),
    ):
        prompt = await runtime.chat.previews.prompt(place.id, "I brought oil.")
        server.chat_template = (
            "{% for x in range(10000000) %}{% for y in range(1000) %}a{% endfor %}{% endfor %}"
        )
        runtime.apply(runtime.settings)
        events = await collect(runtime.chat.send(place.id, "I brought oil."))
    assert prompt.form is not None and prompt.form.template == "Llama 3"
    (failed,) = [event for event in events if isinstance(event, TemplateFailed)]
    assert failed.error.code == "TEMPLATE_NONE" and server.asked[0][0] == "/v1/chat/completions"


async def test_a_template_that_the_server_names(paths: Paths) -> None:
    card = {"id": "unheard-of", "parameters": {"max_seq_len": 4096, "prompt_template": "chatml"}}
    async with (
        text_server("generic", model_card=card) as server,
        opened(paths, server, None, model="unheard-of") as (runtime, place),
    ):
        prompt = await runtime.chat.previews.prompt(place.id, "I brought oil.")
    assert prompt.form is not None and prompt.text.endswith("<|im_start|>assistant\n")


async def test_a_reply_that_cleaning_would_empty_stays(paths: Paths) -> None:
    async with (
        text_server("generic", pieces=["Bob: I think so."]) as server,
        opened(paths, server) as (runtime, place),
    ):
        events = await collect(runtime.chat.send(place.id, "Hm?"))
    assert completed(events).text == "Bob: I think so."
    assert any(isinstance(event, ReplyKept) for event in events)


async def test_a_server_that_is_started_later_is_asked_again(paths: Paths) -> None:
    """The first turn finds nobody; the next one, with the server there, speaks its own protocol."""
    async with text_server("llamacpp") as first:
        port = first.port
    async with opened(paths, TextServer("llamacpp", port=port)) as (runtime, place):
        with pytest.raises(NetworkError):
            await collect(runtime.chat.send(place.id, "Anybody?"))
        async with text_server("llamacpp", port=port) as server:
            await collect(runtime.chat.send(place.id, "And now?"))
    assert [path for path, _ in server.asked] == ["/completion"]


async def test_what_a_server_refuses_is_done_without(paths: Paths) -> None:
    refuse = [
        (400, {"error": {"message": "Unrecognized request argument supplied: repeat_penalty"}}),
        (400, {"error": {"message": "stop: array too long. Expected an array with maximum length 4"}}),
    ]
    async with (
        text_server("generic", refuse=refuse) as server,
        opened(paths, server, sampling={"repeat_penalty": 1.1}) as (runtime, place),
    ):
        assert completed(await collect(runtime.chat.send(place.id, "Hm?"))).text == "The lamp burns."
        await collect(runtime.chat.send(place.id, "And?"))
    first, second, third, later = (body for _, body in server.asked)
    assert "repeat_penalty" in first and "repeat_penalty" not in second
    assert len(second["stop"]) == 5 and len(third["stop"]) == 4
    assert len(later["stop"]) == 4 and "repeat_penalty" not in later


async def test_a_small_window_keeps_the_newest_turns_and_refuses_what_cannot_fit(paths: Paths) -> None:
    async with (
        text_server("generic") as server,
        opened(paths, server, context_tokens=700, sampling={"max_tokens": 100}) as (runtime, place),
    ):
        for number in range(12):
            await collect(runtime.chat.send(place.id, f"Line {number}. " + "Waves beat the rocks. " * 6))
        prompt = await runtime.chat.previews.prompt(place.id, "Still there?")
        assert prompt.report.history_dropped > 0 and prompt.text.endswith(
            "Still there?<|im_end|>\n<|im_start|>assistant\n"
        )
        assert prompt.report.total <= 600
        with pytest.raises(InvalidInput) as refused:
            await runtime.chat.previews.prompt(place.id, "Word " * 3000)
    assert refused.value.code == "PROMPT_TOO_LARGE"


async def test_a_sampler_of_the_template_counts_before_the_settings(paths: Paths) -> None:
    document = {**MASTER, "preset": {"temp": 0.7, "top_k": 40, "top_p": 0.9, "rep_pen": 1.1}}
    async with text_server("koboldcpp") as server, opened(paths, server, document) as (runtime, place):
        await collect(runtime.chat.send(place.id, "Hm?"))
    body = server.asked[0][1]
    assert (body["temperature"], body["top_k"], body["rep_pen"]) == (0.7, 40, 1.1)


async def test_a_shown_beginning_is_part_of_the_reply(paths: Paths) -> None:
    document = {**MASTER, "srw": {"value": "Well, {{user}},", "show": True}}
    async with (
        text_server("generic", pieces=[" the lamp burns."]) as server,
        opened(paths, server, document) as (runtime, place),
    ):
        events = await collect(runtime.chat.send(place.id, "Hm?"))
    assert server.asked[0][1]["prompt"].endswith("<|im_start|>assistant\nWell, Bob,")
    assert completed(events).text == "Well, Bob, the lamp burns."
    assert "".join(e.text for e in events if isinstance(e, TextDelta)) == "Well, Bob, the lamp burns."


async def test_stopping_a_turn_keeps_what_came(paths: Paths) -> None:
    async with (
        text_server("llamacpp", pieces=["One. "] * 200, pause=0.02) as server,
        opened(paths, server) as (runtime, place),
    ):
        said = ""
        async with aclosing(runtime.chat.send(place.id, "Count.")) as events:
            async for event in events:
                if isinstance(event, TextDelta):
                    said += event.text
                    if len(said) > 12:
                        break
        await server.left.wait()
        last = (await runtime.library.conversations.page(place.id))[-1]
    assert last.status == "stopped" and last.content == said


async def test_thinking_by_the_templates_own_marks(paths: Paths) -> None:
    marks = {"name": "Odd", "prefix": "[THINK]", "suffix": "[/THINK]", "separator": "\n"}
    pieces = ["[TH", "INK] She would", " nod. [/THI", "NK]\n\nYes", "."]
    async with (
        text_server("generic", pieces=pieces) as server,
        opened(paths, server, {**MASTER, "reasoning": marks}) as (runtime, place),
    ):
        result = completed(await collect(runtime.chat.send(place.id, "Hm?"))).message
        server.pieces = ["[THINK] all of it"]
        unclosed = completed(await collect(runtime.chat.send(place.id, "And?"))).message
    assert result is not None and (result.content, result.thinking.strip()) == ("Yes.", "She would nod.")
    assert unclosed is not None and unclosed.content == "all of it"


def test_a_wrong_mode_in_the_file_is_told(paths: Paths, home: Path) -> None:
    paths.config_file.parent.mkdir(parents=True, exist_ok=True)
    paths.config_file.write_text('[models.m]\nprovider = "openai"\nmodel = "m"\nmode = "prose"\n')
    settings = load_settings(paths, {})
    assert [problem.code for problem in settings.problems] == ["MODEL_MODE_INVALID"]
    assert settings.models["m"].mode == "chat"
