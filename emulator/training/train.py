"""One training from the uploaded file to the result file, and the model of an earlier one.

A model is not stored: what it was trained on is, and fitting again gives the same model. So nothing in a data folder
that came from elsewhere is ever more than a table to read.
"""

from collections.abc import Mapping
from functools import lru_cache

import msgspec
from msgspec import Struct

from emulator.training.data import TrainingData, read_training_data
from emulator.training.fitting import FittedModel, fit_model
from emulator.training.job_folder import JobFolder
from emulator.training.refusal import RefusedTrainingError
from emulator.training.result_file import Result, write_result
from emulator.training.scoring import score_model
from emulator.training.update import check_update, seen_by
from emulator.training.upload import read_upload
from runner.lib.atomic_files import write_whole
from runner.manifest.model import Task

_REMEMBERED = 16  # models


class Recipe(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an upload is trained for."""

    task: Task
    target: str


class Order(Struct, frozen=True, kw_only=True):
    """What to train: the job's folder, its recipe, and the folder of the job to compare with, if any."""

    folder: JobFolder
    recipe: Recipe
    previous: JobFolder | None


def train(order: Order) -> Mapping[str, float]:
    """Train, write the recipe and the result file, and return the metrics by their English names.

    Raises:
        RefusedTrainingError: the data cannot be trained on, or that of the job to compare with cannot be read.
    """
    data = _read(order.folder, order.recipe)
    previous = _previous(order)
    if previous is not None:
        check_update(data, previous)
    model = _fit(data, order.recipe)
    scores = score_model(model, data.score)
    before = None if previous is None else score_model(previous, seen_by(previous, data))
    write_whole(order.folder.recipe, msgspec.json.encode(order.recipe))
    write_result(Result(model=model, data=data, scores=scores, previous=before), order.folder.result)
    return scores.metrics


@lru_cache(maxsize=_REMEMBERED)
def trained_model(folder: JobFolder) -> FittedModel:
    """Return the model of a finished job.

    Raises:
        RefusedTrainingError: its data or its recipe cannot be read any more.
    """
    recipe = _recipe(folder)
    return _fit(_read(folder, recipe), recipe)


def _previous(order: Order) -> FittedModel | None:
    if order.previous is None or _recipe(order.previous) != order.recipe:
        return None
    return trained_model(order.previous)


def _fit(data: TrainingData, recipe: Recipe) -> FittedModel:
    return fit_model(data.fit, data.encoder, task=recipe.task, target=recipe.target)


def _read(folder: JobFolder, recipe: Recipe) -> TrainingData:
    return read_training_data(read_upload(folder.upload), task=recipe.task, target=recipe.target)


def _recipe(folder: JobFolder) -> Recipe:
    try:
        return msgspec.json.decode(folder.recipe.read_bytes(), type=Recipe)
    except (OSError, msgspec.DecodeError) as error:
        raise RefusedTrainingError(f"The data of the job {folder.path.name} cannot be read any more.") from error
