"""Which jobs of a model have served, in order, and from which of them a person turned back to an older one."""

from collections.abc import Iterable

from msgspec import Struct, field


class RollbackPoint(Struct, frozen=True, kw_only=True):
    """A turn back from a job: to which one, by whom and why.

    `newest` is the newest job there was at that moment: what was begun by then does not answer the person's doubt.
    """

    from_job_id: str
    to_job_id: str
    by: str
    reason: str
    newest: str


class Deployments(Struct, kw_only=True):
    """The jobs that served, oldest switch first; a job is there once for each switch to it.

    `left` has the jobs a person turned back from, until one of them serves again. `wanted` is the job a person wants
    to serve although it is not the newest one, until that is settled.
    """

    ids: list[str] = field(default_factory=list)
    left: dict[str, RollbackPoint] = field(default_factory=dict)
    wanted: str | None = None

    def take_over(self, name: str, departure: RollbackPoint | None) -> None:
        """Let a job serve from now on; `departure` tells when a person turned back to it."""
        self.ids.append(name)
        self.wanted = None
        if departure is not None:
            self.left[departure.from_job_id] = departure
        self.left.pop(name, None)


def is_older(jobs: Iterable[str], one: str, other: str) -> bool:
    """Return whether one job was begun before another; `jobs` are the ids, newest first, and both are among them."""
    return one != other and next(name for name in jobs if name in (one, other)) == other
