"""Job ids as a person types them: whole, or as far as they are unique."""

from collections.abc import Iterable

from runner.errors import UsageError
from runner.manifest.wording import did_you_mean, shown

_MOST_LISTED = 5
_NO_JOBS = "`retrain status` lists the models and their jobs; check --state."


def full_job_id(model: str, known: Iterable[str], given: str) -> str:
    """Return the id that is meant: the one given, or the only one that begins with it.

    Raises:
        UsageError: no job of the model has such an id, or several begin with it.
    """
    ids = list(known)
    if given in ids:
        return given
    found = [name for name in ids if given and name.startswith(given)]
    if len(found) == 1:
        return found[0]
    if not found:
        hint = did_you_mean(given, ids, otherwise=f"Jobs of {model}: {_listed(ids[::-1])}." if ids else _NO_JOBS)
        raise UsageError(f"{model} has no job {shown(given)}.", hint=hint)
    raise UsageError(
        f"Several jobs of {model} begin with {shown(given)}: {_listed(found)}.", hint="Give more of the id."
    )


def _listed(ids: list[str]) -> str:
    more = len(ids) - _MOST_LISTED
    return ", ".join(ids[:_MOST_LISTED]) + (f" and {more} more" if more > 0 else "")
