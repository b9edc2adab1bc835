"""Which model, preset and parameters a reply (or another task) uses: profiles first, then the settings.

The profile that was named for the turn goes before the task's, the chat's, the member's, the character's and
the one in use everywhere. What a profile names and does not exist is reported, and the next one applies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from lunalux_core.errors import LunaluxError, NotFound
from lunalux_core.library.turns import uses_profiles
from lunalux_core.llm.model import POST_PROCESSING, SERVERLESS

if TYPE_CHECKING:
    from lunalux_core.config.settings import Settings
    from lunalux_core.database import Connection
    from lunalux_core.library.conversations import Conversation
    from lunalux_core.library.profiles import Profile, Task
    from lunalux_core.llm.model import ModelSpec
    from lunalux_core.llm.model_registry import Registry
    from lunalux_core.templates.template_values import ReplyStart

ProfilePart = Literal["model", "preset", "template"]


@dataclass(frozen=True, slots=True)
class ProfileGap:
    """A profile names something that is not there."""

    profile: str
    part: ProfilePart
    name: str


@dataclass(frozen=True, slots=True)
class Choice:
    """What is used, and who said so.

    Args:
        preset: the name of the profiles' preset, "" where none names one.
        own_preset: whether that goes before the one that the chat itself has.
        parts: templates by kind that stand in the place of the model's.
        sampling: parameters by our names.
        excluded: names of regex scripts that do not run.
        profiles: names of those that were asked, in this order.
    """

    model: ModelSpec
    preset: str = ""
    own_preset: bool = False
    parts: Mapping[str, str] = field(default_factory=dict)
    start: ReplyStart | None = None
    sampling: Mapping[str, Any] = field(default_factory=dict)
    excluded: frozenset[str] = frozenset()
    profiles: tuple[str, ...] = ()
    gaps: tuple[ProfileGap, ...] = ()


@dataclass(frozen=True, slots=True)
class Chain:
    """The profiles of a turn in the order they are asked. The first `own` of them go before the chat's own
    choices.
    """

    profiles: tuple[Profile, ...] = ()
    own: int = 0


def profile_chain(
    connection: Connection,
    conversation: Conversation,
    speaker: str,
    named: str = "",
    task: Task | None = None,
) -> Chain:
    """The profiles of a turn, or of a task, in a conversation.

    Args:
        speaker: the member of a group who speaks.
        named: the profile that was named for this turn.

    Raises:
        NotFound: PROFILE_NOT_FOUND, the named one.
    """
    # Most libraries have no profile in use: one quick query tells, and nothing of profiles is loaded.
    if not named and not uses_profiles(connection):
        return Chain()
    from lunalux_core.library.profiles import ProfilePlace, load_profiles, pick, profile_in_use

    character = speaker if conversation.group_id else conversation.character_id
    places = [ProfilePlace("conversation", conversation.id)]
    if conversation.group_id:
        places.append(ProfilePlace.of_member(conversation.group_id, speaker))
    places += [ProfilePlace("character", character), ProfilePlace("global")]
    own = [pick(load_profiles(connection), named)] if named else []
    # Before the chat's own: a task wants a model of its own, whoever replies there.
    if task is not None and (of_task := profile_in_use(connection, ProfilePlace("task", task))):
        own.append(of_task)
    profiles = (profile_in_use(connection, place) for place in places)
    return Chain((*own, *(profile for profile in profiles if profile is not None)), len(own))


class Chooser:
    """Goes through a chain of profiles.

    Args:
        has_preset, has_template: whether something of that name is there.
        start_of: what replies begin with by a template of that name.
    """

    def __init__(
        self,
        chain: Chain,
        models: Registry,
        settings: Settings,
        has_preset: Callable[[str], bool],
        has_template: Callable[[str], bool],
        start_of: Callable[[str], ReplyStart | None],
    ) -> None:
        self._chain = chain
        self._models = models
        self._settings = settings
        self._has_preset = has_preset
        self._has_template = has_template
        self._start_of = start_of
        self._gaps: list[ProfileGap] = []

    def choose(self, model: str = "") -> Choice:
        """What is used; `model` is what was named for the turn itself.

        Raises:
            NotFound: MODEL_UNKNOWN, the one of the turn or of the settings.
        """
        profiles = self._chain.profiles
        preset, own_preset = self.preset()
        template = self._first_template()
        parts = self._parts()
        return Choice(
            self._reshaped(self._model(model), template),
            preset,
            own_preset,
            parts,
            self._start(template),
            self._sampling(),
            frozenset(name for profile in profiles for name in profile.excluded),
            tuple(profile.name for profile in profiles),
            tuple(self._gaps),
        )

    def _model(self, named: str) -> ModelSpec:
        if named:
            return self._models.resolve(named)
        for profile in self._chain.profiles:
            if profile.model:
                spec = find_model(self._models, profile.model)
                if spec is not None:
                    return spec
                self._gaps.append(ProfileGap(profile.name, "model", profile.model))
        return self._models.resolve(self._settings.model)

    def preset(self) -> tuple[str, bool]:
        """The first preset that is there, "" for none, and whether it goes before the chat's own."""
        for place, profile in enumerate(self._chain.profiles):
            if profile.preset:
                if self._has_preset(profile.preset):
                    return profile.preset, place < self._chain.own
                self._gaps.append(ProfileGap(profile.name, "preset", profile.preset))
        return "", False

    def _first_template(self) -> str:
        return next(self._known_templates(lambda profile: profile.template), "")

    def _known_templates(self, part: Callable[[Profile], str]) -> Iterator[str]:
        for profile in self._chain.profiles:
            if name := part(profile):
                if self._has_template(name):
                    yield name
                else:
                    self._gaps.append(ProfileGap(profile.name, "template", name))

    def _parts(self) -> dict[str, str]:
        """By kind; of each kind the first that is there."""
        kinds = dict.fromkeys(kind for profile in self._chain.profiles for kind in profile.parts)
        names = {
            kind: next(self._known_templates(lambda profile, kind=kind: profile.parts.get(kind, "")), "")  # type: ignore[misc]
            for kind in kinds
        }
        return {kind: name for kind, name in names.items() if name}

    def _start(self, template: str) -> ReplyStart | None:
        own = next((profile.start for profile in self._chain.profiles if profile.start is not None), None)
        return own or (self._start_of(template) if template else None)

    def _sampling(self) -> dict[str, Any]:
        values: dict[str, Any] = {}
        # From the weakest on, so that the first in the chain has the last word on each.
        for profile in reversed(self._chain.profiles):
            values |= profile.sampling
            if profile.stop:
                values["stop"] = list(profile.stop)
        return values

    def _reshaped(self, spec: ModelSpec, template: str) -> ModelSpec:
        """The model with the options that the profiles set."""
        if spec.provider in SERVERLESS:
            return spec
        wanted = next((profile.post_process for profile in self._chain.profiles if profile.post_process), "")
        for mode in POST_PROCESSING:
            if mode == wanted:
                spec = replace(spec, options=replace(spec.options, post_process=mode))
        return replace(spec, template=template) if template else spec


def find_model(models: Registry, name: str) -> ModelSpec | None:
    """A model by its name, else a saved one that asks its server for a model of that name."""
    try:
        return models.resolve(name)
    except NotFound:
        return next((spec for spec in models.specs() if spec.model == name), None)
    except LunaluxError:
        return None
