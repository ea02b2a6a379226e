"""The three retrain calls."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from emulator.access import Access
from emulator.answer import Answer, Effect, json_answer
from emulator.condition import REFUSES_SWITCH, REFUSES_UPLOAD_URL
from emulator.contract import ContractError, ParameterError, Row
from emulator.exchange import Exchange
from emulator.faults import FaultKind
from emulator.job import Account, Job, Phase
from emulator.signing import LIFETIME, Signer
from emulator.state import State

_LONGEST_NAME = 255


class RetrainApi:
    """`GET upload_url`, `GET retrain_jobs/{id}` and `PUT update_model`."""

    def __init__(self, *, access: Access, state: State, signer: Signer) -> None:
        self._access = access
        self._state = state
        self._signer = signer

    def upload_url(self, exchange: Exchange) -> Answer:
        """Issue a job and the URL its data goes to."""
        account = self._access.require_model(exchange.key)
        if account.condition in REFUSES_UPLOAD_URL:
            raise ContractError(REFUSES_UPLOAD_URL[account.condition])
        filename = _checked(exchange.request.args.get("filename", ""))
        retrain_job_id = self._state.issue_job(account.name, filename)
        url = self._signed(exchange, "PUT", f"/store/uploads/{retrain_job_id}/{quote(filename, safe='')}")
        value = {"retrain_job_id": retrain_job_id, "upload_url": url}
        return json_answer(value, effect="issued", retrain_job_id=retrain_job_id)

    def status(self, exchange: Exchange) -> Answer:
        """Tell how far a job is; each answer carries a download URL of its own."""
        job = self._job(self._access.require_model(exchange.key), exchange)
        if job.deleted:
            raise ContractError(Row.JOB_DELETED)
        phase = job.shown_phase()
        value: dict[str, Any] = {"status": phase.value}
        if phase is Phase.FINISHED:
            path = f"/store/results/{job.retrain_job_id}/result.zip"
            value |= {"model_id": job.model_id, "download_url": self._signed(exchange, "GET", path)}
        if phase is Phase.FAILED:
            value["message"] = job.message
        return json_answer(value | _metadata(job), retrain_job_id=job.retrain_job_id)

    def switch(self, exchange: Exchange) -> Answer:
        """Put the job's candidate into service; a second time changes nothing and is fine."""
        account = self._access.require_model(exchange.key)
        if exchange.request.content_length or "transfer-encoding" in exchange.header_names:
            raise ParameterError("This call takes no body.")
        job = self._job(account, exchange)
        if job.deleted:
            raise ContractError(Row.JOB_NOT_FOUND)
        if account.condition in REFUSES_SWITCH:
            raise ContractError(REFUSES_SWITCH[account.condition])
        if job.shown_phase() is not Phase.FINISHED:
            raise ContractError(Row.JOB_NOT_FINISHED)
        effect: Effect = "switched" if self._state.switch(job) else "switched_again"
        return json_answer(_metadata(job), effect=effect, retrain_job_id=job.retrain_job_id)

    def _job(self, account: Account, exchange: Exchange) -> Job:
        job = self._state.job(exchange.arguments["retrain_job_id"])
        if job is None or job.model != account.name:
            raise ContractError(Row.JOB_NOT_FOUND)
        return job

    def _signed(self, exchange: Exchange, method: str, path: str) -> str:
        now = datetime.now(UTC)
        issued = now - LIFETIME - timedelta(minutes=5) if exchange.hit_by(FaultKind.EXPIRED_URL) else now
        return f"{exchange.base_url}{path}?{self._signer.query(method, path, issued=issued)}"


def _metadata(job: Job) -> dict[str, Any]:
    return {"metadata": {"retrain_job_id": job.retrain_job_id}}


def _checked(filename: str) -> str:
    """Return the name when it can be the last part of a URL that every client sends unchanged."""
    if not filename:
        raise ParameterError("filename is required.")
    if len(filename) > _LONGEST_NAME or filename in (".", "..") or not filename.isprintable():
        raise ParameterError("filename is not valid.")
    if "/" in filename or "\\" in filename:
        raise ParameterError("filename must not contain a folder.")
    return filename
