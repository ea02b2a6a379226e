"""The list of models tells a model's task and target in the manual's form, and in forms near it."""

import json
from typing import Any

import pytest

from runner.http.responses import Answer
from runner.providers.base import ListedModel, ServiceError
from runner.providers.prediction_one.response_reading import read_models


def read(document: Any) -> tuple[ListedModel, ...]:
    return read_models(
        Answer(host="service.test", status=200, date=None, after=None, body=json.dumps(document).encode(), flaw=None)
    )


WINE = ListedModel(model_id=7, name="wine", task="multi_classification", target="cultivar")


@pytest.mark.parametrize(
    "document",
    [
        {"models": [{"model_id": 7, "name": "wine", "config": {"tt": "multi_classification", "tc": "cultivar"}}]},
        [{"model_id": "7", "name": "wine", "config": {"tt": "multi_classification", "tc": "cultivar", "name": "x"}}],
        {
            "data": {
                "models": [{"model_id": 7, "model_name": "wine", "tt": "multi_classification", "target": "cultivar"}]
            }
        },
    ],
)
def test_a_model_is_read_wherever_it_stands(document: Any) -> None:
    assert read(document) == (WINE,)


@pytest.mark.parametrize("value", [None, True, [], {"a": 1}, 7])
def test_what_is_not_text_is_not_known(value: Any) -> None:
    assert read([{"model_id": 7, "name": value, "config": {"tt": value, "tc": value}}]) == (
        ListedModel(model_id=7, name=None, task=None, target=None),
    )


@pytest.mark.parametrize("document", [{}, [], {"models": []}, [{"model_id": True}], [{"name": "wine"}], "wine"])
def test_an_answer_without_a_model_lists_none(document: Any) -> None:
    assert read(document) == ()


def test_nesting_without_end_ends_in_our_own_error() -> None:
    body = b'{"a":' * 20_000 + b"1" + b"}" * 20_000
    with pytest.raises(ServiceError):
        read_models(Answer(host="h", status=200, date=None, after=None, body=body, flaw=None))
