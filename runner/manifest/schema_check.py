"""The schema check: every violation of the manifest's schema, at its place."""

from runner.lib.schemas import fit, load_schema
from runner.manifest.document import Findings, Path, YamlMap
from runner.manifest.model import Place

NAMED_SECTIONS = ("datasets", "policies", "metrics", "models")
_DECISIVE = frozenset({"wrong-type", "literal-key"})


def check_shape(root: YamlMap, start: Place, findings: Findings, schema: str = "manifest") -> frozenset[Path]:
    """Check one file's value against the schema of a manifest, or of another document.

    Places that already have a problem get no second one, nor does a value of a wrong type.

    Returns:
        The sections, and for named things section and name, that are not as the schema wants them; beside those the
        exact paths of what is wrong in them.
    """
    if fit(schema).accepts(load_schema(schema), root):
        return frozenset()
    return _explained(root, start, findings, schema)


def _explained(root: YamlMap, start: Place, findings: Findings, schema: str) -> frozenset[Path]:
    from runner.manifest.schema_errors import Spot, explain_violation, misfits  # noqa: PLC0415 -- jsonschema is slow to load, and most files fit

    reported = set(findings.places())
    broken: set[Path] = set()
    for error in misfits(schema, root):
        path: Path = tuple(error.absolute_path)
        broken |= {path, path[: 2 if path and path[0] in NAMED_SECTIONS else 1]}
        for said in explain_violation(error, Spot(root, path, start)):
            if said.place not in reported:
                findings.error(said.place, said.code, said.message, hint=said.hint)
                if said.code in _DECISIVE:
                    reported.add(said.place)
    return frozenset(broken)
