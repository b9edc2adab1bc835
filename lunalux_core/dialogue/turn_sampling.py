"""The parameters of a turn's request: where each comes from, and what the server does not take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from lunalux_core.dialogue.assembly.prompt import TextForm
from lunalux_core.dialogue.context_window import reply_room
from lunalux_core.dialogue.turn import TurnInput
from lunalux_core.llm.model import SERVERLESS, Sampling
from lunalux_core.llm.parameters import plain_value, sampling_of

_NAMES = tuple(parameter.name for parameter in fields(Sampling))


@dataclass(frozen=True, slots=True)
class TurnSampling:
    """What is asked for. `sources` names for each parameter who said it: turn, profile, model, template,
    preset or settings."""

    sampling: Sampling
    sources: Mapping[str, str] = field(default_factory=dict)


def turn_sampling(turn: TurnInput, form: TextForm | None = None) -> TurnSampling:
    """This turn's own values before the profiles', the model's, a template's or an imported preset's, and the
    settings'."""
    layers: list[tuple[str, Mapping[str, Any]]] = [
        ("turn", _usable(turn.parameters)),
        ("profile", _usable(turn.profiled)),
        ("model", _usable(_values(turn.model.sampling))),
    ]
    if form is not None:
        layers.append(("template", _usable(form.sampling)))
    elif turn.preset.source == "sillytavern":
        layers.append(("preset", _usable(_values(turn.preset.params.sampling))))
    # The settings have bounds of their own, which are those of the parameter.
    layers.append(("settings", {"temperature": turn.settings.temperature}))
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for source, layer in layers:
        for name, value in layer.items():
            if name not in values:
                values[name], sources[name] = value, source
    # The room was kept free of the prompt, so more would not fit whatever anybody asked for.
    room = reply_room(turn)
    if values.get("max_tokens") != room:
        sources["max_tokens"] = "settings"
    values["max_tokens"] = room
    return TurnSampling(Sampling(**values), sources)


def sampling_record(turn: TurnInput, form: TextForm | None = None) -> list[dict[str, Any]]:
    """For the record of a turn: every parameter with its value, who said it, and why it is not sent ("" if it
    is)."""
    sampling, model = turn_sampling(turn, form), turn.model
    omitted: Mapping[str, str] = {}
    if model.provider not in SERVERLESS:
        from lunalux_core.llm.servers.request_fields import untaken

        omitted = untaken(model.provider, model.base_url, sampling.sampling, text=form is not None)
    return [
        {
            "name": name,
            "value": plain_value(value),
            "source": sampling.sources.get(name, ""),
            "untaken": omitted.get(name, ""),
        }
        for name, value in _values(sampling.sampling).items()
    ]


def _usable(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Those of the values that are allowed; most layers are empty."""
    return _values(sampling_of(values)) if values else values


def _values(sampling: Sampling) -> dict[str, Any]:
    """The parameters that are set."""
    return {name: value for name in _NAMES if (value := getattr(sampling, name)) is not None}
