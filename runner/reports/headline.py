"""The run's answer, in one sentence: what became of its models."""

from collections.abc import Mapping, Sequence

from runner.journal.outcomes import OUTCOMES, Outcome


def answer(summary: Mapping[Outcome, int]) -> str:
    """Return the counts by outcome as one sentence, such as `2 of 3 models switched; 1 was held back.`."""
    if not summary:
        return "No model took part."
    total, [(first, count), *others] = sum(summary.values()), list(summary.items())
    told = OUTCOMES[first].verbs[count > 1]
    if not others:
        return f"All {total:,} models {told}." if total > 1 else f"The model {told}."
    rest = [f"{number:,} {OUTCOMES[outcome].verbs[number > 1]}" for outcome, number in others]
    return f"{count:,} of {total:,} models {told}; {_listed(rest)}."


def _listed(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]
