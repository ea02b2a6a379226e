"""What is needed is found on two levels and under other names; what is not needed refuses nothing."""

from typing import Any

import pytest

from runner.providers.fields import Fields, Parts, scalar_text

FIELDS = Fields()


@pytest.mark.parametrize(
    "document",
    [
        {"status": "running"},
        {"data": {"status": "running"}},
        {"metadata": {"status": "running", "retrain_job_id": "j"}},
        {"status": "success", "data": {"status": "running"}},
        {"status": "running", "metadata": {"status": 200}},
        {"result": [{"status": "running"}]},
        [{"status": "running"}],
        {"Status": "running"},
        {"error": {"status": "failed"}, "job": {"status": "running"}},
        {"status": "running", "model_id": {"deep": [1]}, "other": None},
    ],
)
def test_the_status_of_the_job_is_found(document: Any) -> None:
    assert Parts.of(document).text(FIELDS.status) == "running"


@pytest.mark.parametrize("document", [{}, [], "text", None, 7, {"a": {"b": {"status": "deep"}}}, {"status": ["x"]}])
def test_what_is_deeper_or_no_scalar_is_not_found(document: Any) -> None:
    assert Parts.of(document).text(FIELDS.status) is None


def test_names_are_read_whatever_their_case_and_by_the_aliases() -> None:
    parts = Parts.of({"uploadUrl": "https://s/u", "url": "https://other/", "retrainJobId": 17})
    assert parts.text(FIELDS.upload_url) == "https://s/u"
    assert parts.text(("upload_link", "url")) == "https://other/"
    assert parts.text(FIELDS.retrain_job_id) == "17"


def test_every_id_of_an_answer_is_told() -> None:
    assert Parts.of({"retrain_job_id": "a", "metadata": {"retrain_job_id": "b"}}).texts(FIELDS.retrain_job_id) == {
        "a",
        "b",
    }


def test_a_number_is_kept_as_its_text_and_a_list_is_none() -> None:
    values: list[Any] = [2, "2 ", True, None, [1], {}]
    assert [scalar_text(value) for value in values] == ["2", "2", "true", None, None, None]
