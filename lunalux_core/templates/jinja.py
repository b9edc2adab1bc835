"""A chat template as models carry it (Jinja), rendered. It comes from a server, so its work is bounded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

FUEL = 200_000
"""Instructions that a template may take; a few turns need some hundreds."""
LONGEST = 200_000
"""Characters of a template that is looked at."""


def render_chat(template: str, messages: Sequence[Mapping[str, str]]) -> str:
    """What the template makes of messages, up to where the reply begins; "" where it cannot be rendered."""
    if len(template) > LONGEST:
        return ""
    import minijinja  # deferred: only servers without a renderer of their own need it

    def refuse(reason: object) -> None:
        raise ValueError(reason)

    environment = minijinja.Environment(
        fuel=FUEL,
        # As the library renders them that these templates are written for.
        trim_blocks=True,
        lstrip_blocks=True,
        # The two functions that it adds; a template that calls one could not be rendered without.
        globals={"raise_exception": refuse, "strftime_now": lambda _: ""},
    )
    try:
        return str(
            environment.render_str(
                template, messages=list(messages), add_generation_prompt=True, bos_token="", eos_token=""
            )
        )
    except Exception:  # whatever a stranger's template does wrong, there is no text
        return ""
