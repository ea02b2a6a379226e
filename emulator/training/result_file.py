"""The result file: a zip with the members a result of the service has, in English or in Japanese."""

import csv
import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from msgspec import Struct
from sklearn.metrics import confusion_matrix

from emulator.training.data import TrainingData
from emulator.training.fitting import FittedModel
from emulator.training.scoring import Scores
from runner.lib.atomic_files import replacing

FOLDER = "evaluation"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same training gives the same bytes
_JAPANESE = {
    "AUC": "分類精度 (AUC)",
    "Precision": "精度",
    "Recall": "再現率",
    "F-score": "F値",
    "Average Precision": "平均Precision",
    "Average Recall": "平均Recall",
    "Average F-score": "平均F値",
    "Coefficient of Determination": "決定係数",
    "RMSE": "RMSE",
    "Mean Absolute Error": "誤差平均値",
    "Median Absolute Error": "誤差中央値",
    "Median Absolute Error Ratio": "誤差率中央値",
    "metric": "指標",
    "value": "値",
    "item": "項目",
    "row": "行",
    "actual": "実測値",
    "predicted": "予測値",
    "probability": "予測確率",
    "current model": "現在のモデル",
    "previous model": "更新前のモデル",
}
_JAPANESE_ACCURACY = {"binary_classification": "正解率"}  # a multi classification says Accuracy in Japanese too


class Language(Struct, frozen=True, kw_only=True):
    """The words and the bytes of a result: a training file in Shift_JIS gets a Japanese result in Shift_JIS."""

    encoding: str
    words: Mapping[str, str]

    def say(self, word: str) -> str:
        """Return the word as this language writes it."""
        return self.words.get(word, word)


def language_of(encoding: str, task: str) -> Language:
    """Return the language for a training file of this encoding."""
    if encoding != "cp932":
        return Language(encoding="utf-8-sig", words={})
    return Language(encoding="cp932", words=_JAPANESE | {"Accuracy": _JAPANESE_ACCURACY.get(task, "Accuracy")})


class Result(Struct, frozen=True, kw_only=True):
    """What a result file tells; `previous` are the scores of the model before, on the same evaluation rows."""

    model: FittedModel
    data: TrainingData
    scores: Scores
    previous: Scores | None


def write_result(result: Result, file: Path) -> None:
    """Write the zip so that it is there whole or not at all."""
    language = language_of(result.data.encoding, result.model.task)
    with replacing(file) as target, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, rows in _members(result, language):
            member = zipfile.ZipInfo(f"{FOLDER}/{name}", date_time=_EPOCH)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = 0o600 << 16
            archive.writestr(member, _csv(rows, language))


def _csv(rows: Iterable[Sequence[object]], language: Language) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    for number, row in enumerate(rows):
        writer.writerow([language.say(str(cell)) for cell in row] if number == 0 else row)
    return text.getvalue().encode(language.encoding, "replace")


def _members(result: Result, language: Language) -> Iterable[tuple[str, Iterable[Sequence[object]]]]:
    current, previous = result.scores, result.previous
    yield "metrics.csv", [("metric", "value"), *((language.say(k), _number(v)) for k, v in current.metrics.items())]
    yield "analysis_summary.csv", _summary(result)
    yield "evaluation_raw_data.csv", _raw_data(result)
    if result.model.labels:
        yield "confusion_matrix.csv", _confusion(result, current)
    if previous is None:
        return
    yield "metrics_comparison.csv", _comparison(current, previous, language)
    yield "evaluation_results_comparison.csv", _predictions(result, previous)
    if result.model.labels:
        yield "confusion_matrix_previous_model.csv", _confusion(result, previous)


def _summary(result: Result) -> Iterable[Sequence[object]]:
    data = result.data
    yield "item", "value"
    yield "task", result.model.task
    yield "target", result.model.target
    yield "training rows", len(data.fit.targets)
    yield "evaluation rows", len(data.score.targets)
    yield "evaluation data", "held out" if data.held_out else "given"
    yield "features", len(result.model.encoder.features)
    if result.model.task == "binary_classification":
        yield "positive class", result.model.positive


def _raw_data(result: Result) -> Iterable[Sequence[object]]:
    header = ("row", "actual", "predicted")
    rows = zip(result.data.score.targets.tolist(), result.scores.predicted.tolist(), strict=True)
    chances = result.scores.probabilities
    if chances is None:
        return [header, *((number, *row) for number, row in enumerate(rows, start=1))]
    binary = result.model.task == "binary_classification"
    shown = (chances[:, -1] if binary else chances.max(axis=1)).tolist()
    return [(*header, "probability"), *((n, *row, shown[n - 1]) for n, row in enumerate(rows, start=1))]


def _confusion(result: Result, scores: Scores) -> Iterable[Sequence[object]]:
    labels = sorted({*result.model.labels, *result.data.score.targets.tolist(), *scores.predicted.tolist()})
    counts = confusion_matrix(result.data.score.targets, scores.predicted, labels=labels).tolist()
    return [("actual \\ predicted", *labels), *((label, *row) for label, row in zip(labels, counts, strict=True))]


def _comparison(current: Scores, previous: Scores, language: Language) -> Iterable[Sequence[object]]:
    yield "metric", "current model", "previous model"
    for name, value in current.metrics.items():
        before = previous.metrics.get(name)
        yield language.say(name), _number(value), "" if before is None else _number(before)


def _number(value: float) -> str:
    """Return a metric with six significant digits, as a product shows it (an assumption)."""
    return np.format_float_positional(value, precision=6, fractional=False, trim="0")


def _predictions(result: Result, previous: Scores) -> Iterable[Sequence[object]]:
    yield "row", "actual", "current model", "previous model"
    columns = (result.data.score.targets.tolist(), result.scores.predicted.tolist(), previous.predicted.tolist())
    for number, row in enumerate(zip(*columns, strict=True), start=1):
        yield number, *row
