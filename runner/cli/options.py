"""Options that several commands share."""

import os
import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click
from click.core import ParameterSource
from msgspec import Struct

from runner.cli.console import Console
from runner.cli.params import Duration, PointInTime
from runner.cli.terminal.capabilities import wants_plain
from runner.errors import RetrainError
from runner.http.addresses import is_host
from runner.journal.forms import DEFAULT

if TYPE_CHECKING:  # slow to import, and not every command needs them
    from runner.app.review.candidates import DecisionRequest
    from runner.app.review.leaving import Waiting
    from runner.plan.model_plan import Choice

F = TypeVar("F", bound=Callable[..., Any])

TRUST_STATE = "runner.trust_state"  # in the context's `meta`
_TRUSTED_HOSTS = "RETRAIN_TRUSTED_HOSTS"


def known_models(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the names of the state's models that begin with this text, for the shell; nothing without a state."""
    from runner.app.queries.status import status  # noqa: PLC0415 -- only when a shell completes

    try:
        names = {model.name for model in status(ctx.params.get("state") or DEFAULT).models}
    except (RetrainError, OSError):
        return []
    return sorted(name for name in names if name.startswith(incomplete))


def common(function: F) -> F:
    """Add what every command has that uses the state: what `stateless` adds, and --trust-state.

    A state that others may have written is refused before the command begins.
    """
    return stateless(_checked_state(function))


def stateless(function: F) -> F:
    """Add what every command has: --state, -v, -q, --log-format, --no-color. They arrive as `state` and `console`."""
    for option in reversed(_COMMON):
        function = option(function)
    return function


def _check_state(ctx: click.Context, _param: click.Parameter, value: bool) -> bool:
    from runner.app.state.open_state import require_trusted  # noqa: PLC0415 -- not for `--help`

    ctx.meta[TRUST_STATE] = value
    if not ctx.resilient_parsing and ctx.get_parameter_source("state") is not ParameterSource.DEFAULT:
        require_trusted(ctx.params["state"], accepted=value)  # else when it is known which manifest is meant
    return value


def _console(ctx: click.Context, _param: click.Parameter, value: str) -> Console:
    verbosity = ctx.meta.get("verbose", 0) - ctx.meta.get("quiet", 0)
    state = ctx.params.get("state")  # eager, so it is known by now
    return Console(verbosity=verbosity, json_lines=value == "json", plain=ctx.color is False, state=state)


def _keep(name: str) -> Callable[[click.Context, click.Parameter, int], int]:
    def keep(ctx: click.Context, _param: click.Parameter, value: int) -> int:
        ctx.meta[name] = value
        return value

    return keep


def _color(ctx: click.Context, _param: click.Parameter, value: bool) -> bool:
    if value or wants_plain(os.environ):  # click takes only some values of NO_COLOR for a yes
        ctx.color = False
    return value


def _trusted_hosts(ctx: click.Context, param: click.Parameter, value: Sequence[str]) -> frozenset[str]:
    """Return the hosts of the flag and of the environment, in lower case."""
    named = [*value, *re.split(r"[,\s]+", os.environ.get(_TRUSTED_HOSTS, ""))]
    hosts = frozenset(host.lower().strip("[]") for host in named if host)
    wrong = next((host for host in sorted(hosts) if not is_host(host)), None)
    if wrong is not None:
        hint = "Write the host alone, without scheme, port and path"
        raise click.BadParameter(f"{wrong!r} is not a host. {hint}; {_TRUSTED_HOSTS} counts too.", ctx, param)
    return hosts


def _named(ctx: click.Context, _param: click.Parameter, value: tuple[Path, ...]) -> tuple[Path, ...]:
    from runner.manifest.load import named_paths  # noqa: PLC0415 -- not for `--help`

    return value if ctx.resilient_parsing else named_paths(value)


_COMMON = (
    click.option(
        "--state",
        default=DEFAULT,
        show_default=True,
        is_eager=True,
        metavar="FOLDER|URL",
        envvar="RETRAIN_STATE",
        help="State folder, or a URL: s3://, gs://, az:// or postgresql://. The manifest's `state:` counts too.",
    ),
    click.option(
        "-v", "--verbose", count=True, is_eager=True, expose_value=False, callback=_keep("verbose"), help="Say more."
    ),
    click.option(
        "-q", "--quiet", count=True, is_eager=True, expose_value=False, callback=_keep("quiet"), help="Say less."
    ),
    click.option(
        "--log-format",
        "console",
        type=click.Choice(["text", "json"]),
        default="text",
        callback=_console,
        help="Form of the lines on stderr.",
    ),
    click.option(
        "--no-color",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_color,
        help="Plain text; so does NO_COLOR.",
    ),
)

_TRUST_STATE: dict[str, Any] = {
    "is_flag": True,
    "envvar": "RETRAIN_TRUST_STATE",
    "help": "Use the state even if it is a link, git tracks it, another user owns it or others can write it.",
}
_checked_state = click.option("--trust-state", expose_value=False, callback=_check_state, **_TRUST_STATE)
trust_state = click.option("--trust-state", **_TRUST_STATE)
lock_timeout = click.option(
    "--lock-timeout",
    type=Duration(),
    default="0s",
    show_default=True,
    help="How long to wait while another run holds the state.",
)
take_up_timeout = click.option(
    "--lock-timeout",
    type=Duration(),
    default="30s",
    show_default=True,
    help="How long to wait while a run holds the state and takes the decision up.",
)
no_wait = click.option(
    "--no-wait",
    is_flag=True,
    help="Where a run holds the state, leave the decision for it and end.",
)
paths = click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...", callback=_named)
paths_or_plan = click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
emulator = click.option("--emulator", is_flag=True, help="Use an emulator started for this command.")
trust_host = click.option(
    "--trust-host",
    "trusted_hosts",
    multiple=True,
    metavar="HOST",
    callback=_trusted_hosts,
    help="Another host that API keys may be sent to; RETRAIN_TRUSTED_HOSTS names more.",
)
allow_service_change = click.option(
    "--allow-service-change",
    is_flag=True,
    help="Let models that were trained on another host start again on this one.",
)
rehash = click.option(
    "--rehash", is_flag=True, help="Read all data again, also files that have not changed since they were read."
)
select = click.option(
    "--select",
    multiple=True,
    metavar="NAME|tag:T",
    shell_complete=known_models,
    help="Only these models; can be repeated.",
)
yes = click.option("-y", "--yes", is_flag=True, help="Do not ask; for scripts.")
model = click.argument("model", shell_complete=known_models)
force = click.option("--force", is_flag=True, help="Train again even if nothing changed.")
refresh = click.option("--refresh", is_flag=True, help="Ask the service which model is in service.")
no_switch = click.option("--no-switch", is_flag=True, help="Decide, but leave the switch to a later run.")
shard = click.option(
    "--shard",
    metavar="I/N",
    help="Only this share of the state's partitions, counted from 1 (RETRAIN_SHARD; CI variables count too).",
)
manifest = click.option(
    "--manifest",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Manifest file or folder; by default those of the model's last run.",
)


def reason(help_text: str, *, required: bool = True) -> Callable[[F], F]:
    """Return a --reason option; one without a letter or a digit, such as the dots of a printed command, is refused."""
    given: dict[str, Any] = {"required": True} if required else {"default": ""}
    return click.option("--reason", callback=_telling, help=help_text, **given)


def _telling(ctx: click.Context, param: click.Parameter, value: str) -> str:
    if value.strip() and not any(character.isalnum() for character in value):
        raise click.BadParameter(
            f"{value!r} is not a reason. Write the reason in words; it is kept in the journal.", ctx, param
        )
    return value


def output_format(*choices: str) -> Callable[[F], F]:
    """Return a --format option with these choices; the first is the default."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(choices),
        default=choices[0],
        show_default=True,
        help="Form of the output.",
    )


def choice(*, places: Callable[..., Any] = paths, effects: bool = True) -> Callable[[F], F]:
    """Return a decorator that adds which models of which manifest are meant; they arrive as one `choice`.

    With `effects` it also adds what changes the work on them.
    """
    more = (force, no_switch, allow_service_change, rehash) if effects else ()

    def add(function: F) -> F:
        @wraps(function)
        def command(*, state: str, console: Console, **values: Any) -> Any:
            made = _choice(values, state)
            console.name_manifest(made.paths, emulator=made.emulator)
            return function(choice=made, state=state, console=console, **values)

        for option in reversed((places, select, *more[:2], emulator, trust_host, *more[2:])):
            command = option(command)
        return cast("F", command)

    return add


def _choice(values: dict[str, Any], state: str) -> "Choice":
    """Take the values of the choice's options out of those of a command."""
    from runner.plan.model_plan import Choice  # noqa: PLC0415 -- not for `--help`

    flags = {name: values.pop(name, False) for name in ("force", "no_switch", "allow_service_change", "rehash")}
    named = {name: values.pop(name) for name in ("paths", "select", "emulator", "trusted_hosts")}
    return Choice(state=state, **named, **flags)


class Decision(Struct, frozen=True, kw_only=True):
    """What every command that decides about a model is given; `yes` asks no question, `form` is that of the result.

    `waiting` is how long it waits for a run that holds the state.
    """

    request: "DecisionRequest"
    waiting: "Waiting"
    yes: bool
    form: str
    console: Console


def decision(*, reason_required: bool = True, asks_service: bool = True) -> Callable[[F], F]:
    """Return a decorator that adds what `Decision` has; it arrives as `given`."""

    def add(function: F) -> F:
        @wraps(function)
        def command(*, yes: bool, form: str, no_wait: bool, console: Console, **values: Any) -> Any:
            from runner.app.review.candidates import DecisionRequest  # noqa: PLC0415 -- not for `--help`
            from runner.app.review.leaving import Waiting  # noqa: PLC0415 -- as above

            shared = {name: values.pop(name) for name in DecisionRequest.__struct_fields__ if name in values}
            request = DecisionRequest(listener=console.progress, **shared)
            console.model = request.model
            waiting = Waiting(longest=request.lock_timeout, waits=not no_wait)
            given = Decision(request=request, waiting=waiting, yes=yes, form=form, console=console)
            return function(given=given, **values)

        service = (trust_host,) if asks_service else ()
        told = reason("Why; kept in the journal.", required=reason_required)
        waits = (take_up_timeout, no_wait)
        for option in reversed((model, told, yes, manifest, *service, *waits, output_format("text", "json"))):
            command = option(command)
        return common(cast("F", command))

    return add


class Review(Struct, frozen=True, kw_only=True):
    """Which candidate is decided about, and how: at once, or by a file to commit (`write`) that counts for `lasts`."""

    job: str | None
    write: str | None
    lasts: timedelta


def reviewed(function: F) -> F:
    """Add what a person's decision about a candidate needs beside `decision`; it arrives as `on`."""

    @wraps(function)
    def command(*, job: str | None, write: str | None, lasts: timedelta, **values: Any) -> Any:
        return function(on=Review(job=job, write=write, lasts=lasts), **values)

    for option in (
        click.option(
            "--expires", "lasts", type=Duration(), default="14d", show_default=True, help="How long the file is valid."
        ),
        click.option(
            "--write",
            is_flag=False,
            flag_value="",
            metavar="[DIR]",
            help="Write a file to commit instead; into DIR, or the manifest's approvals folder.",
        ),
        click.option(
            "--job", help="The candidate's retrain job id or its beginning; refused if another candidate waits."
        ),
    ):
        command = option(command)
    return cast("F", command)


since = click.option(
    "--since",
    type=PointInTime(),
    metavar="WHEN",
    help="Start: a day in UTC, a time with its zone, or an age (30d).",
)
until = click.option("--until", type=PointInTime(end_of_day=True), metavar="WHEN", help="End; a day is included.")
