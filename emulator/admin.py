"""What the service does not have: a look inside, predictions without a published API, and conditions to rehearse."""

import json
from typing import Any

from emulator.answer import Answer, json_answer
from emulator.condition import Condition
from emulator.exchange import Exchange
from emulator.hosting import Hosting
from emulator.job import Job
from emulator.state import State
from emulator.training.job_folder import JobFolder
from emulator.trainings import Trainings

_LARGEST_BODY = 10 << 20


class AdminError(Exception):
    """A call to the emulator itself is refused with an HTTP status and a sentence."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Admin:
    """`/v1/emulator/...`, for clients on this machine only."""

    def __init__(self, *, hosting: Hosting, state: State, trainings: Trainings) -> None:
        self._hosting = hosting
        self._state = state
        self._trainings = trainings

    def show(self, exchange: Exchange) -> Answer:
        """Tell all about one model."""
        return json_answer(self._description(self._name(exchange)))

    def change(self, exchange: Exchange) -> Answer:
        """Put a model into a condition, or back with null."""
        name = self._name(exchange)
        body = _json_body(exchange)
        if not isinstance(body, dict) or body.keys() != {"condition"}:
            raise AdminError(400, 'The body must be {"condition": NAME} or {"condition": null}.')
        self._state.set_condition(name, _condition(body["condition"]))
        return json_answer(self._description(name))

    def predict(self, exchange: Exchange) -> Answer:
        """Answer rows with the model in service."""
        name = self._name(exchange)
        body = _json_body(exchange)
        rows = body.get("rows") if isinstance(body, dict) else None
        if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
            raise AdminError(400, 'The body must be {"rows": [{"COLUMN": VALUE, ...}, ...]}.')
        serving = self._state.account(name).serving_job
        if serving is None:
            raise AdminError(409, f"No retrained model of {name} is in service: switch to a finished job first.")
        return json_answer({"retrain_job_id": serving, **_predict(self._trainings.folder(serving), rows)})

    def delete_job(self, exchange: Exchange) -> Answer:
        """Delete a job, so that its status says so."""
        retrain_job_id = exchange.arguments["retrain_job_id"]
        if not self._state.delete_job(retrain_job_id):
            raise AdminError(404, "There is no such job.")
        return json_answer({"deleted": retrain_job_id}, retrain_job_id=retrain_job_id)

    def _name(self, exchange: Exchange) -> str:
        name = exchange.arguments["name"]
        if name not in self._hosting.models:
            raise AdminError(404, "There is no such model.")
        return name

    def _description(self, name: str) -> dict[str, Any]:
        model, account, jobs = self._hosting.models[name], self._state.account(name), self._state.jobs_of(name)
        serving = next((job for job in jobs if job.retrain_job_id == account.serving_job), None)
        return {
            "name": name,
            "task": model.task,
            "target": model.target,
            "model_id": account.model_id,
            "condition": account.condition,
            "serving_job": account.serving_job,
            "serving_model_id": serving.model_id if serving else None,
            "metrics": serving.metrics if serving else None,
            "trainings": sum(job.started is not None for job in jobs),
            "switches": account.switches,
            "jobs": [_job(job) for job in jobs],
        }


def _job(job: Job) -> dict[str, Any]:
    return {
        "id": job.retrain_job_id,
        "status": job.shown_phase(),
        "filename": job.filename,
        "issued": job.issued,
        "started": job.started,
        "finished": job.finished,
        "message": job.message,
        "model_id": job.model_id,
        "metrics": job.metrics,
        "deleted": job.deleted,
    }


def _json_body(exchange: Exchange) -> Any:
    if (exchange.request.content_length or 0) > _LARGEST_BODY:
        raise AdminError(413, "The body is larger than 10 MiB.")
    try:
        return json.loads(exchange.request.get_data())
    except (ValueError, RecursionError):
        raise AdminError(400, "The body is not JSON.") from None


def _condition(value: Any) -> Condition | None:
    if value is None:
        return None
    if value not in [condition.value for condition in Condition]:
        raise AdminError(400, f"A condition is one of {', '.join(Condition)} or null.")
    return Condition(value)


def _predict(folder: JobFolder, rows: list[dict[str, Any]]) -> dict[str, Any]:
    # scikit-learn takes a second to import, and most servers never predict.
    from emulator.training.predicting import predict_rows  # noqa: PLC0415 # see above
    from emulator.training.refusal import RefusedTrainingError  # noqa: PLC0415 # see above
    from emulator.training.train import trained_model  # noqa: PLC0415 # see above

    try:
        return predict_rows(trained_model(folder), rows)
    except RefusedTrainingError as error:
        raise AdminError(400, str(error)) from error
