"""What planning comes to."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from runner.datasets.metadata import DatasetDigest
from runner.errors import ModelError
from runner.journal.events import NameMove
from runner.journal.progress import Progress
from runner.plan.model_plan import ModelPlan


class Planned(Struct, frozen=True, kw_only=True):
    """The plan for every selected model, and the digests of their datasets by name that it was made from.

    `progress` is the journal's with the moves, as the plans were made against.
    `moves` are the names to record, of all models; `services_before` has the hosts that models were trained on, by
    name, where the service is a new one to them.
    """

    plans: Sequence[ModelPlan]
    data: Mapping[str, DatasetDigest | ModelError]
    progress: Progress
    moves: tuple[NameMove, ...] = ()
    services_before: Mapping[str, str] = {}
