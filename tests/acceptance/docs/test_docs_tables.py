"""The tables that the reference makes of a schema: what each key takes, its default, and where its object stands."""

from docs._extensions.schema_tables import Tables

SCHEMA = {
    "description": "A document.",
    "properties": {
        "count": {"type": "integer", "description": "How many.", "default": 8, "minimum": 1, "examples": [8]},
        "when": {"enum": ["changed", "always"], "description": "`changed` | `always`."},
        "things": {"type": "object", "description": "By name.", "additionalProperties": {"$ref": "#/$defs/thing"}},
        "told": {
            "type": "array",
            "description": "Who is told.",
            "items": {"type": "object", "properties": {"to": {"type": ["string", "null"], "description": "Where."}}},
        },
        "end": {"anyOf": [{"$ref": "#/$defs/time"}, {"type": "null"}], "description": "The end."},
    },
    "required": ["when"],
    "$defs": {
        "thing": {"description": "A thing.", "properties": {"name": {"type": "string", "description": "Its name."}}},
        "time": {"description": "A time in UTC.", "type": "string", "examples": ["2026-03-01"]},
    },
}


def test_each_key_has_a_row_with_what_it_takes_its_default_and_its_meaning() -> None:
    rows = [line for line in Tables(name="it", schema=SCHEMA).markdown().splitlines() if line.startswith("| ")]
    assert [row for row in rows if not row.startswith(("| key", "| ---", "| form"))] == [
        "| `count` | whole number | `8` | How many. At least 1. |",
        "| `when` | `changed`, `always` | required | `changed` \\| `always`. |",
        "| `things` | [thing](#it-thing) by name |  | By name. |",
        "| `told` | list of [keys](#it-told) |  | Who is told. |",
        "| `end` | time or `null` |  | The end. |",
        "| `to` | text or `null` |  | Where. |",
        "| `name` | text |  | Its name. |",
        "| time | A time in UTC. | `2026-03-01` |",
    ]


def test_each_object_has_a_section_that_the_links_lead_to() -> None:
    lines = Tables(name="it", schema=SCHEMA).markdown().splitlines()
    anchors = [line for line in lines if line.startswith("(")]
    assert anchors == ["(it)=", "(it-told)=", "(it-thing)="]
    assert [line for line in lines if line.startswith("#")] == [
        "## The document",
        "### `told[]`",
        "## `thing`",
        "## Forms of values",
    ]
