"""The neighbouring calls: fetching keys, listing models and classifiers."""

from datetime import UTC, datetime
from typing import Any

from emulator.access import Access
from emulator.answer import Answer, json_answer
from emulator.condition import Condition
from emulator.contract import ContractError, ParameterError, Row
from emulator.exchange import Exchange
from emulator.hosting import HostedModel, Hosting
from emulator.job import now_text
from emulator.keys import ACCOUNT_KEYS, INFERENCE_KEY, own_key
from emulator.profile import Audience, Profile
from emulator.state import State

_LARGEST_PAGE = 1000
_DEFAULT_PAGE = 30
_EVERYWHERE = {"source": "0.0.0.0/0", "order": "allow", "priority": 0}


class AccountApi:
    """`GET api-key`, `GET` and `DELETE models` and `GET classifiers`, with the fields of the service's manual."""

    def __init__(self, *, hosting: Hosting, access: Access, state: State, profile: Profile) -> None:
        self._hosting = hosting
        self._access = access
        self._state = state
        self._profile = profile
        self._created = now_text()

    def api_key(self, exchange: Exchange) -> Answer:
        """Issue a key for 30 days; the account's secret key alone may ask."""
        if not self._access.is_account(exchange.key):
            raise ContractError(Row.INVALID_KEY)
        kind = exchange.request.args.get("credential_type")
        if kind in ACCOUNT_KEYS:
            return self._issued(ACCOUNT_KEYS[kind], self._access.lifetime_end())
        if kind != "retrain":
            raise ParameterError(f"credential_type must be one of {', '.join(ACCOUNT_KEYS)} and retrain.")
        wanted = exchange.request.args.get("model_id")
        if not wanted:
            raise ContractError(Row.MODEL_ID_REQUIRED)
        names = [name for name in self._hosting.models if str(self._state.account(name).model_id) == wanted]
        if not names:
            raise ContractError(Row.MODEL_DELETED)
        return self._issued(*self._access.issue_key(names[0]))

    def models(self, exchange: Exchange) -> Answer:
        """List the account's models."""
        visible = self._visible(exchange, self._profile.lists.models)
        offset, limit = _count(exchange, "offset", 0), _count(exchange, "limit", _DEFAULT_PAGE)
        page = [self._model(model) for model in visible[offset : offset + min(limit, _LARGEST_PAGE)]]
        return json_answer({"models": page, "metadata": {"offset": offset, "limit": limit, "total": len(visible)}})

    def delete_model(self, exchange: Exchange) -> Answer:
        """Delete a model of the account, which refuses new jobs from then on. The manual has no body of the answer."""
        visible = self._visible(exchange, self._profile.lists.models)
        wanted = exchange.arguments["model_id"]
        found = [model.name for model in visible if str(self._state.account(model.name).model_id) == wanted]
        if not found:
            raise ContractError(Row.MODEL_DELETED)
        self._state.set_condition(found[0], Condition.MODEL_DELETED)
        return Answer(status=200)

    def classifiers(self, exchange: Exchange) -> Answer:
        """List the prediction APIs with the model in service and, as the service does, their keys in clear."""
        visible = self._visible(exchange, self._profile.lists.classifiers)
        accounts = [(model, self._state.account(model.name)) for model in visible]
        running = [
            {
                "classifier_id": str(account.model_id),
                "model_id": self._in_service(model.name),
                "status": "running",
                "api_key": INFERENCE_KEY + own_key(model.name),
                "version": "1",
                "url": None,
                "active": True,
                "is_editable": True,
                "create_datetime": self._created,
                "update_datetime": self._created,
                "rules": [_EVERYWHERE],
            }
            for model, account in accounts
            if account.condition is not Condition.CLASSIFIER_DELETED
        ]
        return json_answer({"classifiers": running})

    def _issued(self, key: str, expires: float) -> Answer:
        end_date = datetime.fromtimestamp(expires, UTC).strftime(self._profile.keys.end_date)
        return json_answer({"api_key": key, "end_date": end_date}, effect="key_issued")

    def _visible(self, exchange: Exchange, audience: Audience) -> list[HostedModel]:
        """Return what a key may see: all for the account's, one for a model's own where the profile lets it.

        Assumption: the account's secret key may read the lists as the keys do that are fetched with it.
        """
        if self._access.is_account(exchange.key) or exchange.key in ACCOUNT_KEYS.values():
            if audience == "nobody":
                raise ContractError(Row.CREDENTIAL_NOT_FOUND)
            return list(self._hosting.models.values())
        name = self._access.require_model(exchange.key).name
        if audience != "key":
            raise ContractError(Row.CREDENTIAL_NOT_FOUND)
        return [self._hosting.models[name]]

    def _model(self, model: HostedModel) -> dict[str, Any]:
        return {
            "model_id": self._state.account(model.name).model_id,
            "owner_user_id": "emulator",
            "target_type": None,
            "name": model.name,
            "version": None,
            "config": {"tc": model.target, "tt": model.task},
            "is_api_option": True,
            "updated_date": self._created,
            "created_date": self._created,
        }

    def _in_service(self, name: str) -> int:
        account = self._state.account(name)
        job = self._state.job(account.serving_job) if account.serving_job else None
        return job.model_id if job and job.model_id is not None else account.model_id


def _count(exchange: Exchange, name: str, default: int) -> int:
    text = exchange.request.args.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ParameterError(f"{name} must be a whole number.")
    return int(text)
