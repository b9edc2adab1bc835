"""Characters as models: the real program, asked by the real clients `openai` and `llm`."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from cli_program import ROOT, Program, environment
from servers.fake import Fake, running

WORDS = {"role": "user", "content": "Is the lamp lit?"}


@dataclass
class Refusing(Fake):
    """A server that refuses whatever holds these words."""

    refused: str = "refuse me"

    def refusal(self, prompt: int, body: Any) -> tuple[int, Any] | None:
        if self.refused in self.prompt_of(body):
            return 400, {"error": {"message": "I will not.", "code": 400}}
        return None


@dataclass
class Served:
    """A running `lunalux api`, and the model server behind it."""

    url: str
    key: str
    fake: Fake
    process: asyncio.subprocess.Process
    _client: openai.AsyncOpenAI | None = field(default=None)

    @property
    def client(self) -> openai.AsyncOpenAI:
        if self._client is None:
            self._client = openai.AsyncOpenAI(base_url=self.url, api_key=self.key, max_retries=0)
        return self._client

    async def ask(self, *lines: Any, **options: Any) -> Any:
        return await self.client.chat.completions.create(
            model=options.pop("model", "Ada"), messages=list(lines), **options
        )

    @property
    def prompt(self) -> str:
        """What the model was sent last."""
        return "\n".join(str(line["content"]) for line in self.fake.chats[-1]["messages"])


@asynccontextmanager
async def serving(
    program: Program, home: Path, fake: Fake, *words: str, stdin: str = ""
) -> AsyncIterator[Served]:
    async with running(fake):
        await asyncio.to_thread(
            program, "model", "add", "m", "--provider", "openai", "--base-url", fake.url, "--model", "m"
        )
        await asyncio.to_thread(program, "model", "use", "m")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "lunalux_tui", "api", "--port", "0", "--json", *words),
            env=environment(home),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(stdin.encode())
        process.stdin.close()
        try:
            told = json.loads(await process.stdout.readline())
            yield Served(told["url"], told["key"], fake, process)
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGINT)
            _, errors = await process.communicate()
            assert process.returncode == 0, errors.decode()
            assert b"Traceback" not in errors, errors.decode()


@pytest.fixture
def talk(program: Program, home: Path, make_card: Callable[..., Path]) -> Callable[..., Any]:
    """Starts the program with one character in its library."""
    path = make_card("Ada", description="Ada keeps the lighthouse.", first_mes="Mind the steps.")
    program("import", str(path))

    def start(fake: Fake | None = None, *words: str, stdin: str = "") -> Any:
        return serving(program, home, fake or Fake(), *words, stdin=stdin)

    return start


def stored(program: Program) -> list[list[tuple[str, str]]]:
    """The path of every conversation: roles and texts."""
    rows = program("conversation", "list", "--json").json
    shown = [program("conversation", "show", row["id"], "--json").json["messages"] for row in rows]
    return [[(line["role"], line["content"]) for line in path] for path in shown]


async def test_a_character_answers_as_a_model_does(talk: Callable[..., Any], program: Program) -> None:
    async with talk() as api:
        whole = await api.client.chat.completions.with_raw_response.create(model="Ada", messages=[WORDS])
        conversation = whole.headers["X-Lunalux-Conversation"]
        answer = whole.parse()
        assert answer.choices[0].message.content == "The lamp burns."
        assert (answer.choices[0].finish_reason, answer.model, answer.object) == (
            "stop",
            "Ada",
            "chat.completion",
        )
        assert answer.usage.completion_tokens == 3 and answer.usage.prompt_tokens > 10
        assert "Ada keeps the lighthouse." in api.prompt, "the card is in the prompt"
        assert "Mind the steps." in api.prompt, "the greeting is in the story"

        said = ""
        finish = usage = None
        async for chunk in await api.ask(
            {"role": "user", "content": "And now?"}, stream=True, stream_options={"include_usage": True}
        ):
            usage = chunk.usage or usage
            for choice in chunk.choices:
                said += choice.delta.content or ""
                finish = choice.finish_reason or finish
        assert (said, finish) == ("The lamp burns.", "stop") and usage is not None
        assert "Is the lamp lit?" in api.prompt, "the story goes on"
        listed = [model.id async for model in api.client.models.list()]
        assert "Ada" in listed and (await api.client.models.retrieve("Ada")).owned_by == "lunalux"
    (path,) = await asyncio.to_thread(stored, program)
    assert [text for role, text in path if role == "user"] == ["Is the lamp lit?", "And now?"]
    assert program("conversation", "show", conversation, "--json").json["id"] == conversation


async def test_a_history_that_goes_back_becomes_a_branch_or_a_swipe(
    talk: Callable[..., Any], program: Program, tmp_path: Path
) -> None:
    fake = Fake(pieces=["First."])
    async with talk(fake) as api:
        one, two = {"role": "user", "content": "One"}, {"role": "user", "content": "Two"}
        await api.ask(one)
        fake.pieces = ["Second."]
        first = {"role": "assistant", "content": "First."}
        await api.ask(one, first, two)
        fake.pieces = ["Another second."]
        await api.ask(one, first, two)  # the same words under the same reply: another reply
        fake.pieces = ["Third."]
        await api.ask(one, first, {"role": "user", "content": "Instead"})  # other words: a branch
        assert "Instead" in api.prompt and "First." in api.prompt
        assert "Second." not in api.prompt, "what is left behind is not in the prompt"
    (path,) = await asyncio.to_thread(stored, program)
    assert [text for _, text in path[1:]] == ["One", "First.", "Instead", "Third."]
    (row,) = program("conversation", "list", "--json").json
    program("conversation", "export", row["id"], "tree.json")
    told = {line["content"] for line in json.loads((tmp_path / "tree.json").read_text())["messages"]}
    assert {"Second.", "Another second.", "Third."} <= told, "nothing of the tree is lost"


async def test_a_stateless_call_stores_nothing(talk: Callable[..., Any], program: Program) -> None:
    async with talk() as api:
        answer = await api.ask(
            {"role": "system", "content": "Speak in rhymes."},
            {"role": "user", "content": "I came by boat."},
            {"role": "assistant", "content": "In this weather?"},
            {"role": "user", "content": "It was calm."},
            extra_body={"stateless": True},
        )
        assert answer.choices[0].message.content == "The lamp burns."
        places = [api.prompt.find(text) for text in ("I came by boat.", "In this weather?", "It was calm.")]
        assert -1 not in places and places == sorted(places)
        assert "Speak in rhymes." in api.prompt and "Ada keeps the lighthouse." in api.prompt
        assert "Mind the steps." not in api.prompt, "the body is the history"
        assert answer.lunalux["conversation_id"] is None
    assert await asyncio.to_thread(stored, program) == []


async def test_wishes_of_a_call_and_of_a_profile_reach_the_model(
    talk: Callable[..., Any], program: Program
) -> None:
    async with talk() as api:
        await asyncio.to_thread(program, "profile", "add", "cold", "--model", "m", "--set", "temperature=0.1")
        await api.ask(WORDS, model="Ada@cold", max_completion_tokens=77, stop=["END"], seed=5)
        body = api.fake.chats[-1]
        assert (body["temperature"], body["max_tokens"], body["seed"]) == (0.1, 77, 5)
        assert "END" in body["stop"]
        api.fake.pieces = [" has a lamp."]
        answer = await api.ask(WORDS, {"role": "assistant", "content": "The tower"})
        assert answer.choices[0].message.content.strip() == "has a lamp.", "without the client's own words"
        several = await api.ask(WORDS, n=2)
        assert [choice.index for choice in several.choices] == [0, 1]


async def test_conversations_are_chosen_and_kept_apart(talk: Callable[..., Any], program: Program) -> None:
    async with talk() as api:
        first = (await api.ask(WORDS)).lunalux["conversation_id"]
        other = (await api.ask(WORDS, user="bob")).lunalux["conversation_id"]
        assert first != other, "whom a client speaks for has a conversation of their own"
        named = await api.ask(WORDS, extra_headers={"X-Lunalux-Conversation": other})
        assert named.lunalux["conversation_id"] == other
        meant = await api.ask(WORDS, metadata={"conversation": first})
        assert meant.lunalux["conversation_id"] == first
        with pytest.raises(openai.NotFoundError) as nowhere:
            await api.ask(WORDS, metadata={"conversation": "nowhere"})
        assert nowhere.value.code == "CONVERSATION_NOT_FOUND"


async def test_what_cannot_be_done_is_told_in_a_sentence(talk: Callable[..., Any], program: Program) -> None:
    async with talk(Refusing()) as api:
        stranger = openai.AsyncOpenAI(base_url=api.url, api_key="guess", max_retries=0)
        with pytest.raises(openai.AuthenticationError):
            await stranger.models.list()
        with pytest.raises(openai.NotFoundError, match="Nobody"):
            await api.ask(WORDS, model="Nobody")
        with pytest.raises(openai.BadRequestError, match="temperature"):
            await api.ask(WORDS, temperature=99)
        with pytest.raises(openai.BadRequestError, match="messages"):
            await api.ask()
        refused = {"role": "user", "content": "Please refuse me."}
        for stream in (False, True):
            with pytest.raises(openai.InternalServerError, match="I will not"):
                await api.ask(refused, stream=stream)
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {api.key}"}, timeout=60) as plain:
            answers = [
                await plain.post(f"{api.url}/chat/completions", content=b"{"),
                await plain.post(f"{api.url}/chat/completions", json=[]),
                await plain.post(f"{api.url}/embeddings", json={}),
                await plain.get(f"{api.url}/chat/completions"),
            ]
        assert [answer.status_code for answer in answers] == [400, 400, 404, 404]
        assert all(answer.json()["error"]["message"] for answer in answers)
    (path,) = await asyncio.to_thread(stored, program)
    assert ("user", "Please refuse me.") in path, "the words are kept though nobody answered"


async def test_two_calls_on_one_conversation_wait_for_nobody(talk: Callable[..., Any]) -> None:
    async with talk(Fake(pause=0.5)) as api:
        place = (await api.ask(WORDS)).lunalux["conversation_id"]
        slow = await api.ask(WORDS, stream=True)
        await anext(aiter(slow))
        with pytest.raises(openai.ConflictError) as busy:
            await api.ask(WORDS, metadata={"conversation": place})
        assert busy.value.code == "REPLY_RUNNING"
        assert [chunk async for chunk in slow][-1].choices[0].finish_reason == "stop"


async def test_a_client_that_leaves_stops_the_reply_and_what_came_is_kept(
    talk: Callable[..., Any], program: Program
) -> None:
    fake = Fake(pieces=["Once ", *["more "] * 200], pause=0.05)
    async with talk(fake) as api:
        stream = await api.ask(WORDS, stream=True)
        async for chunk in stream:
            if "more" in (chunk.choices[0].delta.content or ""):
                break
        await stream.close()
        async with asyncio.timeout(30):
            await fake.left.wait()
    (path,) = await asyncio.to_thread(stored, program)
    assert path[-1][0] == "assistant" and path[-1][1].startswith("Once more")
    assert len(path[-1][1].split()) < 150


async def test_texts_pictures_and_names_that_two_share(
    talk: Callable[..., Any], program: Program, make_card: Callable[..., Path], tmp_path: Path
) -> None:
    second = make_card("Ada", "second.json", description="Another Ada.")
    program("import", str(second), "--on-duplicate", "copy")
    async with talk() as api:
        listed = [model.id async for model in api.client.models.list()]
        adas = program("character", "list", "--json").json
        ids = [row["id"] for row in adas if row["name"] == "Ada"]
        assert len(ids) == 2 and set(ids) <= set(listed) and "Ada" not in listed
        text = await api.client.completions.create(model=ids[0], prompt="Is the lamp lit?", max_tokens=9)
        assert text.choices[0].text == "The lamp burns." and text.object == "text_completion"
        with pytest.raises(openai.BadRequestError):
            await api.client.completions.create(model=ids[0], prompt=["a", "b"])
        part = {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}}
        with pytest.raises(openai.BadRequestError, match="image_url"):
            await api.ask({"role": "user", "content": [part]}, model=ids[0])
        picture = b64encode(_pixel()).decode()
        seen = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{picture}"}}
        words = {"type": "text", "text": "What is this?"}
        answer = await api.ask({"role": "user", "content": [words, seen]}, model=ids[0])
        assert answer.choices[0].message.content == "The lamp burns."
    paths = await asyncio.to_thread(stored, program)
    assert any(("user", "What is this?") in path for path in paths)


def _pixel() -> bytes:
    from io import BytesIO

    from PIL import Image

    data = BytesIO()
    Image.new("RGB", (4, 4), "red").save(data, "PNG")
    return data.getvalue()


async def test_the_key_stays_and_may_be_the_persons_own(talk: Callable[..., Any], program: Program) -> None:
    async with talk() as first:
        key = first.key
    async with talk() as second:
        assert second.key == key
    async with talk(None, "--key-stdin", stdin="my-own-key\n") as third:
        assert third.key == "my-own-key"
    refused = program("api", "--port", "0", "--key-stdin", "--json", stdin="two words\n", code=1)
    assert refused.error["code"] == "API_KEY_INVALID"


async def test_the_client_llm_talks_with_a_character(talk: Callable[..., Any], tmp_path: Path) -> None:
    async with talk() as api:
        (tmp_path / "extra-openai-models.yaml").write_text(
            f"- model_id: ada\n  model_name: Ada\n  api_base: {api.url}\n  api_key_name: lunalux\n"
        )
        variables = {**os.environ, "LLM_USER_PATH": str(tmp_path), "PYTHONPATH": str(ROOT)}
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "llm", "-m", "ada", "--key", api.key, "Is the lamp lit?"],
            capture_output=True,
            text=True,
            env=variables,
            timeout=120,
        )
        assert done.stdout.strip() == "The lamp burns.", done.stderr
