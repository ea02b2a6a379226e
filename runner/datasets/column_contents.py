"""What is learnt of the values of one file, over all the parts that it is joined of."""

from runner.datasets.empty_columns import EmptyColumns
from runner.datasets.label_set import LabelSet
from runner.datasets.target_gaps import TargetGaps


class ColumnContents:
    """The target's labels, the rows without one, and the columns without any value."""

    def __init__(self, delimiter: str, most_labels: int) -> None:
        self.labels = LabelSet(most_labels)
        self.empty = EmptyColumns(delimiter.encode())
        self.gaps = TargetGaps(delimiter.encode())
