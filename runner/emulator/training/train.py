"""One training from the uploaded file to the result file."""

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from runner.emulator.training.data import read_training_data
from runner.emulator.training.fitting import FittedModel, fit_model, load_model, save_model
from runner.emulator.training.job_folder import JobFolder
from runner.emulator.training.result_file import Result, write_result
from runner.emulator.training.scoring import score_model
from runner.emulator.training.update import check_update, seen_by
from runner.emulator.training.upload import read_upload
from runner.manifest.model import Task


class Order(Struct, frozen=True, kw_only=True):
    """What to train: the job's folder, the model's task and target, and the model file to compare with, if any."""

    folder: JobFolder
    task: Task
    target: str
    previous: Path | None


def train(order: Order) -> Mapping[str, float]:
    """Train, write the model and the result file, and return the metrics by their English names.

    Raises:
        RefusedTrainingError: the data cannot be trained on.
    """
    data = read_training_data(read_upload(order.folder.upload), task=order.task, target=order.target)
    previous = _previous(order)
    if previous is not None:
        check_update(data, previous)
    model = fit_model(data.fit, data.encoder, task=order.task, target=order.target)
    scores = score_model(model, data.score)
    before = None if previous is None else score_model(previous, seen_by(previous, data))
    save_model(model, order.folder.model)
    write_result(Result(model=model, data=data, scores=scores, previous=before), order.folder.result)
    return scores.metrics


def _previous(order: Order) -> FittedModel | None:
    if order.previous is None:
        return None
    model = load_model(order.previous)
    return model if (model.task, model.target) == (order.task, order.target) else None
