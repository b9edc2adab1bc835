"""`lunalux model`: list, add, show, remove, test, use, load, unload."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import typer

from lunalux_core.config.settings import SavedModel
from lunalux_core.diagnostics.redaction import without_password
from lunalux_core.errors import InvalidInput, LunaluxError, NotFound
from lunalux_core.library.name_lookup import full_name, missing
from lunalux_core.llm.additions import extra_body_of, headers_of, price_of
from lunalux_core.llm.model import IMAGE_USES, POST_PROCESSING, ModelOptions, ModelSpec
from lunalux_core.llm.parameters import EFFORTS, PROVIDERS, checked_value, read_pairs
from lunalux_core.runtime import Runtime
from lunalux_core.text import clean_line
from lunalux_tui.cli import output
from lunalux_tui.cli.conversation import YES
from lunalux_tui.cli.run import delete_asked, in_runtime
from lunalux_tui.cli.stdin import input_secret
from lunalux_tui.i18n import t

model_app = typer.Typer(
    help="List, add, remove, test and choose models.", no_args_is_help=True, add_completion=False
)
commands = {"model": model_app}

JSON = typer.Option(False, "--json", help="Print one JSON document.")
NAME = typer.Argument(
    metavar="NAME", help="A saved name, openai:MODEL, anthropic:MODEL, gemini:MODEL, official:ID or practice."
)


@model_app.command("list")
@in_runtime
async def list_models(
    runtime: Runtime,
    local: bool = typer.Option(False, "--local", help="Ask the usual local servers too."),
    refresh: bool = typer.Option(False, "--refresh", help="Ask the backend for its price list anew."),
    as_json: bool = JSON,
) -> None:
    """Own, official and practice models; the one in use is marked.

    Example: lunalux model list --local --json
    """
    own = [_own(spec, runtime.settings.model) for spec in runtime.models.specs()]
    if local:
        from lunalux_core.llm.servers.local import local_servers

        own += [_own(spec, runtime.settings.model) for spec in await local_servers()]
    official = await _official(runtime, refresh=refresh)
    if as_json:
        output.print_json({"own": own, "official": official, "in_use": runtime.settings.model})
        return
    rows = [
        [
            "*" if model["in_use"] else "",
            model["name"],
            model["provider"],
            model["model"],
            model["base_url"] or "",
        ]
        for model in own
    ]
    rows += [
        [
            "*" if row["in_use"] else "",
            row["name"],
            "official",
            str(row["displayname"]),
            _price(row),
        ]
        for row in official
    ]
    output.print_table(["", "name", "provider", "model", "where or price"], rows)


@model_app.command()
@in_runtime
async def add(
    runtime: Runtime,
    name: str = typer.Argument(metavar="NAME", help="What to call it."),
    provider: str = typer.Option(
        ..., help=f"What kind of server: {', '.join(PROVIDERS)}; openai is also any compatible one."
    ),
    model: str = typer.Option(..., help="The model's name on the server."),
    base_url: str = typer.Option("", "--base-url", help="Address, e.g. http://127.0.0.1:11434/v1"),
    key_env: str = typer.Option("", "--key-env", metavar="VAR", help="Environment variable with the key."),
    key_stdin: bool = typer.Option(False, "--key-stdin", help="Read the key from stdin into the keyring."),
    context: int | None = typer.Option(
        None, help="Context window, in tokens; without it, what the server says counts.", min=512
    ),
    timeout: float = typer.Option(
        0,
        metavar="SECONDS",
        min=0,
        max=86_400,
        help="Longest silence before the first word; 0 for the usual.",
    ),
    no_stream: bool = typer.Option(False, "--no-stream", help="Ask for replies in one piece."),
    post_process: str = typer.Option(
        "",
        "--post-process",
        metavar="MODE",
        help="Reshape roles for a strict server: none, merge, semi-strict, strict or single. "
        "By default it is found out.",
    ),
    thinking_marks: tuple[str, str] = typer.Option(
        ("", ""), "--thinking-marks", metavar="OPEN CLOSE", help="What the model puts around its thoughts."
    ),
    temperature: float | None = typer.Option(None, min=0, max=5),
    top_p: float | None = typer.Option(None, "--top-p", min=0, max=1),
    top_k: int | None = typer.Option(None, "--top-k", min=0),
    max_tokens: int | None = typer.Option(None, "--max-tokens", min=1),
    frequency_penalty: float | None = typer.Option(None, "--frequency-penalty", min=-2, max=2),
    presence_penalty: float | None = typer.Option(None, "--presence-penalty", min=-2, max=2),
    repeat_penalty: float | None = typer.Option(None, "--repeat-penalty", min=0, max=10),
    mode: str = typer.Option("chat", help="chat, or text: one text made by a template, for base models."),
    template: str = typer.Option("", help="With --mode text: the template, else one that fits the model."),
    stop: list[str] = typer.Option(
        [], "--stop", metavar="TEXT", help="End a reply before this text; may be given several times."
    ),
    param: list[str] = typer.Option(
        [], "--param", metavar="NAME=VALUE", help="A parameter of the request (docs/parameters.md)."
    ),
    reasoning_effort: str = typer.Option(
        "", "--reasoning-effort", metavar="EFFORT", help=f"How long it thinks: {', '.join(EFFORTS)}."
    ),
    extra_body: str = typer.Option(
        "", "--extra-body", metavar="JSON", help="A JSON object, merged into every request last."
    ),
    drop: list[str] = typer.Option(
        [], "--drop", metavar="FIELD", help="A field that is never sent; a dot leads into an object."
    ),
    header: list[str] = typer.Option(
        [], "--header", metavar="'NAME: VALUE'", help="A header that goes along with every request."
    ),
    price: str = typer.Option(
        "", "--price", metavar="IN,CACHED,OUT", help="What a million tokens cost, in US dollars."
    ),
    images: str = typer.Option(
        "auto", metavar="MODE", help="Whether the model takes pictures: yes, no, or auto to find it out."
    ),
    as_json: bool = JSON,
) -> None:
    """Save a model configuration (replaces one of the same name).

    lunalux model add local --provider openai --base-url http://127.0.0.1:11434/v1 --model llama3.1
    """
    if provider not in PROVIDERS:
        raise output.not_known("--provider", provider, PROVIDERS)
    if mode not in {"chat", "text"}:
        raise output.not_known("--mode", mode, ("chat", "text"))
    if mode == "text" and provider in {"gemini", "anthropic"}:
        raise InvalidInput(
            "USAGE",
            f"A server of the kind {provider} has no text completion.",
            "Use --mode chat, or another provider.",
            kind="text_mode",
            value=provider,
        )
    if template and mode != "text":
        raise InvalidInput(
            "USAGE", "--template needs --mode text.", "Give both, or neither.", kind="template_mode"
        )
    # A colon divides a provider from its model, as in openai:MODEL.
    if name == "practice" or ":" in name or not name.strip():
        raise InvalidInput(
            "USAGE",
            f"A model cannot be called {name!r}.",
            "Choose a name without a colon.",
            kind="name",
            value=repr(name),
        )
    if base_url and not base_url.lower().startswith(("http://", "https://")):
        raise InvalidInput(
            "USAGE",
            f"{base_url!r} is no address of a model server.",
            "Give one like http://127.0.0.1:11434/v1.",
            kind="url",
            value=repr(base_url),
        )
    if post_process and post_process not in POST_PROCESSING:
        raise output.not_known("--post-process", post_process, POST_PROCESSING)
    if images not in {"auto", *IMAGE_USES}:
        raise output.not_known("--images", images, ("yes", "no", "auto"))
    if key_env and key_stdin:
        raise InvalidInput(
            "USAGE", "--key-env and --key-stdin do not go together.", "Give one of them.", kind="keys"
        )
    given = {
        "temperature": temperature,
        "top_p": top_p,
        "top_k": top_k,
        "max_tokens": max_tokens,
        "frequency_penalty": frequency_penalty,
        "presence_penalty": presence_penalty,
        "repeat_penalty": repeat_penalty,
        "stop": stop or None,
        "reasoning_effort": reasoning_effort or None,
    }
    sampling = read_pairs(param)
    # An option of its own goes before the same parameter given by --param.
    sampling |= {key: checked_value(key, value) for key, value in given.items() if value is not None}
    config = SavedModel(
        name=name,
        provider=provider,
        model=model,
        base_url=base_url,
        key_env=key_env,
        context_tokens=context,
        sampling=sampling,
        options=ModelOptions(
            timeout,
            not no_stream,
            post_process,
            # One mark without the other parts nothing.
            tuple(thinking_marks) if all(mark.strip() for mark in thinking_marks) else (),
            extra_body=extra_body_of(extra_body) if extra_body else {},
            drop=tuple(drop),
            headers=headers_of(header),
            price=price_of(price) if price else None,
            images=images if images != "auto" else "",  # type: ignore[arg-type]
        ),
        mode=mode,  # type: ignore[arg-type]
        template=template,
    )
    if template:
        from lunalux_core.dialogue.text_templates import full_template_name

        templates = await runtime.library.templates.list()
        config = replace(config, template=full_template_name(templates, template))
    from lunalux_core.config.config_file import save_model
    from lunalux_core.llm.model_registry import credential_name

    place = key_env or None
    if key_stdin:
        secret = input_secret().strip()
        if not secret:
            raise InvalidInput("USAGE", "There is no key on stdin.", "Pipe it in, one line.", kind="key")
        # Before the configuration: one whose key could not be kept is not saved either.
        runtime.credentials.set(credential_name(name), secret)
        place = runtime.credentials.place
    replaced = name in runtime.settings.models
    save_model(runtime.paths.config_file, config)
    if as_json:
        output.print_json({"id": name, "name": name, "provider": provider, "model": model, "key": place})
    else:
        output.say("model_saved", name=name)
    if replaced:
        output.say("model_replaced", name=name)
    # Saved all the same: the variable may be set where the chats run.
    if key_env and not os.environ.get(key_env):
        output.say("variable_unset", name=key_env)


@model_app.command()
@in_runtime
async def show(runtime: Runtime, name: str = NAME, as_json: bool = JSON) -> None:
    """What a model is: its server, window, parameters, prices, and what its server has taught.

    Example: lunalux model show local --json
    """
    from lunalux_core.llm.details import model_details

    spec = runtime.models.named(name)
    # Asked now; if nothing answers, what the server said last time.
    facts = await runtime.models.look(spec) or runtime.models.facts(spec)
    # What the person set counts also where the server says otherwise, which is told below.
    shown = spec if spec.window_source == "person" else runtime.models.windowed(spec)
    prices = await runtime.models.prices(spec)
    told = model_details(shown, runtime.models.learnt(spec), facts, prices)
    told["base_url"] = without_password(spec.base_url) or None
    if as_json:
        output.print_json(told)
    else:
        output.print_table(["", ""], [[key, _in_words(value)] for key, value in told.items()])
    if facts is not None and facts.window and facts.window < shown.context_tokens:
        output.say("window_smaller", own=f"{shown.context_tokens:,}", server=f"{facts.window:,}")


def _in_words(value: object) -> str:
    """A value of a model's details in a table."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_in_words(part)}" for key, part in value.items()) or "-"
    if isinstance(value, list):
        return ", ".join(map(_in_words, value)) or "-"
    return "-" if value is None or value == "" else clean_line(str(value), 200)


