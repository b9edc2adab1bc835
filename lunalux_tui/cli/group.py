"""`lunalux group …`: several characters who share conversations, and who of them speaks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from lunalux_core.errors import InvalidInput
from lunalux_core.library.groups import LONGEST_DELAY, CardMode, Group, TurnOrder
from lunalux_core.runtime import Runtime
from lunalux_tui.cli import output
from lunalux_tui.cli.conversation import YES
from lunalux_tui.cli.run import delete_named, in_runtime, named_character
from lunalux_tui.cli.shelf_commands import JSON, scenario_command
from lunalux_tui.i18n import t

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Members = list[tuple[str, bool]]

group_app = typer.Typer(
    help="Bring characters together in groups.", no_args_is_help=True, add_completion=False
)
commands = {"group": group_app}

GROUP = typer.Argument(metavar="GROUP", help="Name or id of a group.")
CHARACTERS = typer.Argument(metavar="CHARACTER...", help="Characters, names or ids.")
ORDER_HELP = (
    "Who answers: those who are named or talkative, all in turn, nobody unasked, one who has not spoken yet, "
    "or whom a model names (director; its model: `profile use NAME --task director`)."
)
CARDS_HELP = (
    "The prompt holds the speaker's card (swap), those of all but the muted (append), "
    "or those of all (append_muted)."
)
PREFIX_HELP = "Before each member's field where cards are joined; <FIELDNAME> names it, {{char}} the member."
SUFFIX_HELP = "After each member's field where cards are joined."
AUTO_HELP = "In the app, the next one speaks by itself after each reply."
DELAY_HELP = "Seconds it waits for that."
PROFILE_HELP = "The profile a member speaks with, as MEMBER=PROFILE; none takes it away."
DELAY = typer.Option(None, "--auto-delay", help=DELAY_HELP, min=0, max=LONGEST_DELAY)
SELF_HELP = "Whether the one who spoke last may be the next."


@group_app.command("list")
@in_runtime
async def list_(
    runtime: Runtime,
    tag: list[str] = typer.Option([], help="Only those with this tag of yours; repeat it for several."),
    without: list[str] = typer.Option([], help="Only those without this tag; repeat it for several."),
    as_json: bool = JSON,
) -> None:
    """Every group, the one used last first.

    Example: lunalux group list --tag "to read" --json
    """
    tags = runtime.library.tags
    having = {(await tags.find(name)).name for name in tag}
    lacking = {(await tags.find(name)).name for name in without}
    own = await _own_tags(runtime)
    groups = [
        group
        for group in await runtime.library.groups.list()
        if having.issubset(own.get(group.id, ())) and lacking.isdisjoint(own.get(group.id, ()))
    ]
    if as_json:
        names = await _profile_names(runtime)
        output.print_json([_row(group, names, own.get(group.id, ())) for group in groups])
    else:
        output.print_table(
            ["id", "name", "order", "members"],
            [[group.id, group.name, group.order, ", ".join(group.names)] for group in groups],
        )


@group_app.command()
@in_runtime
async def show(runtime: Runtime, group: str = GROUP, as_json: bool = JSON) -> None:
    """A group's rules and members.

    Example: lunalux group show "The night watch"
    """
    await _print(runtime, await runtime.library.groups.find(group), as_json)


@group_app.command()
@in_runtime
async def create(
    runtime: Runtime,
    name: str = typer.Argument(help="What the group is called."),
    characters: list[str] = CHARACTERS,
    order: TurnOrder = typer.Option("natural", help=ORDER_HELP),
    cards: CardMode = typer.Option("swap", help=CARDS_HELP),
    self_responses: bool = typer.Option(False, "--self-responses/--no-self-responses", help=SELF_HELP),
    join_prefix: str = typer.Option("", help=PREFIX_HELP),
    join_suffix: str = typer.Option("", help=SUFFIX_HELP),
    auto: bool = typer.Option(False, "--auto/--no-auto", help=AUTO_HELP),
    auto_delay: int | None = DELAY,
    as_json: bool = JSON,
) -> None:
    """Bring several characters together. `lunalux conversation group` also starts their conversation.

    Example: lunalux group create "The night watch" Mirelle "Captain Sol" --order pooled
    """
    # Before it the characters that come with the program cannot be named.
    await runtime.first_start()
    groups = runtime.library.groups
    group = await groups.create(name, [member for member, _ in await _find_members(runtime, characters)])
    await groups.set(
        group.id,
        order=order,
        cards=cards,
        self_responses=self_responses,
        join_prefix=join_prefix,
        join_suffix=join_suffix,
        auto_mode=auto,
        # 0 is a delay, too, so "not given" is None and leaves the usual one.
        **({} if auto_delay is None else {"auto_delay": auto_delay}),
    )
    await _print(runtime, await groups.get(group.id), as_json)


@group_app.command("set")
@in_runtime
async def set_(
    runtime: Runtime,
    group: str = GROUP,
    name: str = typer.Option("", help="A new name."),
    order: TurnOrder | None = typer.Option(None, help=ORDER_HELP),
    cards: CardMode | None = typer.Option(None, help=CARDS_HELP),
    self_responses: bool | None = typer.Option(None, "--self-responses/--no-self-responses", help=SELF_HELP),
    join_prefix: str | None = typer.Option(None, help=PREFIX_HELP),
    join_suffix: str | None = typer.Option(None, help=SUFFIX_HELP),
    auto: bool | None = typer.Option(None, "--auto/--no-auto", help=AUTO_HELP),
    auto_delay: int | None = DELAY,
    profile: list[str] = typer.Option([], "--profile", metavar="MEMBER=PROFILE", help=PROFILE_HELP),
    as_json: bool = JSON,
) -> None:
    """Change a group's name and rules.

    Example: lunalux group set "The night watch" --order manual
    """
    groups = runtime.library.groups
    identity = (await groups.find(group)).id
    wishes = {
        "name": name or None,
        "order": order,
        "cards": cards,
        "self_responses": self_responses,
        "join_prefix": join_prefix,
        "join_suffix": join_suffix,
        "auto_mode": auto,
        "auto_delay": auto_delay,
    }
    # Before the rules: where a name is not found, nothing is changed.
    await _use_profiles(runtime, await groups.get(identity), profile)
    if changes := {key: value for key, value in wishes.items() if value is not None}:
        await groups.set(identity, **changes)
    await _print(runtime, await groups.get(identity), as_json)


@group_app.command()
@in_runtime
async def add(
    runtime: Runtime, group: str = GROUP, characters: list[str] = CHARACTERS, as_json: bool = JSON
) -> None:
    """Let characters join a group, as its last members.

    Example: lunalux group add "The night watch" Seraphina
    """
    joining = await _find_members(runtime, characters)
    await _change(runtime, group, lambda now: [*now, *joining], as_json)


@group_app.command()
@in_runtime
async def remove(
    runtime: Runtime, group: str = GROUP, characters: list[str] = CHARACTERS, as_json: bool = JSON
) -> None:
    """Let members leave a group; what they said stays.

    Example: lunalux group remove "The night watch" Mirelle
    """
    await _of_members(
        runtime,
        group,
        characters,
        as_json,
        lambda now, leaving: [pair for pair in now if pair[0] not in leaving],
    )


@group_app.command()
@in_runtime
async def mute(
    runtime: Runtime, group: str = GROUP, characters: list[str] = CHARACTERS, as_json: bool = JSON
) -> None:
    """Let members be there without speaking unless they are asked by name.

    Example: lunalux group mute "The night watch" Mirelle
    """
    await _of_members(
        runtime, group, characters, as_json, lambda now, those: [(id, m or id in those) for id, m in now]
    )


@group_app.command()
@in_runtime
async def unmute(
    runtime: Runtime, group: str = GROUP, characters: list[str] = CHARACTERS, as_json: bool = JSON
) -> None:
    """Let muted members speak again.

    Example: lunalux group unmute "The night watch" Mirelle
    """
    await _of_members(
        runtime, group, characters, as_json, lambda now, those: [(id, m and id not in those) for id, m in now]
    )


@group_app.command()
def delete(
    group: str = GROUP,
    yes: bool = YES,
    as_json: bool = JSON,
) -> None:
    """Delete a group with its conversations; its characters stay.

    Example: lunalux group delete "The night watch" --yes
    """

    delete_named(
        lambda runtime: runtime.library.groups.find(group),
        lambda group: t("cli.delete_group", name=group.name),
        lambda runtime, group: runtime.library.groups.delete(group.id),
        yes=yes,
        as_json=as_json,
    )


scenario_command(
    group_app,
    "groups",
    "Replay a file of group scenarios and print, for each, the names of those who speak.\n\n"
    "Example: lunalux group test --scenarios groups.json",
)


async def _of_members(
    runtime: Runtime,
    group: str,
    names: list[str],
    as_json: bool,
    change: Callable[[Members, set[str]], Members],
) -> None:
    place = await runtime.library.groups.find(group)
    those = {place.find(name).character_id for name in names}
    await _change(runtime, place.id, lambda now: change(now, those), as_json)


async def _change(runtime: Runtime, name: str, change: Callable[[Members], Members], as_json: bool) -> None:
    groups = runtime.library.groups
    group = await groups.find(name)
    members = change([(member.character_id, member.muted) for member in group.members])
    await _print(runtime, await groups.set_members(group.id, members), as_json)


async def _use_profiles(runtime: Runtime, group: Group, written: list[str]) -> None:
    """Put profiles in use for members. Raises InvalidInput (USAGE), NotFound."""
    from lunalux_core.library.profiles import NOBODY, ProfilePlace

    chosen: list[tuple[ProfilePlace, str]] = []
    for pair in written:
        # From the right: names of members come from cards and may hold the sign.
        member, sign, name = pair.rpartition("=")
        if not sign:
            message = f"{pair!r} is not MEMBER=PROFILE."
            raise InvalidInput("USAGE", message, "Write it so.", kind="member_profile")
        use = ProfilePlace.of_member(group.id, group.find(member).character_id)
        nobody = name.casefold() == NOBODY
        chosen.append((use, "" if nobody else (await runtime.library.profiles.find(name)).id))
    for use, identity in chosen:  # all of them, or none
        await runtime.library.profiles.use(use, identity)


async def _find_members(runtime: Runtime, names: list[str]) -> Members:
    return [((await named_character(runtime, name)).id, False) for name in names]


async def _profile_names(runtime: Runtime) -> dict[str, str]:
    """What the profiles of members are called, by group and member."""
    shelf = runtime.library.profiles
    uses = {use.target: identity for use, identity in (await shelf.uses()).items() if use.scope == "member"}
    names = {profile.id: profile.name for profile in await shelf.list()} if uses else {}
    return {target: names[identity] for target, identity in uses.items() if identity in names}


async def _own_tags(runtime: Runtime) -> dict[str, list[str]]:
    """The names of the person's tags on every group that has some."""
    of_groups = await runtime.library.tags.of_groups()
    return {identity: [tag.name for tag in tags] for identity, tags in of_groups.items()}


