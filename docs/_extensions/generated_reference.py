"""`schema-tables NAME` in a page: the keys of one published schema, made when the documentation is built."""

from docutils import nodes  # type: ignore[import-untyped]  # it ships no types
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

from docs._extensions.schema_tables import Tables
from runner.lib.schemas import NAMES, load_schema


class SchemaTables(SphinxDirective):
    """The tables of one schema, as sections of the page."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the sections."""
        name = self.arguments[0]
        if name not in NAMES:
            raise self.error(f"There is no schema {name!r}; there are {', '.join(NAMES)}.")
        text = Tables(name=name, schema=load_schema(name)).markdown()
        return self.parse_text_to_nodes(text, allow_section_headings=True)


def setup(app: Sphinx) -> ExtensionMetadata:
    """Add the directive to Sphinx."""
    app.add_directive("schema-tables", SchemaTables)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
