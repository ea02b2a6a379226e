"""Where the files of one retrain job lie."""

from pathlib import Path

from msgspec import Struct


class JobFolder(Struct, frozen=True, kw_only=True):
    """`upload` is what the client sent, `result` what it will get, `recipe` how the model is made of the upload."""

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
    def recipe(self) -> Path:
        """What the model was trained for, as JSON."""
        return self.path / "recipe.json"
