"""`lunalux account`: sign up, confirm, sign in and out, profile, username, erase.

A password is asked for on the terminal or read from stdin; it is never an argument, which other users of
the machine could read.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import typer

from lunalux_core.account import AccountState
from lunalux_core.errors import InvalidInput
from lunalux_core.runtime import Runtime
from lunalux_tui.cli import output
from lunalux_tui.cli.run import command_settings, in_runtime, with_runtime
from lunalux_tui.cli.stdin import input_secret
from lunalux_tui.i18n import t

account_app = typer.Typer(
    help="Sign up, in and out; your profile.", no_args_is_help=True, add_completion=False
)
commands = {"account": account_app}

JSON = typer.Option(False, "--json", help="Print one JSON document.")
EMAIL = typer.Argument("", metavar="EMAIL", help="E-mail address of the account.")
EMAIL_OPTION = typer.Option("", "--email", help="The same, as an option.")
PASSWORD = typer.Option(False, "--password-stdin", help="Read the password from stdin, one line.")


@account_app.command()
def signup(
    email: str = EMAIL,
    email_option: str = EMAIL_OPTION,
    password_stdin: bool = PASSWORD,
    referral: str = typer.Option("", "--referral", metavar="CODE", help="Invite code of a friend."),
    as_json: bool = JSON,
) -> None:
    """Make an account, and sign in where no mailed code is needed.

    Example: lunalux account signup ada@example.org --referral K7Q2M9
    """
    address = _address(email or email_option)
    # Before the runtime opens: within its event loop ctrl+c would not end the question at once.
    password = _password(password_stdin, twice=True)
    with_runtime(lambda runtime: _sign_up(runtime, address, password, referral, as_json=as_json))


async def _sign_up(runtime: Runtime, address: str, password: str, referral: str, *, as_json: bool) -> None:
    confirmed = await runtime.account.sign_up(address, password, referral)
    if as_json:
        output.print_json({"confirmed": confirmed, **_state(runtime.account.state, runtime.place)})
    elif confirmed:
        output.say("signed_in", email=address)
    else:
        output.say("code_mailed", email=address)
    if confirmed:
        _tell_of_beginnings(runtime)


@account_app.command()
@in_runtime
async def confirm(
    runtime: Runtime,
    email: str = EMAIL,
    code: str = typer.Argument("", metavar="CODE", help="The code from the mail."),
    email_option: str = EMAIL_OPTION,
    code_option: str = typer.Option("", "--code", help="The same, as an option."),
    resend: bool = typer.Option(False, "--resend", help="Mail another code instead."),
    password_stdin: bool = PASSWORD,
    as_json: bool = JSON,
) -> None:
    """Confirm a new account with the code from the mail.

    Example: lunalux account confirm ada@example.org 123456

    With --password-stdin the account must be the one that was begun with this password: somebody else may
    have begun one for the same address.
    """
    address = _address(email or email_option)
    secret = code or code_option
    if not secret and not resend:
        raise InvalidInput(
            "USAGE", "There is no code.", "Give the code from the mail, or --resend.", kind="code"
        )
    if resend:
        await runtime.client.accounts.resend(address)
    else:
        password = _password(password_stdin, twice=False) if password_stdin else ""
        await runtime.client.accounts.confirm(address, secret, password)
    if as_json:
        output.print_json({"email": address, "confirmed": not resend})
    else:
        output.say("code_again" if resend else "confirmed")


@account_app.command()
def login(
    email: str = EMAIL,
    email_option: str = EMAIL_OPTION,
    password_stdin: bool = PASSWORD,
    forgot: bool = typer.Option(False, "--forgot", help="Mail a code for a new password instead."),
    reset: str = typer.Option("", "--reset", metavar="CODE", help="Set a new password with that code."),
    referral: str = typer.Option("", "--referral", metavar="CODE", help="Invite code, for a new account."),
    as_json: bool = JSON,
) -> None:
    """Sign in. Another device that was signed in is signed out by this.

    Example: echo "$PASSWORD" | lunalux account login ada@example.org --password-stdin

    Without an e-mail, the local account of the embedded backend is signed in.
    """
    address = email or email_option
    if forgot:
        with_runtime(lambda runtime: runtime.client.accounts.forgot(_address(address)))
        output.say("reset_mailed", email=address)
        return
    password = ""
    if address:
        # Before the password is asked for, so that nobody types it in vain.
        address = _address(address)
        password = _password(password_stdin, twice=bool(reset))
    with_runtime(lambda runtime: _sign_in(runtime, address, password, reset, referral, as_json=as_json))


async def _sign_in(
    runtime: Runtime, address: str, password: str, reset: str, referral: str, *, as_json: bool
) -> None:
    account = runtime.account
    if address:
        if reset:
            await runtime.client.accounts.reset(address, reset, password)
        state = await account.sign_in(address, password, referral)
    else:
        state = await account.sign_in_locally()
    if as_json:
        output.print_json(_state(state, runtime.place))
    else:
        output.say("signed_in", email=state.email)
    _tell_of_beginnings(runtime)


@account_app.command()
@in_runtime
async def logout(runtime: Runtime, as_json: bool = JSON) -> None:
    """Sign out on this computer; the library stays.

    Example: lunalux account logout
    """
    await runtime.account.sign_out()
    if as_json:
        output.print_json(_state(runtime.account.state, runtime.place))
    else:
        output.say("signed_out")


@account_app.command()
@in_runtime
async def show(
    runtime: Runtime,
    refresh: bool = typer.Option(False, "--refresh", help="Ask the backend for everything anew."),
    as_json: bool = JSON,
) -> None:
    """Profile and session.

    Example: lunalux account show --json
    """
    state = await snapshot(runtime, refresh=refresh)
    if as_json:
        output.print_json(_state(state, runtime.place))
        return
    output.print_table(
        ["what", "value"],
        [
            [output.label("user id"), state.user_id],
            [output.label("e-mail"), state.email],
            [output.label("username"), state.username or "-"],
            [output.label("session"), output.label("local account" if state.local else "signed in")],
            [output.label("backend"), runtime.place],
        ],
    )


@account_app.command()
@in_runtime
async def username(
    runtime: Runtime, name: str = typer.Argument(metavar="NAME"), as_json: bool = JSON
) -> None:
    """Choose or change the username.

    Example: lunalux account username ada
    """
    state = await runtime.account.set_username(name)
    if as_json:
        output.print_json(_state(state, runtime.place))
    else:
        output.say("renamed", name=state.username)


@account_app.command()
def erase(
    yes: bool = typer.Option(False, "--yes", help="Really do it, without a question."),
    password_stdin: bool = PASSWORD,
    as_json: bool = JSON,
) -> None:
    """Erase your account for good: sign-in, name, wallet, movements, likes and published cards.

    Example: echo "$PASSWORD" | lunalux account erase --yes --password-stdin

    Characters, chats and settings on this computer stay. The local account needs no password.
    """
    if not yes and not output.talks():
        raise InvalidInput(
            "USAGE", "An erased account cannot be brought back.", "Repeat it with --yes.", kind="erase"
        )

    settings = command_settings()
    # Asked between two runs: ctrl+c ends a question at once.
    state = with_runtime(lambda runtime: runtime.account.online(), settings=settings)
    if not yes:
        _ask_for_word(state)
    password = "" if state.local else _password(password_stdin, twice=False)
    with_runtime(lambda runtime: _erase(runtime, password), settings=settings)
    if as_json:
        output.print_json({"user_id": state.user_id, "erased": True})
    else:
        output.note(t("account.erase.done"))


async def _erase(runtime: Runtime, password: str) -> None:
    # This runtime is not the one that was asked about: it has to look for the session itself.
    await runtime.account.online()
    await runtime.account.erase(password)


def _ask_for_word(state: AccountState) -> None:
    """Say what is erased, and go on only when the person types the word. Raises InvalidInput."""
    word = state.username or t("account.erase.word")
    output.note(f"{t('account.erase.goes')}\n{t('account.erase.stays')}")
    if typer.prompt(t("account.erase.type", word=word), err=True).strip() != word:
        raise InvalidInput(
            "CONFIRMATION_WRONG", f"{word} was not typed.", "Nothing was erased; type it exactly.", word=word
        )


async def snapshot(runtime: Runtime, *, refresh: bool = False) -> AccountState:
    """The account as it is known; asked anew from a backend in this program, where that costs no network."""
    account = runtime.account
    state = await account.ensure()
    if state.offline and not refresh:
        output.say("last_known")
    elif refresh or not runtime.settings.api_url:
        state = await account.refresh()
    return state


def _tell_of_beginnings(runtime: Runtime) -> None:
    """What a new account should know: an invitation without effect, a name that is not chosen yet."""
    account = runtime.account
    if account.state.offline:
        output.say("last_known")
    if account.referral_refused:
        output.say("referral_refused")
    # Without a wallet nothing of the account was read yet, and a missing name says nothing.
    if not account.state.local and not account.state.username and account.state.wallet:
        output.say("no_username")


def _state(state: AccountState, place: str) -> dict[str, Any]:
    """Profile and session, without the session's token."""
    signed_in = state.signed_in
    # The last account is remembered after signing out, so that signing in again is easy; it is no profile any
    # more.
    visible = state if signed_in else replace(state, user_id="", email="", username=None)
    return {
        "profile": {"id": visible.user_id, "email": visible.email, "username": visible.username}
        if signed_in
        else None,
        "session": {
            "signed_in": signed_in,
            "status": state.status,
            "user_id": visible.user_id or None,
            "local": state.local,
            "offline": state.offline,
            "backend": place,
            "fetched_at": output.moment(state.fetched_at),
        },
    }