def _row(group: Group, profiles: Mapping[str, str], tags: Sequence[str]) -> dict[str, Any]:
    return {
        "id": group.id,
        "name": group.name,
        "order": group.order,
        "cards": group.cards,
        "self_responses": group.self_responses,
        "join_prefix": group.join_prefix,
        "join_suffix": group.join_suffix,
        "auto_mode": group.auto_mode,
        "auto_delay": group.auto_delay,
        "own_tags": [*tags],
        "members": [
            {
                "id": member.character_id,
                "name": member.name,
                "muted": member.muted,
                "profile": profiles.get(f"{group.id}:{member.character_id}"),
            }
            for member in group.members
        ],
    }


async def _print(runtime: Runtime, group: Group, as_json: bool) -> None:
    row = _row(group, await _profile_names(runtime), (await _own_tags(runtime)).get(group.id, ()))
    if as_json:
        output.print_json(row)
        return
    auto = f"\tauto {group.auto_delay} s" if group.auto_mode else ""
    output.print_text(f"{group.id}\t{group.name}\t{group.order}\t{group.cards}{auto}")
    output.print_table(
        ["id", "name", "muted", "profile"],
        [
            [
                member["id"],
                member["name"],
                output.label("muted") if member["muted"] else "",
                member["profile"] or "",
            ]
            for member in row["members"]
        ],
    )
