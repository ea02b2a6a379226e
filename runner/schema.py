"""The published JSON schemas: where they lie, and how a document is checked against them without any network."""

import json
from functools import cache
from pathlib import Path
from typing import Any

NAMES = ("manifest", "report", "journal")


def schema_path(name: str) -> Path:
    """Return the file of a schema: inside the installed package, or beside it in a checkout.

    A wheel carries `schemas/` inside the package; an editable install has it next to the package only.
    """
    here = Path(__file__).parent
    file = f"{name}.schema.json"
    packaged = here / "schemas" / file
    return packaged if packaged.exists() else here.parent / "schemas" / file


@cache
def load_schema(name: str) -> dict[str, Any]:
    """Return the schema `manifest`, `report` or `journal` as a JSON value."""
    schema: dict[str, Any] = json.loads(schema_path(name).read_bytes())
    return schema
