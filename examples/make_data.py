"""Writes the example data: three public datasets that scikit-learn ships, split into training and evaluation rows.

Run it again with `python examples/make_data.py`; it gives the same bytes.

- Breast Cancer Wisconsin (Diagnostic): W. Wolberg, O. Mangasarian, N. Street, W. Street, UCI Machine Learning
  Repository, 1993. CC BY 4.0.
- Wine: S. Aeberhard, M. Forina, UCI Machine Learning Repository, 1991. CC BY 4.0.
- Diabetes: B. Efron, T. Hastie, I. Johnstone, R. Tibshirani, "Least Angle Regression", Annals of Statistics, 2004;
  the values as distributed with scikit-learn (BSD 3-Clause).
"""

import csv
from pathlib import Path
from typing import Any

from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

CONFIGS = Path(__file__).parent / "configs"
EVERY = 4  # every fourth row is for evaluation

# The Japanese example: the diabetes rows under Japanese column names, in Shift_JIS as a spreadsheet writes it.
JAPANESE = {
    "age": "年齢",
    "sex": "性別",
    "bmi": "肥満度",
    "bp": "血圧",
    "s1": "総コレステロール",
    "s2": "悪玉コレステロール",
    "s3": "善玉コレステロール",
    "s4": "コレステロール比",
    "s5": "中性脂肪",
    "s6": "血糖値",
    "progression": "進行度",
}


def main() -> None:
    """Write every file under examples/configs/*/data."""
    demo = CONFIGS / "demo" / "data"
    cancer, wine, diabetes = load_breast_cancer(), load_wine(), load_diabetes(scaled=False)
    split(demo / "breast_cancer", table(cancer, "diagnosis", ("malignant", "benign")))
    split(demo / "wine", table(wine, "cultivar", ("barolo", "grignolino", "barbera")))
    rows = table(diabetes, "progression", None)
    split(demo / "diabetes", rows)
    japanese = [[JAPANESE[name] for name in rows[0]], *rows[1:]]
    write(CONFIGS / "japanese" / "data" / "糖尿病.csv", japanese, encoding="cp932")
    write(CONFIGS / "minimal" / "data" / "wine.csv", table(wine, "cultivar", ("barolo", "grignolino", "barbera")))


def table(bunch: Any, target: str, names: tuple[str, ...] | None) -> list[list[str]]:
    """Return header and rows as texts; class numbers become the classes' names."""
    header = [str(name).replace(" ", "_").replace("/", "_per_") for name in bunch.feature_names]
    labels = [names[int(value)] if names else f"{value:g}" for value in bunch.target]
    rows = [[f"{value:g}" for value in values] for values in bunch.data]
    return [[*header, target], *([*row, label] for row, label in zip(rows, labels, strict=True))]


def split(stem: Path, rows: list[list[str]]) -> None:
    """Write STEM_train.csv and STEM_eval.csv."""
    header, body = rows[0], rows[1:]
    train = [row for number, row in enumerate(body) if number % EVERY]
    write(stem.with_name(f"{stem.name}_train.csv"), [header, *train])
    write(stem.with_name(f"{stem.name}_eval.csv"), [header, *body[::EVERY]])


def write(path: Path, rows: list[list[str]], encoding: str = "utf-8") -> None:
    """Write rows as CSV."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding=encoding) as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


if __name__ == "__main__":
    main()
