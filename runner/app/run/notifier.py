"""Who hears of a run: dead-man switches of its start and end, people of its outcomes. None of it changes the run."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from runner.app.planning.scope import Scope
from runner.app.state.read_state import Warn
from runner.errors import ExitCode, HangUpError, LockedError, RetrainError
from runner.manifest.model import Notification, Ping
from runner.notify import START, Delivery, ModelEnd, RunEnd, compose, deliver, send_message, send_ping
from runner.plan.model_plan import state_option
from runner.reports.model import Report
from runner.reports.next_step import why

START_SECONDS = 5.0  # the run waits for it
END_SECONDS = 15.0
STOPPED_SECONDS = 3.0  # who stopped the run will not wait for long


class Notifier:
    """Tells of one run. A rehearsal by `--emulator` of a manifest for the real service is told to nobody."""

    def __init__(self, scope: Scope, warn: Warn) -> None:
        rehearsal = scope.choice.emulator and not scope.manifest.service.emulator
        entries = () if rehearsal else scope.manifest.notify
        self._models = scope.manifest.models
        self._pings = [entry for entry in entries if isinstance(entry, Ping)]
        self._notifications = [entry for entry in entries if isinstance(entry, Notification)]
        self._warn = warn
        self._state = state_option(scope.choice.state)

    def began(self) -> None:
        """Tell that the run holds its state and goes to work."""
        self._deliver(self._ping_deliveries(START), START_SECONDS)

    @contextmanager
    def failing(self) -> Iterator[None]:
        """Tell of an error that ends the run without a report; a run that found another at work says nothing."""
        try:
            yield
        except LockedError:
            raise
        except BaseException as error:
            self._deliver(self._ping_deliveries(str(int(_code(error)))), STOPPED_SECONDS)
            raise

    def ended(self, report: Report) -> None:
        """Tell of a run that is recorded, by its report."""
        seconds = STOPPED_SECONDS if report.stopped else END_SECONDS
        deliveries = [*self._ping_deliveries(str(report.exit_code)), *self._messages(_run_end(report, self._state))]
        try:
            self._deliver(deliveries, seconds)
        except (KeyboardInterrupt, HangUpError):
            self._warn("Interrupted: some notifications may not have been sent. The run is complete and recorded.")

    def _ping_deliveries(self, path: str) -> Iterator[Delivery]:
        for ping in self._pings:
            yield Delivery(name=f"The ping of {_where(ping)}", send=partial(send_ping, ping.url, path))

    def _messages(self, end: RunEnd) -> Iterator[Delivery]:
        for notification in self._notifications:
            message = compose(notification, self._models, end)
            if message is not None:
                name = f"The notification of {_where(notification)}"
                yield Delivery(name=name, send=partial(send_message, notification.to, message))

    def _deliver(self, deliveries: Iterator[Delivery] | Sequence[Delivery], seconds: float) -> None:
        for trouble in deliver(list(deliveries), seconds=seconds):
            self._warn(f"{trouble.message} {trouble.hint}")


def _where(entry: Notification | Ping) -> str:
    return f"{entry.place.file}:{entry.place.line}"


def _run_end(report: Report, state: str) -> RunEnd:
    models = [
        ModelEnd(
            name=model.name,
            outcome=model.outcome,
            reason=why(model),
            next=model.next.text if model.next else "",
            still_held=model.still_held,
        )
        for model in report.models
    ]
    return RunEnd(run_id=report.run_id, service=report.service, exit_code=report.exit_code, models=models, state=state)


def _code(error: BaseException) -> ExitCode:
    """Return the exit code the process will end with."""
    match error:
        case RetrainError():
            return error.exit_code
        case HangUpError():
            return ExitCode.UNFINISHED
        case KeyboardInterrupt():
            return ExitCode.INTERRUPTED
        case OSError():
            return ExitCode.FAILED
        case _:
            return ExitCode.BUG
