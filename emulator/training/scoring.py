"""The metrics of a model on evaluation rows, by the service's own names."""

from collections.abc import Mapping

import numpy as np
from msgspec import Struct
from sklearn import metrics

from emulator.training.data import Sample, Targets
from emulator.training.features import Matrix
from emulator.training.fitting import FittedModel

_MACRO = {"average": "macro", "zero_division": 0.0}


class Scores(Struct, frozen=True, kw_only=True):
    """How a model does on a sample.

    `metrics` maps English names to values; a metric that is not defined on the sample is absent. `probabilities` has
    the shape (rows, labels) and is None for a regression.
    """

    metrics: Mapping[str, float]
    predicted: Targets
    probabilities: Matrix | None


def score_model(model: FittedModel, sample: Sample) -> Scores:
    """Return the model's scores on the sample."""
    predicted = model.predict(sample.features)
    if model.task == "regression":
        return Scores(metrics=_regression(sample.targets, predicted), predicted=predicted, probabilities=None)
    probabilities = model.probabilities(sample.features)
    if model.task == "binary_classification":
        found = _binary(model.positive, sample.targets, predicted, probabilities[:, -1])
    else:
        found = _multi(sample.targets, predicted)
    return Scores(metrics=found, predicted=predicted, probabilities=probabilities)


def _binary(positive: str, actual: Targets, predicted: Targets, probability: Targets) -> dict[str, float]:
    named = {"pos_label": positive, "zero_division": 0.0}
    found = {
        "Accuracy": metrics.accuracy_score(actual, predicted),
        "Precision": metrics.precision_score(actual, predicted, **named),
        "Recall": metrics.recall_score(actual, predicted, **named),
        "F-score": metrics.f1_score(actual, predicted, **named),
    }
    if len(set(actual.tolist())) == 2:  # with one class there is no curve
        found = {"AUC": metrics.roc_auc_score(actual == positive, probability), **found}
    return _floats(found)


def _multi(actual: Targets, predicted: Targets) -> dict[str, float]:
    return _floats(
        {
            "Accuracy": metrics.accuracy_score(actual, predicted),
            "Average Precision": metrics.precision_score(actual, predicted, **_MACRO),
            "Average Recall": metrics.recall_score(actual, predicted, **_MACRO),
            "Average F-score": metrics.f1_score(actual, predicted, **_MACRO),
        }
    )


def _regression(actual: Targets, predicted: Targets) -> dict[str, float]:
    errors = np.abs(actual - predicted)
    found = {
        "RMSE": metrics.root_mean_squared_error(actual, predicted),
        "Mean Absolute Error": errors.mean(),
        "Median Absolute Error": np.median(errors),
    }
    if len(actual) > 1:
        found = {"Coefficient of Determination": metrics.r2_score(actual, predicted), **found}
    if np.all(actual != 0):
        found["Median Absolute Error Ratio"] = np.median(errors / np.abs(actual))
    return _floats(found)


def _floats(found: Mapping[str, object]) -> dict[str, float]:
    return {name: float(value) for name, value in found.items() if isinstance(value, int | float | np.floating)}
