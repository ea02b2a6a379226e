"""`retrain doctor`."""

import shlex

import click
from msgspec.structs import replace

from runner.app.doctor.diagnose import DoctorRequest, diagnose
from runner.app.doctor.training import Answers, TrainRequest, train
from runner.cli import options
from runner.cli.command_group import Command
from runner.cli.confirm import Consent, confirm
from runner.cli.console import Console
from runner.errors import ExitCode, UsageError
from runner.plan.model_plan import Choice, state_option
from runner.reports.diagnosis import Diagnosis, diagnosis_json, diagnosis_junit, diagnosis_text, lessons_text


@click.command("doctor", cls=Command, epilog="Example: retrain doctor models.yaml --select tag:daily")
@options.choice(effects=False)
@options.trust_state
@click.option(
    "--train", "model", metavar="MODEL", help="Train this model once, on purpose, and report what the service did."
)
@click.option("--switch", is_flag=True, help="With --train: let its policy switch, to try that too.")
@options.yes
@options.output_format("text", "json", "junit")
@options.stateless
def command(  # noqa: PLR0913 -- one argument an option
    *,
    choice: Choice,
    trust_state: bool,
    model: str | None,
    switch: bool,
    yes: bool,
    form: str,
    state: str,  # noqa: ARG001 -- the choice has it
    console: Console,
) -> int:
    """Check everything that a run needs: manifest, keys, service, data, rules, state, notifications. Has no effect.

    Exit code 0: ready. Exit code 1: not ready; each problem says what to do. No job is taken, nothing is uploaded or
    switched, unless --train asks for one training. That goes through the journal like any run, and nothing is switched
    without --switch.
    """
    if model is not None:
        _require_alone(choice, form)
        choice = replace(choice, select=(model,))
    answers = Answers()
    found = diagnose(DoctorRequest(choice=choice, trust_state=trust_state, keeper=answers))
    _show(console, found, form)
    if not found.ready:
        return ExitCode.FAILED
    if model is None:
        return ExitCode.OK
    request = TrainRequest(choice=choice, model=model, switch=switch, before=tuple(answers.kept))
    return _train(console, request, yes=yes)


def _require_alone(choice: Choice, form: str) -> None:
    if choice.select or form != "text":
        raise UsageError(
            "--train cannot be used with --select or --format.",
            hint="It trains one model and reports as text what the service did.",
        )


def _show(console: Console, found: Diagnosis, form: str) -> None:
    match form:
        case "json":
            console.result(diagnosis_json(found))
        case "junit":
            console.document(diagnosis_junit(found))
        case _:
            console.result(diagnosis_text(found))


def _train(console: Console, request: TrainRequest, *, yes: bool) -> int:
    """Ask, train, and print what was learnt."""
    choice, model, switch = request.choice, request.model, request.switch
    arguments = ["retrain", "doctor", *map(str, choice.paths), *(["--emulator"] if choice.emulator else [])]
    arguments += ["--train", model, *(["--switch"] if switch else []), "--yes"]
    command = f"{shlex.join(arguments)}{state_option(choice.state)}"
    switched = "its policy may switch to the candidate" if switch else "nothing is switched"
    question = f"Train {model} once? It costs what a training costs; {switched}."
    if not confirm(console, question, Consent(yes=yes, command=command, stake="a training would be paid for")):
        return ExitCode.FAILED
    with console.watching() as listener:
        trained = train(request, listener, console.warning)
    console.result(lessons_text(trained.lessons, [str(path) for path in trained.files]))
    return trained.result.exit_code