@model_app.command()
def remove(name: str = NAME, yes: bool = YES, as_json: bool = JSON) -> None:
    """Remove a saved configuration and its key.

    Example: lunalux model remove local --yes
    """

    def unknown(saved: Iterable[str]) -> NotFound:
        hint = "`lunalux model list` shows them all."
        return missing("MODEL_UNKNOWN", f"There is no saved model {name!r}.", hint, name, saved)

    async def find(runtime: Runtime) -> str:
        saved = runtime.settings.models
        whole = full_name(name, saved)
        if whole is None:
            raise unknown(saved)
        return whole

    async def take_away(runtime: Runtime, name: str) -> None:
        from lunalux_core.config.config_file import remove_model, reset_value
        from lunalux_core.llm.model_registry import credential_name

        if not remove_model(runtime.paths.config_file, name):
            # Somebody removed it while the question was open.
            raise unknown(())
        runtime.credentials.delete(credential_name(name))
        # Or every reply would ask for a model that is gone.
        if runtime.settings.model == name:
            reset_value(runtime.paths.config_file, "chat.model")
        if as_json:
            output.print_json({"id": name, "name": name, "removed": True})
        else:
            output.say("removed", name=name)

    delete_asked(find, lambda name: t("cli.delete_model", name=name), take_away, yes=yes)


