"""A model's API key, had once a run; where the service hands it out, that is a read like any other."""

from runner.credentials import ENDS_SOON, read_end
from runner.execute.commands import Workflow, call
from runner.execute.model_run import ModelRun
from runner.execute.retry import read
from runner.lib.secrets import Secret


def get_key(run: ModelRun) -> Workflow[Secret]:
    """Return the model's API key.

    Raises:
        ModelError: it cannot be had.
    """
    if run.key is None:
        run.key = yield from _fetch(run)
        _warn_of_end(run)
    return run.key


def _warn_of_end(run: ModelRun) -> None:
    """Warn of a fetched key that ends soon: a training may outlive it."""
    told = run.context.keys.end_date(run.model)
    end = read_end(told) if told else None
    if end is not None and end - run.context.clock.now() <= ENDS_SOON:
        run.warn(f"the API key that was fetched for this run ends on {end:%Y-%m-%d}, so a training may outlive it")


def _fetch(run: ModelRun) -> Workflow[Secret]:
    keys, model = run.context.keys, run.model
    if keys.asks_service(model):
        return (yield from read(run, "api_key", lambda: keys.model_key(model)))
    return (yield from call(lambda: keys.model_key(model)))
