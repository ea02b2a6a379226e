"""`retrain doctor`."""

from collections.abc import Sequence
from pathlib import Path

import click

from runner.app.doctor.diagnose import DoctorRequest, diagnose
from runner.app.planning.scope import Choice
from runner.cli import options
from runner.cli.console import Console
from runner.errors import ExitCode
from runner.reports.diagnosis import diagnosis_json, diagnosis_junit, diagnosis_text


@click.command("doctor", epilog="Example: retrain doctor models.yaml --select tag:daily")
@options.paths
@options.select
@options.emulator
@options.trust_host
@options.trust_state
@options.output_format("text", "json", "junit")
@options.stateless
def command(  # noqa: PLR0913 -- one argument an option
    *,
    paths: Sequence[Path],
    select: Sequence[str],
    emulator: bool,
    trusted_hosts: frozenset[str],
    trust_state: bool,
    form: str,
    state: str,
    console: Console,
) -> int:
    """Look at everything that a run needs: manifest, keys, service, data, rules, state, who is told. No effects.

    Exit 0: ready. Exit 1: not; each problem says what to do. No job is taken, nothing is uploaded or switched.
    """
    choice = Choice(paths=paths, select=select, emulator=emulator, trusted_hosts=trusted_hosts, state=state)
    found = diagnose(DoctorRequest(choice=choice, trust_state=trust_state))
    match form:
        case "json":
            console.result(diagnosis_json(found))
        case "junit":
            console.document(diagnosis_junit(found))
        case _:
            console.result(diagnosis_text(found))
    return ExitCode.OK if found.ready else ExitCode.FAILED
