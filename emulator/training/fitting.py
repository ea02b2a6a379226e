"""The model itself: histogram gradient boosting of scikit-learn, always the same for the same data."""

from typing import Any

import numpy as np
from msgspec import Struct
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from emulator.training.data import Sample, Targets
from emulator.training.features import Encoder, Matrix
from runner.manifest.model import Task

_SEED = 0
_TREES = 300  # in all: a classification grows one tree a class and round
_ROUNDS = (10, 100)


class FittedModel(Struct, frozen=True, kw_only=True):
    """A trained model. `labels` are its classes in order, empty for a regression."""

    task: Task
    target: str
    encoder: Encoder
    labels: tuple[str, ...]
    estimator: Any

    @property
    def positive(self) -> str:
        """The positive class of a binary classification: the last label in text order. An assumption."""
        return self.labels[-1]

    def predict(self, features: Matrix) -> Targets:
        """Return one label or float a row."""
        predicted: Targets = self.estimator.predict(features)
        return predicted

    def probabilities(self, features: Matrix) -> Matrix:
        """Return the probability of each label, shape (rows, labels); only for classifications."""
        probabilities: Matrix = self.estimator.predict_proba(features)
        return probabilities


def fit_model(sample: Sample, encoder: Encoder, *, task: Task, target: str) -> FittedModel:
    """Return a model trained on the sample, the same one each time."""
    labels = () if task == "regression" else tuple(sorted(set(sample.targets.tolist())))
    rounds = int(np.clip(_TREES // max(len(labels), 1), *_ROUNDS))
    kind = HistGradientBoostingRegressor if task == "regression" else HistGradientBoostingClassifier
    estimator = kind(
        max_iter=rounds,
        early_stopping=False,
        random_state=_SEED,
        categorical_features=encoder.categorical,
    )
    empty = np.isnan(sample.features).all(axis=0)  # scikit-learn cannot bin a column without a value
    with threadpool_limits(1):  # on a busy machine threads that wait for each other take ten times as long
        estimator.fit(np.where(empty, 0.0, sample.features), sample.targets)
    return FittedModel(task=task, target=target, encoder=encoder, labels=labels, estimator=estimator)
