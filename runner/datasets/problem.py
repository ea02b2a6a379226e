"""What a check can find wrong, in the form people and editors read: `file:line: reason`."""

from msgspec import Struct

Finding = tuple[int | None, str]  # a line, or None for the whole file, and a reason

MOST_SHOWN = 5  # problems of one file; more would bury the first


class DataProblem(Struct, frozen=True, kw_only=True):
    """One thing that is wrong with a file; `line` counts from 1 and is None when it is about the whole file."""

    file: str
    line: int | None
    reason: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.reason}"


class DataProblems:
    """Collects the problems of one file: the first few in full, the others counted."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.found: list[DataProblem] = []
        self.more = 0

    def add(self, line: int | None, reason: str) -> None:
        """Note a problem."""
        if len(self.found) < MOST_SHOWN:
            self.found.append(DataProblem(file=self.file, line=line, reason=reason))
        else:
            self.more += 1

    def extend(self, others: "DataProblems") -> None:
        """Take over what another collection found, with its own file names."""
        room = MOST_SHOWN - len(self.found)
        self.found += others.found[:room]
        self.more += len(others.found[room:]) + others.more

    def lines(self) -> list[str]:
        """Return each problem as text, and last how many more there are."""
        shown = [str(problem) for problem in self.found]
        return [*shown, f"{self.file}: {self.more} more like these"] if self.more else shown
