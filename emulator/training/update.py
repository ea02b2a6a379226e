"""What an update of a model must keep, and how the model before sees the new evaluation rows."""

import numpy as np

from emulator.training.data import Sample, TrainingData
from emulator.training.features import Encoder, Feature, Matrix
from emulator.training.fitting import FittedModel
from emulator.training.refusal import RefusedTrainingError


def check_update(data: TrainingData, previous: FittedModel) -> None:
    """Return when the data may update the model.

    Assumption: the service refuses what the vendor's desktop product refuses on an update.

    Raises:
        RefusedTrainingError: a column is missing or changed its type, or a target label is new.
    """
    now = {feature.name: feature for feature in data.encoder.features}
    for feature in previous.encoder.features:
        if feature.name not in now:
            raise RefusedTrainingError(f"The column {feature.name!r} of the last training is missing.")
        if now[feature.name].kind != feature.kind:
            raise RefusedTrainingError(
                f"The column {feature.name!r} was {feature.kind} in the last training and is {now[feature.name].kind}."
            )
    new = sorted(set(data.fit.targets.tolist()) - set(previous.labels)) if previous.labels else []
    if new:
        raise RefusedTrainingError(f"The target label {new[0]!r} was not there in the last training.")


def seen_by(previous: FittedModel, data: TrainingData) -> Sample:
    """Return the evaluation rows with the features of the model before, in its own codes."""
    columns = [_column(feature, data.encoder, data.score.features) for feature in previous.encoder.features]
    return Sample(features=np.column_stack(columns), targets=data.score.targets)


def _column(wanted: Feature, encoder: Encoder, features: Matrix) -> Matrix:
    place = next(i for i, feature in enumerate(encoder.features) if feature.name == wanted.name)
    column, given = features[:, place], encoder.features[place]
    if wanted.categories is None or given.categories is None:
        return column
    codes = {value: float(code) for code, value in enumerate(wanted.categories)}
    table = np.array([*(codes.get(value, np.nan) for value in given.categories), np.nan])
    known: Matrix = table[np.where(np.isnan(column), len(given.categories), column).astype(np.intp)]
    return known
