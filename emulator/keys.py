"""The emulator's API keys. They are made from public names and protect nothing, so they may be printed."""

import hashlib
from urllib.parse import quote

ACCOUNT_KEY = "emulator-secret"
"""The account's secret key, which fetches 30-day keys."""

ACCOUNT_KEYS = {"train": "emulator/train", "deploy": "emulator/deploy"}
"""The keys of the account that read its lists, by `credential_type`; no model's key has a slash."""

INFERENCE_KEY = "emulator-inference-"
"""What the inference keys shown by `GET classifiers` begin with."""


def own_key(model_name: str) -> str:
    """Return the key of a model whose manifest gives none; ASCII, and different for different names."""
    return f"emulator-{quote(model_name, safe='')}"


def fetched_key(model_name: str, number: int) -> str:
    """Return the `number`-th 30-day key of a model."""
    return f"{own_key(model_name)}-{number}"


def key_digest(key: str) -> str:
    """Return the lower-case hex SHA-256 of a key: all that the emulator keeps of it."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
