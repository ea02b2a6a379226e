"""The optional dependencies the emulator is on."""

from importlib.util import find_spec

from runner.errors import UsageError

NEEDED = ("werkzeug", "sklearn")


def require_extra() -> None:
    """Return when the emulator can start.

    Raises:
        UsageError: scikit-learn or werkzeug is not installed.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"The emulator needs packages that are not installed: {', '.join(missing)}.",
            hint="Install the extra `emulator`: `pip install '.[emulator]'` in a checkout of retrain-runner.",
        )
