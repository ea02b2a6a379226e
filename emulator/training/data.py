"""The encoded data of one training: what to fit on and what to score on."""

import math
from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from emulator.training.features import Encoder, Matrix, learn_encoder, number
from emulator.training.refusal import RefusedTrainingError
from emulator.training.table import Table, open_table
from emulator.training.upload import Upload
from runner.manifest.model import Task

MIN_ROWS = 100
MAX_CLASSES = 200
_HOLD_OUT = 4  # without evaluation data every fourth row is held out

Targets = npt.NDArray[Any]


class Sample(Struct, frozen=True, kw_only=True):
    """Features of shape (rows, features) and as many targets: text labels, or floats for a regression."""

    features: Matrix
    targets: Targets

    def take(self, rows: npt.NDArray[np.intp]) -> "Sample":
        """Return the rows in this order."""
        return Sample(features=self.features[rows], targets=self.targets[rows])


class TrainingData(Struct, frozen=True, kw_only=True):
    """Everything a training needs; `held_out` tells that the evaluation rows come from the training file."""

    encoder: Encoder
    fit: Sample
    score: Sample
    held_out: bool
    encoding: str


def read_training_data(upload: Upload, *, task: Task, target: str) -> TrainingData:
    """Return the encoded data.

    Raises:
        RefusedTrainingError: the data does not fit the task or the two parts do not fit together.
    """
    train = open_table(upload.train)
    if target not in train.header:
        raise RefusedTrainingError(f"The training data has no target column {target!r}.")
    encoder = learn_encoder(train, target)
    whole = _sample(train, encoder, task, target)
    _check_training(whole, task)
    if upload.eval is None:
        order = np.argsort(whole.targets, kind="stable")
        held = np.zeros(len(order), dtype=bool)
        held[order[_HOLD_OUT - 1 :: _HOLD_OUT]] = True
        fit, score = whole.take(np.flatnonzero(~held)), whole.take(np.flatnonzero(held))
    else:
        fit, score = whole, _evaluation(open_table(upload.eval), train, encoder, task, target)
    _check_fit(fit, score, task, held_out=upload.eval is None)
    return TrainingData(encoder=encoder, fit=fit, score=score, held_out=upload.eval is None, encoding=train.encoding)


def _evaluation(table: Table, train: Table, encoder: Encoder, task: Task, target: str) -> Sample:
    if table.header != train.header:
        raise RefusedTrainingError("The columns of the training and the evaluation data differ.")
    sample = _sample(table, encoder, task, target)
    if not len(sample.targets):
        raise RefusedTrainingError("The evaluation data has no rows with a target.")
    return sample


def _sample(table: Table, encoder: Encoder, task: Task, target: str) -> Sample:
    place = table.header.index(target)
    targets: list[str] = []

    def rows_with_target() -> Any:
        for row in table.rows():
            if row[place].strip():
                targets.append(row[place])
                yield row

    features = encoder.encode(table.header, rows_with_target())
    if task != "regression":
        return Sample(features=features, targets=np.array(targets, dtype=np.str_))
    numbers = [number(text) for text in targets]
    if any(math.isnan(value) for value in numbers):
        raise RefusedTrainingError(f"The target column {target!r} holds values that are not numbers.")
    return Sample(features=features, targets=np.array(numbers))


def _check_training(sample: Sample, task: Task) -> None:
    if len(sample.targets) < MIN_ROWS:
        raise RefusedTrainingError(
            f"The training data has {len(sample.targets)} rows with a target; at least {MIN_ROWS} are needed."
        )
    if task == "regression":
        return
    classes = len(Counter(sample.targets.tolist()))
    if task == "binary_classification" and classes != 2:
        raise RefusedTrainingError(f"A binary classification needs 2 classes; the target has {classes}.")
    if not 2 <= classes <= MAX_CLASSES:
        raise RefusedTrainingError(f"A classification needs 2 to {MAX_CLASSES} classes; the target has {classes}.")


def _check_fit(fit: Sample, score: Sample, task: Task, *, held_out: bool) -> None:
    if task == "regression":
        return
    known = set(fit.targets.tolist())
    if len(known) < 2:
        raise RefusedTrainingError("Too few rows of one class are left after some are held out to evaluate on.")
    unknown = sorted(set(score.targets.tolist()) - known)
    if unknown and not held_out:
        raise RefusedTrainingError(f"The evaluation data has the label {unknown[0]!r}, the training data does not.")
