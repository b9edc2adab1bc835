"""The places where a profile can be in use, and the profiles, as rows to choose from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lunalux_core.library.profiles import NOBODY, TASKS, Profile, ProfilePlace
from lunalux_tui.chat.opener import OpenChat
from lunalux_tui.i18n import t
from lunalux_tui.parts.rows import Row


@dataclass(frozen=True, slots=True)
class ProfileUse:
    """Where a profile is in use, and what a person calls that."""

    use: ProfilePlace
    title: str


def places_of(chat: OpenChat) -> Mapping[str, ProfileUse]:
    """The places that matter in a chat, in the order in which they are asked."""
    places: dict[str, ProfileUse] = {}
    if chat.conversation is not None:
        places["chat"] = ProfileUse(
            ProfilePlace("conversation", chat.conversation.id), t("profiles.places.chat")
        )
    if chat.group is not None:
        for member in chat.group.members:
            use = ProfilePlace.of_member(chat.group.id, member.character_id)
            places[f"member {member.character_id}"] = ProfileUse(
                use, t("profiles.places.member", name=member.name)
            )
    elif chat.character is not None:
        use = ProfilePlace("character", chat.character.id)
        places["character"] = ProfileUse(use, t("profiles.places.character", name=chat.character.name))
    places["global"] = ProfileUse(ProfilePlace("global"), t("profiles.places.global"))
    for task in TASKS:
        places[f"task {task}"] = ProfileUse(ProfilePlace("task", task), t(f"profiles.tasks.{task}"))
    return places


def row_of(key: str, place: ProfileUse, name: str) -> Row:
    """A place with the name of its profile."""
    return Row(key, place.title, right=name or "-")


def profile_rows(profiles: Sequence[Profile], used: str) -> Sequence[Row]:
    """No profile, then all of them with what they name."""
    nobody = Row(NOBODY, t("profiles.nobody"), t("profiles.nobody_help"), mark=" " if used else "✓")
    return [nobody, *(_row(profile, used) for profile in profiles)]


def _row(profile: Profile, used: str) -> Row:
    named = [profile.model, profile.preset, profile.template, *profile.parts.values(), profile.post_process]
    named += [f"{name} {value}" for name, value in profile.sampling.items()]
    detail = " · ".join(filter(None, named)) or t("profiles.empty")
    return Row(profile.id, profile.name, detail, mark="✓" if profile.id == used else " ")
