"""`lunalux profile`: what replies are made with, under a name, and where each is in use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from lunalux_core.errors import InvalidInput, NotFound
from lunalux_core.library.profiles import NOBODY, TASKS, Profile, ProfilePlace, Task
from lunalux_core.llm.model import POST_PROCESSING
from lunalux_core.llm.parameters import plain_value, read_pairs
from lunalux_core.runtime import Runtime
from lunalux_core.templates.template_values import ReplyStart
from lunalux_tui.cli import output
from lunalux_tui.cli.conversation import YES
from lunalux_tui.cli.run import delete_named, in_runtime, named_character
from lunalux_tui.cli.shelf_commands import JSON, import_each, read_json, there_already
from lunalux_tui.i18n import t

profile_app = typer.Typer(
    help="Name what replies are made with (model, preset, template …), and put it in use.",
    no_args_is_help=True,
    add_completion=False,
)
commands = {"profile": profile_app}

NAME = typer.Argument(metavar="NAME", help="Name or id of a profile.")


@profile_app.command("list")
@in_runtime
async def list_profiles(runtime: Runtime, as_json: bool = JSON) -> None:
    """Every profile, and where it is in use.

    Example: lunalux profile list --json
    """
    uses = await runtime.library.profiles.uses()
    rows = [_row(profile, uses) for profile in await runtime.library.profiles.list()]
    if as_json:
        output.print_json(rows)
        return
    output.print_table(
        ["id", "name", "model", "preset", "in use"],
        [[row["id"], row["name"], row["model"] or "-", row["preset"] or "-", _places(row)] for row in rows],
    )


@profile_app.command()
@in_runtime
async def add(
    runtime: Runtime,
    name: str = typer.Argument(metavar="NAME", help="What to call it; one of that name is replaced."),
    model: str = typer.Option("", help="A saved model, openai:MODEL, official:ID, practice and so on."),
    preset: str = typer.Option("", help="Name of a preset."),
    template: str = typer.Option("", help="For models of text completion: name of a template."),
    start_with: str = typer.Option("", "--start-with", metavar="TEXT", help="What replies begin with."),
    hide_start: bool = typer.Option(False, "--hide-start", help="Do not show that beginning."),
    stop: list[str] = typer.Option([], "--stop", metavar="TEXT", help="End a reply before this text."),
    set_: list[str] = typer.Option(
        [], "--set", metavar="NAME=VALUE", help="A parameter of the request (docs/parameters.md)."
    ),
    post_process: str = typer.Option(
        "", "--post-process", metavar="MODE", help="none, merge, semi-strict, strict or single."
    ),
    exclude_script: list[str] = typer.Option(
        [], "--exclude-script", metavar="NAME", help="A regex script that does not run."
    ),
    as_json: bool = JSON,
) -> None:
    """Save a profile. It names what is used and copies nothing: a preset that changes changes with it. What
    it leaves out is left to the next profile, then to the settings.

    Example: lunalux profile add Quick --model local --preset default --set temperature=0.8
    """
    if post_process and post_process not in POST_PROCESSING:
        raise output.not_known("--post-process", post_process, POST_PROCESSING)
    # Model, preset and template are looked up here: a name that nothing has would fail only in a chat.
    profile = Profile(
        name,
        model=_known_model(runtime, model),
        preset=await _known_preset(runtime, preset),
        template=await _known_template(runtime, template),
        start=ReplyStart("", start_with, show=not hide_start) if start_with.strip() else None,
        stop=tuple(stop),
        sampling={key: plain_value(value) for key, value in read_pairs(set_).items()},
        post_process=post_process,
        excluded=tuple([await _known_script(runtime, script) for script in exclude_script]),
    )
    saved, replaced = await runtime.library.profiles.save(profile)
    if as_json:
        output.print_json(_row(saved, await runtime.library.profiles.uses()))
    else:
        output.say("profile_saved", name=saved.name)
    if replaced:
        output.say("profile_replaced")


@profile_app.command()
@in_runtime
async def show(runtime: Runtime, name: str = NAME, as_json: bool = JSON) -> None:
    """What a profile names, and where it is in use.

    Example: lunalux profile show Quick --json
    """
    profile = await runtime.library.profiles.find(name)
    row = _row(profile, await runtime.library.profiles.uses())
    if as_json:
        output.print_json(row)
        return
    shown = {**row, "in_use": _places(row)}
    output.print_table(["", ""], [[key, _in_words(value)] for key, value in shown.items()])


@profile_app.command()
@in_runtime
async def use(
    runtime: Runtime,
    name: str = typer.Argument(metavar="NAME", help="Name or id of a profile; none for no profile."),
    conversation: str = typer.Option("", metavar="ID", help="In this conversation."),
    character: str = typer.Option("", metavar="NAME", help="With this character."),
    group: str = typer.Option("", metavar="NAME", help="In this group, for --member."),
    member: str = typer.Option("", metavar="NAME", help="When this member of --group speaks."),
    task: str = typer.Option("", metavar="TASK", help=f"For a task: {', '.join(TASKS)}."),
    as_json: bool = JSON,
) -> None:
    """Put a profile in use: everywhere, or in one place. The most specific wins: chat, member, character,
    everywhere.

    Example: lunalux profile use Quick --character Mirelle
    """
    place = await _place(runtime, conversation, character, group, member, task)
    profiles = runtime.library.profiles
    off = name.strip().casefold() == NOBODY
    profile = None if off else await profiles.find(name)
    await profiles.use(place, profile.id if profile is not None else "")
    if as_json:
        told = {"id": None, "name": None} if profile is None else {"id": profile.id, "name": profile.name}
        output.print_json({**told, **_place_row(place)})
        return
    where = t(f"cli.where_{place.scope}", target=task or character)
    if profile is None:
        output.say("profile_off", where=where)
    else:
        output.say("profile_in_use", name=profile.name, where=where)


@profile_app.command()
def delete(
    name: str = NAME,
    yes: bool = YES,
    as_json: bool = JSON,
) -> None:
    """Delete a profile; what it names stays. Where it was in use, the next one is.

    Example: lunalux profile delete Quick --yes
    """

    delete_named(
        lambda runtime: runtime.library.profiles.find(name),
        lambda profile: t("cli.delete_profile", name=profile.name),
        lambda runtime, profile: runtime.library.profiles.delete(profile.id),
        yes=yes,
        as_json=as_json,
    )


@profile_app.command("import")
@in_runtime
async def import_profiles(
    runtime: Runtime, paths: list[Path] = typer.Argument(metavar="PATH..."), as_json: bool = JSON
) -> None:
    """Read SillyTavern's connection profiles out of its settings.json: the names of what they use, never an
    address, a proxy or a key. None is put in use; one that has the name of yours gets a number.

    Example: lunalux profile import ~/SillyTavern/data/default-user/settings.json
    """
    from lunalux_core.importing.connection_profiles import ReadProfile, connection_profiles

    def read(path: Path) -> list[ReadProfile]:
        profiles = connection_profiles(read_json(path))
        if not profiles:
            raise InvalidInput(
                "PROFILES_NONE",
                f"There are no connection profiles in {path.name}.",
                "Give SillyTavern's settings.json.",
                path=path.name,
            )
        return profiles

    async def store(entry: ReadProfile) -> tuple[dict[str, Any], Sequence[str]]:
        saved, is_new = await runtime.library.profiles.add(entry.profile)
        # None is put in use here, so the person hears which one was.
        if entry.in_use:
            output.say("profile_was_used", name=saved.name)
        row = _row(saved, await runtime.library.profiles.uses())
        return row, entry.notes if is_new else there_already(saved.name)

    await import_each(
        paths,
        read,
        store,
        lambda row: (row["id"], row["name"], row["model"]),
        as_json=as_json,
        notes_by_name=True,
    )


# -- looking names up ---------------------------------------------------------------------------------


def _known_model(runtime: Runtime, name: str) -> str:
    """Raises NotFound (MODEL_UNKNOWN)."""
    return runtime.models.named(name).name if name else ""


async def _known_preset(runtime: Runtime, name: str) -> str:
    """The whole name of a preset. Raises NotFound."""
    from lunalux_tui.cli.preset import find_preset

    if not name:
        return ""
    preset = await find_preset(runtime, name)
    return preset if isinstance(preset, str) else preset.name


async def _known_template(runtime: Runtime, name: str) -> str:
    """The whole name of a template. Raises NotFound."""
    from lunalux_core.dialogue.text_templates import full_template_name

    return full_template_name(await runtime.library.templates.list(), name) if name else ""


async def _known_script(runtime: Runtime, name: str) -> str:
    """The name of a script of the library; cards and presets may bring others, which nobody knows yet."""
    try:
        return (await runtime.library.scripts.find(name)).name
    except NotFound:
        return name


async def _place(
    runtime: Runtime, conversation: str, character: str, group: str, member: str, task: str
) -> ProfilePlace:
    """Where a profile is to be used. Raises InvalidInput (USAGE), NotFound."""
    if bool(group) != bool(member):
        raise InvalidInput(
            "USAGE", "--member and --group go together.", "Give both, or neither.", kind="member"
        )
    if sum(map(bool, (conversation, character, group, task))) > 1:
        raise InvalidInput(
            "USAGE",
            "A profile is put in use in one place at a time.",
            "Give one of --conversation, --character, --group with --member, and --task.",
            kind="one_place",
        )
    library = runtime.library
    if task:
        tasks: dict[str, Task] = {name: name for name in TASKS}
        if task not in tasks:
            raise output.not_known("--task", task, TASKS)
        return ProfilePlace("task", task)
    if conversation:
        return ProfilePlace("conversation", (await library.conversations.named(conversation)).id)
    if group:
        chosen = await library.groups.find(group)
        return ProfilePlace.of_member(chosen.id, chosen.find(member).character_id)
    return (
        ProfilePlace("character", (await named_character(runtime, character)).id)
        if character
        else ProfilePlace("global")
    )


def _row(profile: Profile, uses: Mapping[ProfilePlace, str]) -> dict[str, Any]:
    places = [_place_row(place) for place, used in uses.items() if used == profile.id]
    return {"id": profile.id, "name": profile.name, **profile.as_document(), "in_use": places}


def _place_row(place: ProfilePlace) -> dict[str, Any]:
    return {"scope": place.scope, "target": place.target or None}


def _places(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{place['scope']} {place['target'] or ''}".strip() for place in row["in_use"])


def _in_words(value: object) -> str:
    """A value of a profile in a table."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_in_words(part)}" for key, part in value.items()) or "-"
    if isinstance(value, list):
        return ", ".join(map(_in_words, value)) or "-"
    return "-" if value is None or value == "" else str(value)
