"""Ids of runs as tests count them."""


def run_id(number: int) -> str:
    """Return the id of the run with this number; they sort as they are counted."""
    return f"20260301T000000.{number:06}Z-{number:06x}"
