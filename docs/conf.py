"""Sphinx configuration; the documentation is built with warnings as errors."""

import re
import sys
from importlib.metadata import version as installed
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

project = "isptoolkit"
copyright = "the isptoolkit developers"
version = release = installed("isptoolkit")
html_title = f"isptoolkit {release}"
html_theme = "furo"
html_show_sphinx = False

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_gallery.gen_gallery"]
exclude_patterns = ["_build", "examples", "contract_table.md", "gallery/*.ipynb", "gallery/*.py", "gallery/*.zip"]
default_role = "literal"
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 2

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "undoc-members": False, "show-inheritance": False}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r".*\.py",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "remove_config_comments": True,
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 1e9,
    "write_computation_times": False,
    "image_srcset": ["2x"],
}

VERBATIM = re.compile(r"(``?[^`]+``?)")


def write_contract_table(app):
    """Put the table of contracts beside the page that includes it."""
    from contract_table import table

    text = table()
    path = HERE / "contract_table.md"
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def marked_up(app, what, name, object_, options, lines):
    """Keep reStructuredText from reading the |x| and `Name`s of docstrings as markup."""
    for i, line in enumerate(lines):
        if not line.lstrip().startswith(">>>"):
            parts = [part if part.startswith("`") else part.replace("|", r"\|") for part in VERBATIM.split(line)]
            lines[i] = joined(parts)


def joined(parts):
    """Put a line together again; letters right after code need a separator."""
    text = ""
    for part in parts:
        text += r"\ " + part if text.endswith("`") and part[:1].isalnum() else part
    return text


def setup(app):
    app.connect("builder-inited", write_contract_table)
    app.connect("autodoc-process-docstring", marked_up)
