"""The three retrain calls."""

from datetime import timedelta
from typing import Any, Literal
from urllib.parse import quote

from emulator.access import Access
from emulator.answer import Answer, Effect, json_answer
from emulator.condition import REFUSES_SWITCH, REFUSES_UPLOAD_URL
from emulator.contract import ContractError, ParameterError, Row
from emulator.exchange import Exchange
from emulator.job import Account, Job, Phase, shown_id
from emulator.playing import Values
from emulator.profile import FaultKind, Profile
from emulator.signing import Signer
from emulator.state import State

_LONGEST_NAME = 255


class RetrainApi:
    """`GET upload_url`, `GET retrain_jobs/{id}` and `PUT update_model`."""

    def __init__(self, *, access: Access, state: State, signer: Signer, profile: Profile) -> None:
        self._access = access
        self._state = state
        self._signer = signer
        self._profile = profile

    def upload_url(self, exchange: Exchange) -> Answer:
        """Issue a job and the URL its data goes to."""
        account = self._access.require_model(exchange.key)
        if account.condition in REFUSES_UPLOAD_URL:
            raise ContractError(REFUSES_UPLOAD_URL[account.condition])
        filename = _checked(exchange.request.args.get("filename", ""))
        retrain_job_id = self._state.issue_job(account.name, filename, short=self._profile.ids == "integer")
        value = {
            "retrain_job_id": shown_id(retrain_job_id, self._profile.ids),
            "upload_url": self._upload_url(exchange, retrain_job_id, filename),
        }
        return json_answer(value, effect="issued", retrain_job_id=retrain_job_id)

    def status(self, exchange: Exchange) -> Answer:
        """Tell how far a job is; each answer carries a download URL of its own."""
        job = self._job(self._access.require_model(exchange.key), exchange)
        if job.deleted:
            raise ContractError(Row.JOB_DELETED)
        phase = job.shown_phase()
        value: dict[str, Any] = {"status": self._status(phase)}
        if phase is Phase.FINISHED:
            value |= {"model_id": job.model_id, "download_url": self._download_url(exchange, job)}
        if phase is Phase.FAILED:
            value["message"] = job.message
        return json_answer(value | self._metadata(job), retrain_job_id=job.retrain_job_id)

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
        return json_answer(self._metadata(job), effect=effect, retrain_job_id=job.retrain_job_id)

    def values(self, exchange: Exchange, job: Job | None) -> Values:
        """Return what the placeholders of a profile's answers stand for."""
        if job is None:
            return {}
        return {
            "retrain_job_id": lambda: shown_id(job.retrain_job_id, self._profile.ids),
            "model_id": lambda: job.model_id,
            "upload_url": lambda: self._upload_url(exchange, job.retrain_job_id, job.filename),
            "download_url": lambda: self._download_url(exchange, job),
        }

    def _job(self, account: Account, exchange: Exchange) -> Job:
        job = self._state.job(exchange.arguments["retrain_job_id"])
        if job is None or job.model != account.name:
            raise ContractError(Row.JOB_NOT_FOUND)
        return job

    def _status(self, phase: Phase) -> object:
        statuses = self._profile.statuses
        return {
            Phase.WAITING: statuses.waiting,
            Phase.TRAINING: statuses.training,
            Phase.FINISHED: statuses.finished,
            Phase.FAILED: statuses.failed,
        }[phase]

    def _metadata(self, job: Job) -> dict[str, Any]:
        return {"metadata": {"retrain_job_id": shown_id(job.retrain_job_id, self._profile.ids)}}

    def _upload_url(self, exchange: Exchange, retrain_job_id: str, filename: str) -> str:
        path = f"/store/uploads/{retrain_job_id}/{quote(filename, safe='')}"
        return self._signed(exchange, "PUT", path)

    def _download_url(self, exchange: Exchange, job: Job) -> str:
        name = quote(self._profile.result.name, safe="")
        return self._signed(exchange, "GET", f"/store/results/{job.retrain_job_id}/{name}")

    def _signed(self, exchange: Exchange, method: Literal["PUT", "GET"], path: str) -> str:
        terms = self._profile.urls.upload if method == "PUT" else self._profile.urls.download
        issued = self._signer.now()
        if exchange.hit_by(FaultKind.EXPIRED_URL):
            issued -= timedelta(seconds=terms.seconds, minutes=5)
        query = self._signer.query(method, path, issued=issued, seconds=terms.seconds, headers=[*terms.signed_headers])
        base = {
            "absolute": exchange.base_url,
            "relative": "",
            "http": f"http://{exchange.request.host}",
            "https": f"https://{exchange.request.host}",
        }[terms.form]
        return f"{base}{path}?{query}"


def _checked(filename: str) -> str:
    """Return the name when it can be the last part of a URL that every client sends unchanged."""
    if not filename:
        raise ParameterError("filename is required.")
    if len(filename) > _LONGEST_NAME or filename in (".", "..") or not filename.isprintable():
        raise ParameterError("filename is not valid.")
    if "/" in filename or "\\" in filename:
        raise ParameterError("filename must not contain a folder.")
    return filename
