"""What is learnt of the values of one file, over all the parts that it is joined of."""

from runner.datasets.empty_columns import EmptyColumns
from runner.datasets.label_set import Labels
from runner.datasets.target_gaps import TargetGaps


class Collected:
    """The target's labels, the rows without one, and the columns without any value."""

    def __init__(self, delimiter: str, most_labels: int) -> None:
        self.labels = Labels(most_labels)
        self.empty = EmptyColumns(delimiter.encode())
        self.gaps = TargetGaps(delimiter.encode())
