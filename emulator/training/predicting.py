"""Predictions for rows given as JSON objects."""

from typing import Any

from emulator.training.fitting import FittedModel
from emulator.training.refusal import RefusedTrainingError


def predict_rows(model: FittedModel, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return `predictions`, one a row, and for classifications `probabilities` by label; null is an empty cell.

    Raises:
        RefusedTrainingError: a row lacks a column of the model, or a cell is not text, number or null.
    """
    header = [feature.name for feature in model.encoder.features]
    features = model.encoder.encode(header, ([_cell(row, name) for name in header] for row in rows))
    answer: dict[str, Any] = {"predictions": model.predict(features).tolist()}
    if model.labels:
        chances = model.probabilities(features).tolist()
        answer["probabilities"] = [dict(zip(model.labels, row, strict=True)) for row in chances]
    return answer


def _cell(row: dict[str, Any], name: str) -> str:
    if name not in row:
        raise RefusedTrainingError(f"A row lacks the column {name!r}.")
    match row[name]:
        case None:
            return ""
        case bool() | str() | int() | float() as value:
            return str(value)
        case _:
            raise RefusedTrainingError(f"The column {name!r} of a row is neither text nor a number.")