@model_app.command()
@in_runtime
async def test(runtime: Runtime, name: str = NAME, as_json: bool = JSON) -> None:
    """Ask a model for a few words and say how long it took.

    Example: lunalux model test openai:gpt-4o-mini --json
    """
    from lunalux_core.llm.probe import probe
    from lunalux_core.llm.servers.server_model import ServerModel

    spec = runtime.models.named(name)
    model = runtime.models.open(spec)
    if isinstance(model, ServerModel):
        # A test asks the server again, as somebody may just have changed it.
        model.forget()
    trial = await probe(model)
    if as_json:
        output.print_json(
            {
                "id": spec.name,
                "name": spec.name,
                "model": trial.model,
                "ok": True,
                "first_token_seconds": round(trial.first_seconds, 3),
                "seconds": round(trial.seconds, 3),
                "sample": trial.sample,
            }
        )
    else:
        first, whole = f"{trial.first_seconds:.2f}", f"{trial.seconds:.2f}"
        sample = clean_line(trial.sample, 200)
        output.print_text(t("cli.model_answers", name=spec.name, sample=sample, first=first, all=whole))


@model_app.command()
@in_runtime
async def use(runtime: Runtime, name: str = NAME, as_json: bool = JSON) -> None:
    """Put a model in use for every conversation.

    Example: lunalux model use local
    """
    from lunalux_core.config.config_file import set_value

    name = runtime.models.named(name).name
    set_value(runtime.paths.config_file, "chat.model", name)
    if as_json:
        output.print_json({"id": name, "name": name, "model": name})
    else:
        output.say("in_use", name=name)
    await _tell_of_profile(runtime, name)


