"""Names of models mean the same everywhere, and keys go only where they belong."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest
from llm_server import document, listen, model_server, page, stream

from lunalux_core.config.settings import SavedModel
from lunalux_core.errors import InvalidInput, NotFound
from lunalux_core.llm.model import ModelSpec, Sampling
from lunalux_core.llm.model_registry import Offer, Registry, credential_name, saved_specs
from lunalux_core.llm.practice.practice_model import PracticeModel
from lunalux_core.llm.servers.local import LOCAL_SERVERS, LocalServer, local_servers

KEYS = {"OPENAI_API_KEY": "k", "ANTHROPIC_API_KEY": "a", "GEMINI_API_KEY": "g"}
SAVED = ModelSpec("home", "openai", "big", "http://127.0.0.1:9/v1", "model:home")


@pytest.mark.parametrize(
    ("name", "provider", "model", "base_url"),
    [
        ("home", "openai", "big", "http://127.0.0.1:9/v1"),
        (" home ", "openai", "big", "http://127.0.0.1:9/v1"),
        ("practice", "practice", "practice", ""),
        ("openai:gpt-x", "openai", "gpt-x", "https://proxy.example.com/v1"),
        ("openai:vendor/model:free", "openai", "vendor/model:free", "https://proxy.example.com/v1"),
        ("anthropic:claude-x", "anthropic", "claude-x", "https://proxy.example.com"),
        ("gemini:gemini-x", "gemini", "gemini-x", ""),
        ("official:star-writer", "official", "star-writer", ""),
        ("ollama:qwen3:8b", "ollama", "qwen3:8b", "http://127.0.0.1:11434/v1"),
    ],
)
def test_resolves(name: str, provider: str, model: str, base_url: str) -> None:
    home = "https://proxy.example.com"
    registry = Registry([SAVED], environ={"OPENAI_BASE_URL": f"{home}/v1", "ANTHROPIC_BASE_URL": home})
    spec = registry.resolve(name)
    assert (spec.name, spec.provider, spec.model, spec.base_url) == (name.strip(), provider, model, base_url)


@pytest.mark.parametrize("name", ["", "nobody", "openai:", "official:", "anthropic:", "unknown:model"])
def test_unknown_names(name: str) -> None:
    with pytest.raises(NotFound) as caught:
        Registry([SAVED], environ={}).resolve(name)
    assert caught.value.code == "MODEL_UNKNOWN" and "model list" in caught.value.hint


def test_a_saved_name_wins_over_a_meaning() -> None:
    mine = ModelSpec("practice", "openai", "big", "http://127.0.0.1:9/v1")
    registry = Registry([mine], environ={})
    assert registry.resolve("practice") is mine
    assert [spec.name for spec in registry.specs()] == ["practice"]


def test_lists_saved_plugin_and_practice_models_and_the_environments_servers() -> None:
    offer = Offer(ModelSpec("oracle", "openai", "o"), lambda spec: PracticeModel(0, spec))
    registry = Registry([SAVED], environ=KEYS, offers=[offer])
    assert [spec.name for spec in registry.specs()] == ["home", "practice", "oracle"]
    assert [spec.name for spec in registry.connections()] == ["openai:", "anthropic:", "gemini:"]
    assert Registry(environ={}).connections() == ()
    assert isinstance(registry.open(registry.resolve("oracle")), PracticeModel)


def test_official_models_are_opened_by_the_gateway() -> None:
    opened: list[ModelSpec] = []

    def gateway(spec: ModelSpec) -> PracticeModel:
        opened.append(spec)
        return PracticeModel(0, spec)

    registry = Registry(environ={}, official=gateway)
    registry.open(registry.resolve("official:star"))
    assert [spec.model for spec in opened] == ["star"]
    with pytest.raises(NotFound):
        Registry(environ={}).open(ModelSpec("official:star", "official", "star"))


def test_practice_runs_at_the_rate_of_the_environment() -> None:
    assert isinstance(
        Registry(environ={"LUNALUX_PRACTICE_RATE": "0"}).open(Registry().resolve("practice")), PracticeModel
    )


async def sent_key(registry: Registry, spec: ModelSpec) -> str | None:
    """The key that reaches a server when `spec` (with its port filled in) is used."""
    async with model_server() as server:
        server.will(stream("Hi"))
        at_server = ModelSpec(spec.name, spec.provider, spec.model, f"{server.url}/v1", spec.key_name)
        await listen(registry.open(at_server))
        await registry.aclose()
        return server.seen[0].headers.get("authorization")


async def test_a_stored_key_is_sent() -> None:
    registry = Registry(key={"model:home": "stored"}.get, environ={"OPENAI_API_KEY": "environment"})
    assert await sent_key(registry, SAVED) == "Bearer stored"


async def test_the_environments_key_goes_to_no_other_server() -> None:
    registry = Registry(environ={"OPENAI_API_KEY": "environment"})
    assert await sent_key(registry, SAVED) is None


async def test_the_environments_key_goes_to_the_environments_server() -> None:
    async with model_server() as server:
        server.will(stream("Hi"))
        registry = Registry(environ={"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": f"{server.url}/v1/"})
        heard = await listen(registry.open(registry.resolve("openai:big")))
        await registry.aclose()
        assert (heard.text, server.seen[0].headers["authorization"]) == ("Hi", "Bearer k")
        assert server.seen[0].body["model"] == "big"


@pytest.mark.parametrize(("typed", "goes"), [("", True), ("/v1", True), ("/other", False)])
async def test_anthropics_key_goes_to_anthropics_server(typed: str, goes: bool) -> None:
    """With the version or without it is one server, and its key goes nowhere else."""
    async with model_server() as server:
        server.will(document({"type": "message", "content": [{"type": "text", "text": "Hi"}]}))
        environ = {"ANTHROPIC_API_KEY": "k", "ANTHROPIC_BASE_URL": server.url}
        registry = Registry(environ=environ)
        heard = await listen(registry.open(ModelSpec("mine", "anthropic", "c", f"{server.url}{typed}")))
        await registry.aclose()
        assert (heard.text, server.seen[0].headers.get("x-api-key")) == ("Hi", "k" if goes else None)
        assert server.seen[0].path == ("/v1/messages" if goes else "/other/v1/messages")


async def test_a_variable_named_by_the_configuration() -> None:
    config = SavedModel("home", "openai", "big", key_env="MY_KEY")
    (spec,) = saved_specs([config])
    assert await sent_key(Registry(environ={"MY_KEY": "named"}), spec) == "Bearer named"


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("openai:m", "OPENAI_API_KEY"),
        ("anthropic:m", "ANTHROPIC_API_KEY"),
        ("gemini:m", "GEMINI_API_KEY"),
    ],
)
def test_a_provider_without_a_key_says_so_before_any_call(name: str, variable: str) -> None:
    registry = Registry(environ={})
    with pytest.raises(InvalidInput) as caught:
        registry.open(registry.resolve(name))
    assert caught.value.code == "MODEL_KEY_MISSING" and variable in caught.value.hint


def test_saved_configurations_become_specs() -> None:
    config = SavedModel("home", "gemini", "g", "https://h/v1beta", "", 32_000, {"temperature": 0.7, "odd": 1})
    (spec,) = saved_specs([config])
    assert spec == ModelSpec(
        "home",
        "gemini",
        "g",
        "https://h/v1beta",
        credential_name("home"),
        Sampling(temperature=0.7),
        32_000,
        window_source="person",
    )


async def test_lists_the_models_of_a_server() -> None:
    async with model_server() as server:
        server.will(document({"data": [{"id": "a"}]}))
        registry = Registry(environ={"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "k"})
        (connection,) = registry.connections()
        assert await registry.models_of(connection) == ("a",)
        assert registry.resolve(f"{connection.name}a").model == "a"
        await registry.aclose()
    assert await registry.models_of(registry.resolve("practice")) == ("practice",)


async def test_finds_the_local_servers_that_answer_like_one() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = free.getsockname()[1]
    async with model_server() as good, model_server() as website:
        good.will(document({"data": [{"id": "llama3"}, {"id": "qwen3:8b"}]}))
        website.will(page("<title>My router</title>"))
        found = await local_servers(
            [
                LocalServer("ollama", "Ollama", good.port),
                LocalServer("llamacpp", "llama.cpp", website.port),
                LocalServer("vllm", "vLLM", closed),
            ]
        )
    assert [spec.name for spec in found] == ["ollama:llama3", "ollama:qwen3:8b"]
    assert found[1].base_url == f"http://127.0.0.1:{good.port}/v1"


def test_a_found_name_can_be_resolved_later() -> None:
    for server in LOCAL_SERVERS.values():
        for spec in (server.model("some:model"), server.on(4321).model("some:model")):
            assert Registry(environ={}).resolve(spec.name) == spec


def test_naming_models_loads_no_http_client() -> None:
    program = (
        "import sys; from lunalux_core.llm.model_registry import Registry; r = Registry(environ={});"
        "r.open(r.resolve('practice')); r.resolve('openai:x');"
        "sys.exit(bool({'httpx', 'pydantic'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
