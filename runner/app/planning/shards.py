"""The share of a state's partitions that one machine of several works on, and what the machines have in common."""

import os
import re
from collections.abc import Mapping

from msgspec import Struct

from runner.errors import UsageError
from runner.execute.model_run import Budget
from runner.journal.events import GROUP
from runner.journal.partitions import MOST
from runner.lib.text import shown
from runner.manifest.model import Limits
from runner.reports.text import counted

_SHARD = re.compile(r"(?P<number>[0-9]{1,4})/(?P<of>[0-9]{1,4})")
_COUNT = re.compile(r"[0-9]{1,4}")
_LONGEST_GROUP = 100
_OF_PLAN = "the shard of the plan"
_CI_RUNS = ("GITHUB_RUN_ID", "CI_PIPELINE_ID")
_CI_SHARDS = ("CI_NODE_INDEX", "CI_NODE_TOTAL", "JOB_COMPLETION_INDEX", "JOB_COMPLETIONS")


class Shard(Struct, frozen=True, kw_only=True):
    """The share `number` of `of` equal ones, counted from 1; `source` is where that was said."""

    number: int
    of: int
    source: str

    @property
    def text(self) -> str:
        """Return it as it is given."""
        return f"{self.number}/{self.of}"

    def takes(self, partition: int) -> bool:
        """Return whether a partition is of this share: each is of exactly one."""
        return partition % self.of == self.number - 1

    def share_of(self, limit: int | None) -> int | None:
        """Return this share of a limit; the first shares take what is left over."""
        return None if limit is None else limit // self.of + (self.number <= limit % self.of)


WHOLE = Shard(number=1, of=1, source="")


def read_shard(text: str, source: str) -> Shard:
    """Read `I/N`.

    Raises:
        UsageError: it is not a share.
    """
    found = _SHARD.fullmatch(text.strip())
    number, of = (int(found["number"]), int(found["of"])) if found else (0, 0)
    if not 1 <= number <= of <= MOST:
        raise UsageError(
            f"{source} is {shown(text)}, which does not name a shard.",
            hint="Shards are counted from 1: --shard 1/4, 2/4, 3/4 and 4/4 are the four of four.",
        )
    return Shard(number=number, of=of, source=source)


def pipeline_variables() -> Mapping[str, str]:
    """Return what the environment says of shards and groups."""
    names = ("RETRAIN_SHARD", "RETRAIN_GROUP", *_CI_SHARDS, *_CI_RUNS)
    return {name: os.environ.get(name, "").strip() for name in names}


def shard_of(
    given: str | None, partitions: int, state: str, environment: Mapping[str, str], planned: str | None = None
) -> Shard:
    """Return the share of this machine: as given, else in a state with partitions as the pipeline's variables say.

    Where neither says one it is `planned`, the share that a plan was made for.

    Raises:
        UsageError: the share does not exist, is another one than the plan's, or some machine would have nothing to do.
    """
    named = environment.get("RETRAIN_SHARD", "")
    if given is not None or named:
        shard = read_shard(given, "--shard") if given is not None else read_shard(named, "RETRAIN_SHARD")
    else:
        shard = (_of_pipeline(environment) if partitions > 1 else None) or _planned(planned)
    if planned is not None and shard.text != planned:
        raise UsageError(
            f"{shard.source} is {shard.text}, and the plan was made for shard {planned}.",
            hint=f"Give --shard {planned}, or a plan of all partitions: each shard carries out its share of that.",
        )
    if shard.of > 1 and partitions == 1:
        raise UsageError(
            f"{shard.source} is {shard.text}, and the state {state} has one partition, which only one run can use at a "
            "time.",
            hint="Begin a state with as many partitions as there will ever be machines: `retrain state init --help` "
            f"shows --partitions; or leave {shard.source} out.",
        )
    if shard.of > partitions:
        raise UsageError(
            f"{shard.source} is {shard.text}, and the state {state} has {partitions} partitions: "
            f"{shard.of - partitions} of {shard.of} machines would have nothing to do.",
            hint=f"Use at most {partitions} machines; the number of partitions cannot be changed.",
        )
    return shard


def _planned(shard: str | None) -> Shard:
    return WHOLE if shard is None else read_shard(shard, _OF_PLAN)


def _of_pipeline(environment: Mapping[str, str]) -> Shard | None:
    """Return what GitLab's `parallel` or an Indexed Job of Kubernetes says of this machine; None without an index."""
    if node := environment.get("CI_NODE_INDEX", ""):  # GitLab sets the total for every job
        return read_shard(f"{node}/{environment.get('CI_NODE_TOTAL', '')}", "CI_NODE_INDEX/CI_NODE_TOTAL")
    index, completions = environment.get("JOB_COMPLETION_INDEX", ""), environment.get("JOB_COMPLETIONS", "")
    if not index:
        return None
    if not (_COUNT.fullmatch(index) and _COUNT.fullmatch(completions)):
        raise UsageError(
            f"JOB_COMPLETION_INDEX is {shown(index)}, and JOB_COMPLETIONS is "
            f"{shown(completions) if completions else 'not set'}: they do not name one of several pods.",
            hint="Set JOB_COMPLETIONS to the `completions` of the Job, or RETRAIN_SHARD=1/1 to run alone.",
        )
    return read_shard(f"{int(index) + 1}/{completions}", "JOB_COMPLETION_INDEX/JOB_COMPLETIONS")


def group_of(given: str | None, environment: Mapping[str, str]) -> str | None:
    """Return what the runs of one night have in common: as given, else the id of the pipeline's run, if there is one.

    Raises:
        UsageError: the given name is not valid.
    """
    named = given or environment.get("RETRAIN_GROUP", "")
    if named:
        require_group(named)
        return named
    found = (environment.get(name, "") for name in _CI_RUNS)
    return next((name for name in found if name and _is_group(name)), None)


def require_group(name: str) -> None:
    """Raise a UsageError if this cannot be the name of a group."""
    if not _is_group(name):
        raise UsageError(
            f"{shown(name)} is not the name of a group.",
            hint=f"Use at most {_LONGEST_GROUP} letters, digits and . _ : - with a letter or a digit first.",
        )


def _is_group(name: str) -> bool:
    return len(name) <= _LONGEST_GROUP and re.fullmatch(GROUP, name) is not None


def budget_of(shard: Shard, limits: Limits) -> Budget:
    """Return what a shard may do of the limits of a run; one failure is always needed to stop it."""
    failures = shard.share_of(limits.stop_after_failures)
    return Budget(
        switches=shard.share_of(limits.switches_per_run), failures=None if failures is None else max(failures, 1)
    )


def told_share(shard: Shard, used: int, partitions: int, models: int, limits: Limits) -> str:
    """Return the sentence that says what this machine works on, and what of the limits it has.

    Several shards together may have more failures than one run before they stop; where it is so, it is said.
    """
    budget = budget_of(shard, limits)
    shares = [
        f"{name} {ours} of {whole}"
        for name, ours, whole in (
            ("switches_per_run", budget.switches, limits.switches_per_run),
            ("stop_after_failures", budget.failures, limits.stop_after_failures),
        )
        if whole is not None
    ]
    where = f" by {shard.source}" if shard.source not in {"--shard", _OF_PLAN} else ""
    limited = f"; its limits: {', '.join(shares)}" if shares else ""
    if limits.stop_after_failures is not None and shard.of > limits.stop_after_failures:
        limited += f" (at least 1 in each shard, so up to {shard.of} in all)"
    works_on = f"{counted(models, 'model')} in {used} of {counted(partitions, 'partition')}"
    return f"shard {shard.text}{where}: {works_on}{limited}"