async def _tell_of_profile(runtime: Runtime, name: str) -> None:
    """A profile that is in use everywhere and names a model goes before the one of the settings."""
    from lunalux_core.library.profiles import ProfilePlace

    uses = await runtime.library.profiles.uses()
    everywhere = uses.get(ProfilePlace("global"))
    for profile in await runtime.library.profiles.list():
        if profile.id == everywhere and profile.model not in ("", name):
            output.say("profile_wins", profile=profile.name, model=profile.model)


@model_app.command()
@in_runtime
async def load(runtime: Runtime, name: str = NAME, as_json: bool = JSON) -> None:
    """Have a model's server take it into memory: llama.cpp's router, Ollama, LM Studio, TabbyAPI and others.

    Example: lunalux model load local --json
    """
    await _in_memory(runtime, name, True, as_json)


@model_app.command()
@in_runtime
async def unload(runtime: Runtime, name: str = NAME, as_json: bool = JSON) -> None:
    """Have a model's server take it out of memory.

    Example: lunalux model unload local
    """
    await _in_memory(runtime, name, False, as_json)


async def _in_memory(runtime: Runtime, name: str, loaded: bool, as_json: bool) -> None:
    spec = runtime.models.named(name)
    output.passing("loading" if loaded else "unloading", name=spec.name)
    try:
        await runtime.models.load(spec, loaded)
    finally:
        output.passing()
    window = runtime.models.windowed(spec).context_tokens if loaded else None
    if as_json:
        output.print_json(
            {"id": spec.name, "name": spec.name, "model": spec.model, "loaded": loaded, "window": window}
        )
    else:
        output.say("loaded" if loaded else "unloaded", name=spec.name)


async def _official(runtime: Runtime, *, refresh: bool) -> list[dict[str, Any]]:
    """The price list as it is known on disk, with what our options call each model; fetched when that is
    wished, and when it never was.
    """
    if refresh:
        from lunalux_tui.cli.account import snapshot

        state = await snapshot(runtime, refresh=True)
    else:
        state = await runtime.account.load()
    if not state.models:
        try:
            state = await runtime.account.ensure()
        except LunaluxError as error:
            output.warn(error)
    in_use = runtime.settings.model
    return [
        {
            "id": row["modelId"],
            "name": f"official:{row['modelId']}",
            "in_use": in_use == f"official:{row['modelId']}",
            **row,
        }
        for row in state.models
    ]


def _own(spec: ModelSpec, in_use: str) -> dict[str, Any]:
    return {
        "id": spec.name,
        "name": spec.name,
        "provider": spec.provider,
        "model": spec.model,
        # An address may hold a password, as in http://name:password@host.
        "base_url": without_password(spec.base_url) or None,
        "context_tokens": spec.context_tokens,
        "window_source": spec.window_source,
        "mode": spec.mode,
        "template": spec.template or None,
        "in_use": spec.name == in_use,
    }


def _price(row: dict[str, Any]) -> str:
    prices = []
    if row["freeLevel"] >= 0:
        prices.append(t("cli.free_from", level=row["freeLevel"]) if row["freeLevel"] else t("cli.free"))
    coins = []
    if row["allowStar"] and row["starCost"] >= 0:
        coins.append(f"{row['starCost']} {output.heading('star')}")
    if row["allowLuna"] and row["lunaCost"] >= 0:
        coins.append(f"{row['lunaCost']} {output.heading('luna')}")
    if len(coins) == 2:
        coins = [t("model.or", one=coins[0], other=coins[1])]
    return " · ".join([*prices, *coins]) or t("cli.not_offered")
