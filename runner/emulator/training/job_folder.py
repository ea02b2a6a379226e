"""Where the files of one retrain job lie."""

from pathlib import Path

from msgspec import Struct


class JobFolder(Struct, frozen=True, kw_only=True):
    """`upload` is what the client sent, `result` what it will get, `model` the trained model."""

    path: Path

    @property
    def upload(self) -> Path:
        """The uploaded bytes."""
        return self.path / "upload"

    @property
    def result(self) -> Path:
        """The result zip."""
        return self.path / "result.zip"

    @property
    def model(self) -> Path:
        """The trained model."""
        return self.path / "model.pickle"