def _address(email: str) -> str:
    if not email.strip():
        hint = "Give one like ada@example.org."
        raise InvalidInput("USAGE", "The e-mail address is missing.", hint, kind="no_email")
    if email.count("@") != 1 or any(c.isspace() for c in email.strip()):
        raise InvalidInput(
            "USAGE",
            f"{email!r} is not an e-mail address.",
            "Give one like ada@example.org.",
            kind="email",
            value=repr(email),
        )
    return email.strip()


def _password(from_stdin: bool, *, twice: bool) -> str:
    # What is piped in is the password, also without the option: nobody could be asked.
    if from_stdin or not sys.stdin.isatty():
        password = input_secret()
    else:
        password = _typed_password(twice=twice)
    if not password:
        raise InvalidInput(
            "USAGE", "There is no password.", "Type it, or pipe it in with --password-stdin.", kind="password"
        )
    return password


def _typed_password(*, twice: bool) -> str:
    """A password typed without being shown, asked for again until both are the same."""
    while True:
        # On stderr, because stdout may be a pipe for the JSON.
        first = str(typer.prompt(t("cli.password"), hide_input=True, prompt_suffix=" ", err=True))
        if not twice:
            return first
        again = typer.prompt(t("cli.password_again"), hide_input=True, prompt_suffix=" ", err=True)
        if first == again:
            return first
        output.say("passwords_differ")
