"""How the documentation is built; `make docs` does it, with every warning an error and without any network."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # the extension lies beside the pages, in docs/_extensions

from runner import __version__  # noqa: E402 -- found by the line above

project = "retrain-runner"
author = "the retrain-runner authors"
copyright = author  # noqa: A001 -- Sphinx's name
release = version = __version__

extensions = ["myst_parser", "sphinx_click", "docs._extensions.generated_reference"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "_extensions", "README.md"]  # index.md includes README.md
nitpicky = True
smartquotes = False  # quotes and dashes in commands stay as they are typed

myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]

html_theme = "furo"
html_title = "retrain-runner"
html_static_path = ["_static"]
html_css_files = ["tables.css"]
html_show_sphinx = False
html_copy_source = False
html_theme_options = {"navigation_with_keys": True}
pygments_style = "friendly"
