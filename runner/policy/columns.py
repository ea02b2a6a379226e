"""Which columns of a table hold the candidate's values and those of the model before; none where that is unclear."""

from collections.abc import Collection, Mapping

from msgspec import Struct

from runner.policy.column_roles import Role, role_of
from runner.policy.number import listed


class Columns(Struct, frozen=True, kw_only=True):
    """The columns by their indexes, None where there is none; `problem` says why the values are not clear.

    `provisional` columns are what the service's own comparison is known to hold; no head says it beyond doubt.
    """

    current: int | None = None
    previous: int | None = None
    problem: str | None = None
    provisional: bool = False


def choose_columns(heads: Mapping[int, str], numeric: Collection[int], *, comparison: bool) -> Columns:
    """Return what the columns hold by their heads; `numeric` are those with a number in them.

    `comparison` tells that the table is the service's comparison, in which `current` may be the candidate: there it
    is, provisionally, beside a column of the model before.
    """
    roles = {index: role_of(head) for index, head in heads.items()}
    undecided = [index for index, role in roles.items() if role == "unknown" and index in numeric]
    if undecided:
        return _unclear("the meaning of {} is not known", heads, undecided)
    candidates = [*_having(roles, "candidate"), *_having(roles, "value")]
    current, previous = _having(roles, "current"), _having(roles, "previous")
    if not candidates:
        return _without_candidate(heads, current, previous, comparison=comparison)
    if len(candidates) > 1:
        return _unclear("more than one column may hold its value: {}", heads, candidates)
    if current and roles[candidates[0]] == "value":
        return _unclear("which model is whose is not known: {}", heads, [*candidates, *current])
    before = [*current, *previous]
    if len(before) > 1:
        return _unclear("more than one column may be the model before: {}", heads, before)
    return Columns(current=candidates[0], previous=before[0] if before else None)


def _without_candidate(
    heads: Mapping[int, str], current: list[int], previous: list[int], *, comparison: bool
) -> Columns:
    if comparison and len(current) == len(previous) == 1:
        return Columns(current=current[0], previous=previous[0], provisional=True)
    if current:
        return _unclear("{} may be the model in service or the candidate", heads, current)
    return _unclear("no column is known to hold its value; the table has {}", heads, list(heads))


def _having(roles: Mapping[int, Role], wanted: Role) -> list[int]:
    return [index for index, role in roles.items() if role == wanted]


def _unclear(sentence: str, heads: Mapping[int, str], indexes: list[int]) -> Columns:
    named = listed(f"'{heads[index]}'" for index in indexes)
    return Columns(problem=f"is unclear: {sentence.format(named)}")
