"""What a run of the tests is made by, and a manifest outside of git."""

from runner.journal.events import ManifestRecord, ToolRecord

TOOL = ToolRecord(name="retrain-runner", version="0.1.0", python="3.11.7")
NO_MANIFEST = ManifestRecord(files=(), sha256="0" * 64, git=None, moved={})
