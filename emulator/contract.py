"""The error rows of the retrain API. The code does not tell the cases apart, the message does."""

from enum import Enum

from emulator.answer import Answer, json_answer

BAD_REQUEST = "PREDA_EXTERNAL_BAD_REQUEST"
INTERNAL = "PREDA_EXTERNAL_INTERNAL_SERVER_ERROR"
_BAD_REQUEST_CODE = "4001000204"


class Row(Enum):
    """The documented messages; each member's value is `(code, error, message)`."""

    INVALID_KEY = (_BAD_REQUEST_CODE, BAD_REQUEST, "invalid_api_key.")
    INACTIVE_CREDENTIAL = (_BAD_REQUEST_CODE, BAD_REQUEST, "Inactive_credential.")
    CREDENTIAL_NOT_FOUND = (_BAD_REQUEST_CODE, BAD_REQUEST, "Not_found_credential.")
    USER_DELETED = (_BAD_REQUEST_CODE, BAD_REQUEST, "This user may be deleted.")
    MODEL_DELETED = (_BAD_REQUEST_CODE, BAD_REQUEST, "This model may be deleted.")
    JOB_DELETED = (_BAD_REQUEST_CODE, BAD_REQUEST, "This job may be deleted.")
    JOB_NOT_FOUND = (_BAD_REQUEST_CODE, BAD_REQUEST, "Not found retrain job.")
    CLASSIFIER_NOT_FOUND = (_BAD_REQUEST_CODE, BAD_REQUEST, "Not found classifier.")
    JOB_NOT_FINISHED = (_BAD_REQUEST_CODE, BAD_REQUEST, "Retrain job is not finished.")
    CONFIGURATION_NOT_FOUND = ("5001000201", INTERNAL, "Not found configuration_file.")


class ContractError(Exception):
    """An API call is refused with a documented row."""

    def __init__(self, row: Row) -> None:
        super().__init__(row.value[2])
        self.row = row


class ParameterError(Exception):
    """An API call lacks a parameter or has a bad one. Assumption: answered like the documented bad requests."""


def error_answer(code: str, error: str, message: str) -> Answer:
    """Return the flat JSON error. Assumption: the HTTP status is the first three digits of the code."""
    return json_answer({"code": code, "error": error, "message": message}, status=int(code[:3]))


def refusal(problem: ContractError | ParameterError) -> Answer:
    """Return the answer for an API call that is refused."""
    if isinstance(problem, ContractError):
        return error_answer(*problem.row.value)
    return error_answer(_BAD_REQUEST_CODE, BAD_REQUEST, str(problem))
