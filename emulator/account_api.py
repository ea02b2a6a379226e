"""The neighbouring calls: fetching keys, listing models and classifiers."""

from datetime import UTC, datetime
from typing import Any

from emulator.access import Access
from emulator.answer import Answer, json_answer
from emulator.condition import Condition
from emulator.contract import ContractError, ParameterError, Row
from emulator.exchange import Exchange
from emulator.hosting import HostedModel, Hosting
from emulator.keys import INFERENCE_KEY, own_key
from emulator.state import State

_LARGEST_PAGE = 1000


class AccountApi:
    """`GET api-key`, `GET models` and `GET classifiers`. The lists' shapes are assumptions, they are not published."""

    def __init__(self, *, hosting: Hosting, access: Access, state: State) -> None:
        self._hosting = hosting
        self._access = access
        self._state = state

    def api_key(self, exchange: Exchange) -> Answer:
        """Issue a model's key for 30 days; the account's secret key alone may ask."""
        if not self._access.is_account(exchange.key):
            raise ContractError(Row.INVALID_KEY)
        if exchange.request.args.get("credential_type") != "retrain":
            raise ParameterError("credential_type must be retrain.")
        wanted = exchange.request.args.get("model_id")
        names = [name for name in self._hosting.models if str(self._state.account(name).model_id) == wanted]
        if not names:
            raise ContractError(Row.MODEL_DELETED)
        key, expires = self._access.issue_key(names[0])
        end_date = datetime.fromtimestamp(expires, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return json_answer({"api_key": key, "end_date": end_date}, effect="key_issued")

    def models(self, exchange: Exchange) -> Answer:
        """List the models the key may see: all for the account, one for a model's own key."""
        offset, limit = _count(exchange, "offset", 0), _count(exchange, "limit", 100)
        visible = self._visible(exchange)
        page = [self._model(model) for model in visible[offset : offset + min(limit, _LARGEST_PAGE)]]
        return json_answer({"models": page, "metadata": {"offset": offset, "limit": limit, "total": len(visible)}})

    def classifiers(self, exchange: Exchange) -> Answer:
        """List the prediction APIs with the model in service and, as the service does, their keys in clear."""
        accounts = [(model, self._state.account(model.name)) for model in self._visible(exchange)]
        running = [
            {
                "classifier_id": account.model_id,
                "model_id": self._in_service(model.name),
                "status": "running",
                "api_key": INFERENCE_KEY + own_key(model.name),
            }
            for model, account in accounts
            if account.condition is not Condition.CLASSIFIER_DELETED
        ]
        return json_answer({"classifiers": running})

    def _visible(self, exchange: Exchange) -> list[HostedModel]:
        if self._access.is_account(exchange.key):
            return list(self._hosting.models.values())
        return [self._hosting.models[self._access.require_model(exchange.key).name]]

    def _model(self, model: HostedModel) -> dict[str, Any]:
        model_id = self._state.account(model.name).model_id
        return {"model_id": model_id, "model_name": model.name, "tt": model.task, "target": model.target}

    def _in_service(self, name: str) -> int:
        account = self._state.account(name)
        job = self._state.job(account.serving_job) if account.serving_job else None
        return job.model_id if job and job.model_id is not None else account.model_id


def _count(exchange: Exchange, name: str, default: int) -> int:
    text = exchange.request.args.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ParameterError(f"{name} must be a whole number.")
    return int(text)
