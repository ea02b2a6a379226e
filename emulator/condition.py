"""States of a model that a person sets on purpose, so that every documented error can be seen."""

from enum import StrEnum

from emulator.contract import Row


class Condition(StrEnum):
    """What is wrong with a model until it is set back."""

    USER_DELETED = "user_deleted"
    MODEL_DELETED = "model_deleted"
    JOB_DELETED = "job_deleted"
    CLASSIFIER_DELETED = "classifier_deleted"
    CONFIGURATION_MISSING = "configuration_missing"
    KEY_EXPIRED = "key_expired"
    CREDENTIAL_DELETED = "credential_deleted"


REFUSES_KEY = {
    Condition.KEY_EXPIRED: Row.INACTIVE_CREDENTIAL,
    Condition.CREDENTIAL_DELETED: Row.CREDENTIAL_NOT_FOUND,
}
REFUSES_UPLOAD_URL = {
    Condition.USER_DELETED: Row.USER_DELETED,
    Condition.MODEL_DELETED: Row.MODEL_DELETED,
    Condition.JOB_DELETED: Row.JOB_DELETED,
    Condition.CONFIGURATION_MISSING: Row.CONFIGURATION_NOT_FOUND,
}
REFUSES_SWITCH = {Condition.CLASSIFIER_DELETED: Row.CLASSIFIER_NOT_FOUND}
