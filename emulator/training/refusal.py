"""Why a training cannot be done."""


class RefusedTrainingError(Exception):
    """The uploaded data cannot be trained on; the text is the job's `message`, one sentence for the user."""
