"""The window of a model as its server says it: asked for, learnt from refusals, and kept to."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from servers.fake import Fake, running
from servers.fake_hosted import Anthropic, Gemini, OpenRouter
from servers.fake_koboldcpp import KoboldCpp
from servers.fake_llamacpp import LlamaCpp, LlamaRouter
from servers.fake_lmstudio import LMStudio
from servers.fake_ollama import Ollama
from servers.fake_tabby import Tabby
from servers.fake_textgen import TextGen
from servers.fake_vllm import VLLM
from servers.server_world import completed, fill, opened, say

from lunalux_core.config.paths import Paths
from lunalux_core.dialogue.turn import Shortened, TextsCut
from lunalux_core.errors import LunaluxError
from lunalux_core.llm.model import ModelSpec
from lunalux_core.llm.model_registry import Registry
from lunalux_core.llm.servers.facts import ServerFacts
from lunalux_core.llm.servers.refused_window import named_window
from lunalux_core.llm.servers.reports import read_report
from lunalux_core.llm.servers.server_failures import Failures

# -- recognised by asking ----------------------------------------------------------------------------

KINDS: list[tuple[Fake, str, dict[str, Any]]] = [
    (
        LlamaCpp(2048),
        "openai",
        {"kind": "llamacpp", "window": 2048, "loaded": "m", "modalities": ("vision",), "counts": True},
    ),
    (
        KoboldCpp(8192),
        "openai",
        {"kind": "koboldcpp", "window": 8192, "loaded": "koboldcpp/m", "counts": True},
    ),
    (Ollama(131_072, loaded=4096), "openai", {"kind": "ollama", "window": 4096, "modalities": ("vision",)}),
    (Ollama(131_072), "ollama", {"window": 16_384, "loaded": ""}),
    (Ollama(2048), "ollama", {"window": 2048}),
    (LMStudio(32_768, loaded=6000), "openai", {"title": "LM Studio", "window": 6000, "loads": True}),
    (
        Tabby(12_000),
        "openai",
        {"kind": "tabby", "window": 12_000, "loaded": "m", "counts": True, "loads": True},
    ),
    (TextGen(4096), "openai", {"kind": "textgen", "loaded": "m", "counts": True, "loads": True}),
    (VLLM(10_000), "openai", {"kind": "vllm", "window": 10_000, "counts": True}),
    (OpenRouter(200_000), "openrouter", {"window": 200_000, "modalities": ("vision",)}),
    (Anthropic(190_000), "anthropic", {"window": 190_000, "counts": True}),
    (Gemini(1_000_000), "gemini", {"window": 1_000_000, "counts": True}),
]


@pytest.mark.parametrize(
    ("fake", "provider", "told"), KINDS, ids=[f"{type(one).__name__}-{kind}" for one, kind, _ in KINDS]
)
async def test_a_server_is_recognised_by_asking(fake: Fake, provider: Any, told: dict[str, Any]) -> None:
    registry = Registry(environ={})
    async with running(fake):
        spec = ModelSpec("x", provider, "m", fake.url)
        facts = await registry.look(spec)
        shown = registry.windowed(spec)
    await registry.aclose()
    assert facts is not None
    assert {name: getattr(facts, name) for name in told} == told
    assert ServerFacts.from_json(facts.as_json()) == facts
    assert (shown.context_tokens, shown.window_source) == (
        facts.window or 8192,
        "server" if facts.window else "default",
    )


async def test_a_router_is_not_made_to_load_a_model_by_being_asked() -> None:
    registry, fake = Registry(environ={}), LlamaRouter(2048)
    async with running(fake):
        held = await registry.look(ModelSpec("x", "openai", "m", fake.url))
        away = await registry.look(ModelSpec("y", "openai", "other", fake.url))
    await registry.aclose()
    assert held is not None and held.window == 2048 and held.loads
    assert away is not None and away.window is None and away.loads
    assert fake.models == {"m": True, "other": False}


async def test_a_silent_server_says_nothing_and_what_it_said_before_stays() -> None:
    registry, fake = Registry(environ={}), LlamaCpp(2048)
    async with running(fake):
        spec = ModelSpec("x", "openai", "m", fake.url)
        await registry.look(spec)
    assert await registry.look(spec) is None
    assert registry.windowed(spec).context_tokens == 2048
    await registry.aclose()


@pytest.mark.parametrize(
    "document", [[], "x", 7, {"default_generation_settings": {"n_ctx": "many"}}, {"data": 3}]
)
async def test_nonsense_is_no_window(document: Any) -> None:
    class Odd(Fake):
        def routes(self) -> dict[str, Any]:
            paths = ("props", "api/extra/version", "api/v0/models", "v1/model", "api/version", "v1/models")
            return {f"GET /{path}": lambda _: document for path in paths}

    registry, fake = Registry(environ={}), Odd()
    async with running(fake):
        facts = await registry.look(ModelSpec("x", "openai", "m", fake.url))
    await registry.aclose()
    assert facts is not None and facts.window is None


# -- who says it -------------------------------------------------------------------------------------


async def test_the_prompt_keeps_to_the_server_s_window(paths: Paths) -> None:
    fake = LlamaCpp(3000)
    async with running(fake), opened(paths, fake.url, "llamacpp") as (runtime, place):
        await fill(runtime, place, 300)
        before = (await runtime.chat.previews.prompt(place.id, "Hello")).report
        await runtime.models.look(runtime.models.resolve("local"))
        after = (await runtime.chat.previews.prompt(place.id, "Hello")).report
    assert after.budget < 3000 < before.budget
    assert after.total <= after.budget and after.history_kept < before.history_kept


async def test_a_larger_window_of_a_server_near_by_is_used_whole(paths: Paths) -> None:
    fake = LlamaCpp(40_000)
    async with running(fake), opened(paths, fake.url, "llamacpp") as (runtime, place):
        await fill(runtime, place, 400)
        await runtime.models.look(runtime.models.resolve("local"))
        whole = (await runtime.chat.previews.prompt(place.id, "Hello")).report
        runtime.apply(runtime.settings.with_value("chat.context_tokens", 6000))
        bounded = (await runtime.chat.previews.prompt(place.id, "Hello")).report
    assert whole.budget > 38_000 and whole.total > 20_000
    assert bounded.budget < 6000


async def test_a_person_s_own_number_wins(paths: Paths) -> None:
    fake = LlamaCpp(40_000)
    async with running(fake), opened(paths, fake.url, "llamacpp", context_tokens=2000) as (runtime, place):
        spec = runtime.models.resolve("local")
        await runtime.models.look(spec)
        assert runtime.models.windowed(spec).window_source == "person"
        report = (await runtime.chat.previews.prompt(place.id, "Hello")).report
    assert report.budget < 2000


def test_a_service_that_is_paid_by_the_token_is_bounded_by_the_setting(paths: Paths) -> None:
    from lunalux_core.config.settings import load_settings
    from lunalux_core.dialogue.context_window import allowed_window

    settings = load_settings(paths, {})
    cloud = ModelSpec("x", "openrouter", "m", "https://openrouter.ai/api/v1", window_source="server")
    cloud = replace(cloud, context_tokens=1_000_000)
    assert allowed_window(cloud, settings) == 8192
    assert allowed_window(replace(cloud, window_source="person"), settings) == 1_000_000
    near = replace(cloud, provider="llamacpp", base_url="http://192.168.1.5:8080/v1")
    assert allowed_window(near, settings) == 1_000_000


async def test_what_was_learnt_outlives_the_program(paths: Paths) -> None:
    fake = LlamaCpp(3000)
    async with running(fake):
        async with opened(paths, fake.url, "llamacpp") as (runtime, _):
            await runtime.models.look(runtime.models.resolve("local"))
        asked = len(fake.asked)
        async with opened(paths, fake.url, "llamacpp") as (runtime, _):
            window = runtime.models.windowed(runtime.models.resolve("local")).context_tokens
        assert (window, len(fake.asked)) == (3000, asked)


# -- learnt from a refusal ---------------------------------------------------------------------------

REFUSING: list[tuple[Fake, str]] = [
    (LlamaCpp(1500), "llamacpp"),
    (VLLM(1500), "vllm"),
    (Tabby(1500), "tabby"),
    (TextGen(1500), "textgen"),
    (LMStudio(4096, loaded=1500), "openai"),
    (OpenRouter(1500), "openrouter"),
    (Anthropic(1500), "anthropic"),
    (Gemini(1500), "gemini"),
]


@pytest.mark.parametrize(("fake", "provider"), REFUSING, ids=[type(one).__name__ for one, _ in REFUSING])
async def test_a_refusal_teaches_the_window_and_the_turn_goes_again(
    paths: Paths, fake: Fake, provider: str
) -> None:
    """Once, without a question; the next turn is right from the start."""
    async with running(fake), opened(paths, fake.url, provider) as (runtime, place):
        await fill(runtime, place, 400)
        events = await say(runtime, place)
        done = completed(events)
        assert done.text == "The lamp burns." and len(fake.chats) == 2
        (told,) = [one for one in events if isinstance(one, Shortened)]
        assert told.window == 1500
        assert done.report["shortened"]["window"] == 1500
        sent = len(fake.prompt_of(fake.chats[-1]).split())
        assert 150 < sent < 1500 and "I brought oil." in fake.prompt_of(fake.chats[-1])
        events = await say(runtime, place, "And bread.")
        assert len(fake.chats) == 3 and not any(isinstance(one, Shortened) for one in events)
        assert completed(events).report["shortened"] is None


async def test_a_second_refusal_ends_the_turn(paths: Paths) -> None:
    class Stubborn(LlamaCpp):
        def refusal(self, prompt: int, body: Any) -> Any:
            return LlamaCpp.refusal(self, 10_000, body)

    fake = Stubborn(1500)
    async with running(fake), opened(paths, fake.url, "llamacpp") as (runtime, place):
        await fill(runtime, place, 400)
        with pytest.raises(LunaluxError) as refused:
            await say(runtime, place)
        last = (await runtime.library.conversations.page(place.id))[-1]
    assert refused.value.code == "CONTEXT_TOO_LONG" and len(fake.chats) == 2
    assert last.status == "failed"


async def test_the_window_that_is_told_is_the_servers(paths: Paths) -> None:
    """Also where it counts many times as many tokens as we do, and the turn is fitted to fewer of ours."""

    class Dense(VLLM):
        def refusal(self, prompt: int, body: Any) -> Any:
            return VLLM.refusal(self, prompt * 40, body)

    fake = Dense(60_000)
    async with running(fake), opened(paths, fake.url, "vllm") as (runtime, place):
        await fill(runtime, place, 400)
        events = await say(runtime, place)
        (told,) = [one for one in events if isinstance(one, Shortened)]
        assert told.window == 60_000 < told.needed
        assert completed(events).report["shortened"] == {"window": 60_000, "needed": told.needed}


async def test_a_refusal_that_names_nothing_is_followed_by_a_question(paths: Paths) -> None:
    class Curt(LlamaCpp):
        def refusal(self, prompt: int, body: Any) -> Any:
            long = prompt >= self.window
            return (400, {"error": "the input length exceeds the context length"}) if long else None

    fake = Curt(1500)
    async with running(fake), opened(paths, fake.url, "llamacpp") as (runtime, place):
        await fill(runtime, place, 400)
        done = completed(await say(runtime, place))
    assert done.text == "The lamp burns." and done.report["shortened"]["window"] == 1500


async def test_a_person_s_number_that_is_too_large_is_refused_once_only(paths: Paths) -> None:
    fake = LlamaCpp(1500)
    async with running(fake), opened(paths, fake.url, "llamacpp", context_tokens=65_536) as (runtime, place):
        await fill(runtime, place, 400)
        assert completed(await say(runtime, place)).report["shortened"]["window"] == 1500
        await say(runtime, place, "And bread.")
        assert len(fake.chats) == 3
        fake.window = 3000
        await runtime.models.look(runtime.models.resolve("local"))
        assert runtime.models.windowed(runtime.models.resolve("local")).context_tokens == 65_536


@pytest.mark.parametrize("window", [512, 2048])
async def test_a_small_window_works(paths: Paths, window: int) -> None:
    fake = LlamaCpp(window)
    async with running(fake), opened(paths, fake.url, "llamacpp") as (runtime, place):
        await fill(runtime, place, 100, words=20)
        done = completed(await say(runtime, place))
        assert done.text == "The lamp burns."
        body = fake.chats[-1]
        assert 16 <= body["max_tokens"] <= window // 2
        assert len(fake.prompt_of(body).split()) + body["max_tokens"] <= window
        assert "I brought oil." in fake.prompt_of(body)


async def test_a_window_smaller_than_the_card_gets_its_beginning(paths: Paths) -> None:
    """Told by name; a window that people choose cards for refuses instead, and names the parts."""
    long = "Alice keeps a lighthouse. " * 2000
    fake = LlamaCpp(512)
    async with running(fake):
        async with opened(paths, fake.url, "llamacpp", description=long, context_tokens=512) as (
            runtime,
            place,
        ):
            events = await say(runtime, place)
        sent = fake.prompt_of(fake.chats[-1])
        assert [one for one in events if isinstance(one, TextsCut)] == [TextsCut(("description",), 512)]
        assert completed(events).report["texts_cut"] == ["description"]
        assert sent.count("Alice keeps a lighthouse.") > 10 and "I brought oil." in sent
        async with opened(paths, fake.url, "llamacpp", description=long, context_tokens=4096) as (
            runtime,
            place,
        ):
            with pytest.raises(LunaluxError) as refused:
                await say(runtime, place)
        assert refused.value.code == "PROMPT_TOO_LARGE"


async def test_a_card_that_a_server_finds_too_long_is_cut_for_the_second_try(paths: Paths) -> None:
    """It fits the window that the person was told of: the turn goes on, and what was cut is told by name."""
    long = "Alice keeps a lighthouse. " * 1200
    fake = LMStudio(32_768, loaded=4096)
    async with (
        running(fake),
        opened(paths, fake.url, "openai", description=long, context_tokens=16_384) as (runtime, place),
    ):
        events = await say(runtime, place)
    assert completed(events).text == "The lamp burns." and len(fake.chats) == 2
    assert [one.window for one in events if isinstance(one, Shortened)] == [4096]
    assert [one.names for one in events if isinstance(one, TextsCut)] == [("description",)]
    assert "I brought oil." in fake.prompt_of(fake.chats[-1])


async def test_a_template_that_costs_more_than_its_texts_is_made_room_for(paths: Paths) -> None:
    """The server counts every text for us, and adds a third when it renders them: the turn goes again."""

    class Wordy(LlamaCpp):
        def refusal(self, prompt: int, body: Any) -> Any:
            return LlamaCpp.refusal(self, prompt * 4 // 3, body)

        def end(self, prompt: int) -> bytes:
            return LlamaCpp.end(self, prompt * 9)  # what it reports makes estimates far too high

    fake = Wordy(2048)
    limit = {"max_tokens": 40}
    async with running(fake), opened(paths, fake.url, "llamacpp", sampling=limit) as (runtime, place):
        await fill(runtime, place, 400)
        for text in ("I brought oil.", "And bread.", "And wine."):
            before = len(fake.chats)
            assert completed(await say(runtime, place, text)).text == "The lamp burns."
            assert len(fake.chats) - before <= 2 and text in fake.prompt_of(fake.chats[-1])


async def test_a_plainer_preset_comes_before_a_refusal(paths: Paths) -> None:
    """In a window that the card fits, and the instructions of the chosen preset beside it do not."""
    fake = LlamaCpp(3000)
    async with (
        running(fake),
        opened(paths, fake.url, "llamacpp", description="A lighthouse. " * 260, context_tokens=3000) as (
            runtime,
            place,
        ),
    ):
        events = await say(runtime, place)
    assert completed(events).text == "The lamp burns."
    assert not any(isinstance(one, TextsCut) for one in events)
    assert fake.prompt_of(fake.chats[-1]).count("A lighthouse.") == 260


SENTENCES = [
    (
        "the request exceeds the available context size",
        {"n_ctx": 2048, "n_prompt_tokens": 5000},
        (2048, 5000),
    ),
    (
        "request (5000 tokens) exceeds the available context size (2048 tokens), try increasing it",
        {},
        (2048, 5000),
    ),
    (
        "This model's maximum context length is 4097 tokens. However, your messages resulted in 5000 tokens. "
        "Please reduce the length of the messages.",
        {},
        (4097, 5000),
    ),
    (
        "This model's maximum context length is 8192 tokens. However, you requested 9300 tokens (8276 in the "
        "messages, 1024 in the completion). Please reduce the length of the messages or completion.",
        {},
        (8192, 8276),
    ),
    (
        "'max_tokens' or 'max_completion_tokens' is too large: 1024. This model's maximum context length is "
        "2048 tokens and your request has 1500 input tokens (1024 > 2048 - 1500).",
        {},
        (2048, 1500),
    ),
    (
        "This endpoint's maximum context length is 32768 tokens. However, you requested about 40000 tokens "
        "(39000 of text input, 1000 in the output).",
        {},
        (32_768, 39_000),
    ),
    (
        "Requested token count exceeds the model's maximum context length of 4096 tokens. You requested "
        "a total of 5000 tokens: 4000 tokens from the input messages and 1000 tokens for the completion.",
        {},
        (4096, 4000),
    ),
    ("prompt is too long: 212345 tokens > 200000 maximum", {}, (200_000, 212_345)),
    (
        "input length and `max_tokens` exceed context limit: 199000 + 8192 > 200000, decrease",
        {},
        (200_000, 199_000),
    ),
    (
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
        {},
        (1_048_576, 1_200_000),
    ),
    ("Request length 71599 + 2048 is greater than max_seq_len 65536", {}, (65_536, 71_599)),
    (
        "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 "
        "maximum context length",
        {},
        (32_768, 40_000),
    ),
    (
        "too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 4292.",
        {},
        (4081, 4292),
    ),
    (
        "This model's maximum prompt length is 131072 but the request contains 200000 tokens.",
        {},
        (131_072, 200_000),
    ),
    ("`inputs` tokens + `max_new_tokens` must be <= 8193. Given: 8000 `inputs` tokens", {}, (8193, 8000)),
    ("Range of input length should be [1, 30720]", {}, (30_720, None)),
    ("the context window of this model is 16,384 tokens", {}, (16_384, None)),
    ("the input length exceeds the context length", {}, (None, None)),
    ("max_tokens must be at most 3 for context", {}, (None, None)),
]


TOO_LONG: list[tuple[int, str, int | None]] = [
    (
        400,
        "Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 300000 tokens.",
        272_000,
    ),
    (400, "The prompt (length 9000) is longer than the maximum model length of 8192.", 8192),
    (
        400,
        "You passed 5001 input tokens and requested 1024 output tokens. However, the model's context length "
        "is only 4096 tokens, resulting in a maximum input length of 3072 tokens.",
        4096,
    ),
    (
        422,
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8193. Given: 9000 `inputs` "
        "tokens and 1024 `max_new_tokens`",
        8193,
    ),
    (422, "Input validation error: `inputs` must have less than 4095 tokens. Given: 5000", 4095),
    (400, "The input token count exceeds the maximum number of tokens allowed 32768.", 32_768),
    (
        400,
        "Unable to submit request because the input token count is 40000 but model only supports up to 32768",
        32_768,
    ),
    (400, "This model's maximum prompt length is 131072 but the request contains 140000 tokens.", 131_072),
    (400, "Invalid request: Your request exceeded model token limit: 8192 (requested: 9000)", 8192),
    (400, "Invalid request: Your request exceeded model token limit: 131072", 131_072),
    (413, "Request body too large for gpt-4o model. Max size: 8000 tokens.", 8000),
    (400, "prompt token count of 140000 exceeds the limit of 128000", 128_000),
    (400, "Prompt exceeds max length", None),
    (400, "input length too long", None),
    (400, "输入长度超过模型最大上下文长度 128000", 128_000),
    (400, "输入内容过长，请减少后重试", None),
    (400, "Prompt is too long: 9000 tokens, max 8192", 8192),
    (400, "Too many tokens in prompt: 5000 > 4096", 4096),
    (400, "Input exceeds maximum of 8,192 tokens (got 9,120)", 8192),
    (400, "the prompt has 9000 tokens, but the model can only take 8192", 8192),
    # Numbers that are no window: by how much it is too long, a code, a point for thousands.
    (400, "prompt too long; exceeded max context length by 523 tokens", None),
    (400, "invalid params, context window exceeds limit (2013)", None),
    (400, "Your request exceeds this model's context window (8.192 tokens)", None),
]


@pytest.mark.parametrize(("status", "message", "window"), TOO_LONG, ids=range(len(TOO_LONG)))
def test_a_prompt_that_is_too_long_is_known_in_every_wording(
    status: int, message: str, window: int | None
) -> None:
    body = json.dumps({"error": {"message": message}}).encode()
    told = Failures("host", "m").refusal(read_report(body, status, {}))
    assert (told.code, told.params.get("window")) == ("CONTEXT_TOO_LONG", window)


@pytest.mark.parametrize(
    ("status", "message", "code"),
    [
        (400, "max_tokens is too large: 100000. This model supports at most 16384 tokens.", "MODEL_REFUSED"),
        (400, "'max_tokens' exceeds the maximum tokens of the model", "MODEL_REFUSED"),
        (400, "messages[0].name exceeds maximum length of 64", "MODEL_REFUSED"),
        (422, "top_k must be <= 100. Given: 200", "MODEL_REFUSED"),
        (429, "Tokens per minute limit exceeded - too many tokens processed.", "MODEL_RATE_LIMITED"),
        (429, "Rate limit on tokens per min (TPM): Limit 10000, Used 9000", "MODEL_RATE_LIMITED"),
    ],
)
def test_another_limit_is_no_window(status: int, message: str, code: str) -> None:
    body = json.dumps({"error": {"message": message}}).encode()
    assert Failures("host", "m").refusal(read_report(body, status, {})).code == code


@pytest.mark.parametrize(("message", "fields", "named"), SENTENCES, ids=range(len(SENTENCES)))
def test_what_a_refusal_names(
    message: str, fields: dict[str, Any], named: tuple[int | None, int | None]
) -> None:
    assert named_window(message, fields) == named
