"""The `retrain` command: finds the subcommand, runs it, owns the exit codes. Lazy imports make the start quick."""

import gc
import importlib
import os
import signal
import sys
import threading
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import click

from runner import __version__
from runner.cli.command_group import CommandGroup
from runner.cli.terminal.stdio import flush, prepare_streams
from runner.errors import HangUpError

GROUPS = {
    "Every day": {
        "plan": "show what a run would do to each model and why; change nothing",
        "run": "retrain, judge and switch the models",
        "status": "list the models: incumbent, candidate, last outcome",
        "show": "show a model's status and next step, or a run's summary",
    },
    "Decide": {
        "approve": "show a candidate's metrics, ask, and switch to it",
        "reject": "reject a candidate",
        "rollback": "switch back to a job that served before",
        "adopt": "record what is in service, so that candidates are compared with it",
        "resolve": "record the real result of an `unknown` request",
    },
    "Look": {
        "history": "list runs, metrics and decisions, or explain one decision",
        "replay": "judge recorded results by the current policies",
        "report": "render a run's report, or open it in a browser",
        "site": "write a static site of all runs and models",
        "inspect": "show what a result file contains, and the manifest lines for it",
    },
    "Audit": {
        "verify": "check journal, reports and results; compute every decision again",
        "audit": "anchor, sign and export the journal",
    },
    "Set up and maintain": {
        "init": "create a repository: manifest, pipelines, schedules",
        "validate": "check manifests and name every problem at once",
        "doctor": "check keys, service, data, rules and state before a run",
        "schema": "print a JSON schema",
        "emulator": "run the emulator of the service on this machine",
        "unlock": "show which run holds the state; free the lock of a lost host",
        "prune": "remove stored results that nothing needs",
        "state": "begin, show, move and check a state; continue after a loss",
        "help": "show this list, or the options of a command",
    },
}
# New objects before garbage is searched for. Nearly all that a command makes is kept or freed without that search: at
# Python's 700, a fourth of a plan of ten thousand models went into it.
_GARBAGE = 10_000
COMMANDS = {name: summary for group in GROUPS.values() for name, summary in group.items()}


class LazyGroup(CommandGroup):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's signature
        """Return the commands in the order people use them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 -- as above
        """Import and return a command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = _imported(cmd_name).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 -- as above
        """List the commands by what people do, without importing them."""
        longest = max(map(len, COMMANDS))
        for title, commands in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(longest), summary) for name, summary in commands.items()])

    def invoke(self, ctx: click.Context) -> int:
        """Run the command and return its exit code; a result that could not be printed makes 1 of 0."""
        from runner.cli.errors import lost_code  # noqa: PLC0415 -- `--version` and `--help` end before

        answer: Any = super().invoke(ctx)
        return int(answer or 0) or lost_code()


@click.command(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "RETRAIN"},
    epilog="Example: retrain run models.yaml. `retrain help run` shows the options of a command.",
)
@click.version_option(__version__, prog_name="retrain")
def group() -> None:
    """Retrain hosted Prediction One models from manifests in git."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and end the process with its exit code."""
    prepare_streams()
    others = set(threading.enumerate())  # of a program that calls this
    hang_up = getattr(signal, "SIGHUP", None)  # Windows has none; `nohup` has it ignored, and so it stays
    if hang_up is not None and signal.getsignal(hang_up) == signal.SIG_DFL:
        signal.signal(hang_up, _hang_up)
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = int(group.main(given, prog_name="retrain", standalone_mode=False))
    except BaseException as error:  # noqa: BLE001 -- the one handler: every error becomes a sentence and an exit code
        _let_go(error)
        from runner.cli.errors import failure_code  # noqa: PLC0415 -- most commands end well

        code = failure_code(error)
    _end(code, others)


def _let_go(error: BaseException) -> None:
    """Free what a command held that ran out of memory: to tell of it takes some, too."""
    chain: list[BaseException] = [error]
    while (before := chain[-1].__context__) is not None and before not in chain:
        chain.append(before)
    if any(isinstance(raised, MemoryError) for raised in chain):
        for raised in chain:
            raised.__traceback__ = raised.__context__ = raised.__cause__ = None
        gc.collect()


def _imported(name: str) -> ModuleType:
    """Import a command's module. All that comes with it stays, so it is not searched for garbage, now or ever."""
    module = f"runner.cli.commands.{name}"
    if module in sys.modules:
        return sys.modules[module]
    gc.disable()
    try:
        return importlib.import_module(module)
    finally:
        gc.freeze()
        gc.set_threshold(_GARBAGE)
        gc.enable()


def _hang_up(_number: int, _frame: object) -> None:
    raise HangUpError


def _end(code: int, others: set[threading.Thread]) -> None:
    """Leave with the code; work that a stop abandoned is not waited for: threads but the `others`.

    A stream that takes nothing more must not be flushed again by the interpreter's end, which makes 120 of the code.
    """
    flushed = [flush(stream) for stream in (sys.stdout, sys.stderr)]
    if not all(flushed) or not others.issuperset(threading.enumerate()):
        os._exit(code)
    sys.exit(code)
