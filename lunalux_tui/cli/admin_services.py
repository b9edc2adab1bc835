"""What every command of `lunalux admin` starts from: the services of a storage, and how a row is named."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import wraps
from inspect import Parameter
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import typer

from lunalux_core.errors import InvalidInput, NotFound
from lunalux_tui.cli import output
from lunalux_tui.cli.run import command_settings, do_asked, run_work, show_parameters
from lunalux_tui.cli.serve import backend_settings, chosen_storage, open_services

if TYPE_CHECKING:
    from lunalux_core.backend.running.services import Services

P = ParamSpec("P")
T = TypeVar("T")

JSON = typer.Option(False, "--json", help="Print one JSON document.")
STORAGE = typer.Option("", "--storage", help="embedded or aws; by default LUNALUX_STORAGE, else embedded.")
DRY_RUN = typer.Option(False, "--dry-run", help="Print what would be done, and do nothing.")
LONGEST_NAMED = 256
"""Characters of an account's address, name or id that are looked up."""
YES = typer.Option(False, "--yes", help="Do not ask.")


def in_services(command: Callable[Concatenate[Services, P], Awaitable[None]]) -> Callable[..., None]:
    """Make a command of an asynchronous function: it is given the services of the storage that `--storage`
    names, as its first parameter."""

    @wraps(command)
    def run(*args: Any, storage: str, **kwargs: Any) -> None:
        with_services(lambda services: command(services, *args, **kwargs), storage)

    # Typer makes the flag of this; `run` keeps its value to itself, the command only knows its services.
    option = Parameter("storage", Parameter.POSITIONAL_OR_KEYWORD, default=STORAGE, annotation=str)
    return show_parameters(run, command, option)


def with_services(work: Callable[[Services], Awaitable[T]], storage: str) -> T:
    """Open the services of a storage, do the work, close them."""
    settings, kind = backend_settings(), chosen_storage(storage)

    async def opened() -> T:
        from lunalux_core.backend.storage.table import Invalid

        services = await open_services(settings, kind)
        try:
            return await work(services)
        # What no storage can hold was typed by the operator: it is wrong usage and no fault of ours.
        except Invalid as error:
            raise InvalidInput(
                "INVALID_REQUEST",
                f"The storage cannot hold or look up what was given: {error}.",
                "Use shorter names and smaller numbers.",
                kind="not_kept",
                reason=str(error),
            ) from error
        finally:
            await services.aclose()

    return run_work(opened)


def remove_asked(
    find: Callable[[Services], Awaitable[T]],
    question: Callable[[T], str],
    remove: Callable[[Services, T], Awaitable[None]],
    *,
    yes: bool,
    storage: str,
) -> None:
    """Find what is to be taken away, ask, and do it.

    Raises:
        InvalidInput: USAGE, there is nobody to ask and `yes` was not said.
    """
    command_settings()  # the question is asked in the person's language
    do_asked(lambda work: with_services(work, storage), find, question, remove, yes=yes)


def picked(wanted: str, names: Sequence[Sequence[str]], missing: Callable[[str], NotFound]) -> int:
    """The place of the row that somebody means: by one of its names in whole, else by a unique beginning or
    word of one, any case.

    Args:
        names: for each row what it is called, the id first.
        missing: makes the error, of the nearest names.

    Raises:
        NotFound: no row, or several.
    """
    key = wanted.strip().casefold()
    folded = [[name.casefold() for name in called if name] for called in names]
    ways: tuple[Callable[[str], bool], ...] = (
        lambda name: name == key,
        lambda name: name.startswith(key),
        lambda name: key in name.split(),
    )
    for way in ways:
        places = [place for place, called in enumerate(folded) if any(map(way, called))]
        if key and len(places) == 1:
            return places[0]
    import difflib

    by_name = {name: called[0] for called, spellings in zip(names, folded, strict=True) for name in spellings}
    near = [name for name in by_name if key and (name.startswith(key) or key in name)]
    near += difflib.get_close_matches(key, list(by_name), 3, 0.5)
    raise missing(", ".join(list(dict.fromkeys(by_name[name] for name in near))[:5]))


async def user_id_of(services: Services, named: str, *, wallet: bool = True) -> str:
    """The account behind an address, an id or a username in whole: what is given, taken or erased never goes
    to somebody whose name only begins alike.

    Args:
        wallet: whether it must have one; an address that was only signed up with has none yet.

    Raises:
        NotFound: USER_NOT_FOUND, with the nearest addresses.
    """
    user_id = await _known_user(services, named, wallet=wallet)
    if user_id is None:
        raise _no_user(named, await _guessed_user(services, named))
    return user_id


async def shown_user_id(services: Services, named: str, *, wallet: bool = True) -> str:
    """The account to look at: as `user_id_of`, else by a unique beginning or word, any case."""
    user_id = await _known_user(services, named, wallet=wallet)
    if user_id is None:
        guessed = await _guessed_user(services, named)
        user_id = await _known_user(services, guessed, wallet=wallet)
    if user_id is None:
        raise _no_user(named, "")
    return user_id


async def _known_user(services: Services, named: str, *, wallet: bool) -> str | None:
    user_id: str | None = named
    if len(named) > LONGEST_NAMED:  # no key of a table is so long
        return None
    if "@" in named:
        user_id = await services.identity.find(named)
        if not wallet:
            return user_id
    elif await services.wallets.get(named) is None:
        user_id = await services.users.owner(named)
    has_wallet = user_id is not None and await services.wallets.get(user_id) is not None
    return user_id if has_wallet else None


async def _guessed_user(services: Services, named: str) -> str:
    """The address, or id, of the one account that may be meant; reads the whole table of accounts.

    Raises:
        NotFound: USER_NOT_FOUND, it may be several or none.
    """
    users = await services.users.all()
    names = [(user.email or user.id, user.id, user.username or "") for user in users]
    return names[picked(named, names, lambda near: _no_user(named, near))][0]


def _no_user(named: str, near: str) -> NotFound:
    hint = f"Did you mean {near}?" if near else "Check the address; a wallet is made at the first sign-in."
    return NotFound(
        "USER_NOT_FOUND",
        f"There is no account {named[:LONGEST_NAMED]!r} with a wallet.",
        hint,
        kind="near" if near else "full",
        name=named[:LONGEST_NAMED],
        near=near,
    )


def wallet_row(user_id: str, wallet: Any) -> dict[str, Any]:
    """A wallet in the service's spelling."""
    return {
        "userId": user_id,
        "luxLevel": wallet.lux_level,
        "starCoin": wallet.star_coin,
        "lunaCoin": wallet.luna_coin,
    }


def tell(document: dict[str, Any], as_json: bool) -> None:
    """One result: as JSON, or as a table of names and values."""
    if as_json:
        output.print_json(document)
    else:
        kinds = {"status": "status", "currency": "coin"}
        output.print_table(
            ["what", "value"],
            [
                [output.label(key), output.word(kinds[key], value) if key in kinds else value]
                for key, value in document.items()
            ],
        )


def usage(message: str, hint: str, kind: str) -> InvalidInput:
    return InvalidInput("USAGE", message, hint, kind=kind)
