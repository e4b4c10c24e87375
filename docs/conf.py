"""Sphinx configuration; the documentation is built with warnings as errors."""

import importlib
import inspect
import pkgutil
import re
import runpy
import sys
from importlib.metadata import version as installed
from pathlib import Path

from sphinx import addnodes
from sphinx.util.logging import getLogger

LOGGER = getLogger(__name__)
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

project = "isptoolkit"
copyright = "the isptoolkit developers"
version = release = installed("isptoolkit")
html_title = f"isptoolkit {release}"
html_theme = "furo"
html_show_sphinx = False

html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_copy_source = False

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
INCLUDED = ("contract_table.md", "layouts_table.md", "api/recipe_modules.md")
# The page of model cards is generated, too, but it is a page of its own.
exclude_patterns = ["_build", "examples", *INCLUDED, "gallery/*.ipynb", "gallery/*.py", "gallery/*.zip"]
default_role = "literal"
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 2

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_inherit_docstrings = False
autodoc_default_options = {"members": True}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

# Copy commands without their prompts and without their output.
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

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


def write_generated_pages(app):
    """Write the pages, and the parts of pages, that come from the code."""
    from contract_table import table

    from isptoolkit.bench.report.cards import cards_page, layouts_table

    published_results = runpy.run_path(str(HERE.parent / "benchmarks" / "tables.py"))["published_results"]
    texts = (table(), layouts_table(), recipe_modules(), cards_page(published_results()))
    for name, text in zip((*INCLUDED, "cards.md"), texts, strict=True):
        path = HERE / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def recipe_modules():
    """The reference of every recipe module."""
    from isptoolkit import recipes

    names = sorted(module.name for module in pkgutil.iter_modules(recipes.__path__) if not module.name.startswith("_"))
    section = "## {0}\n\n```{{eval-rst}}\n.. automodule:: isptoolkit.recipes.{0}\n```\n"
    return "\n".join(section.format(name) for name in names)


def marked_up(app, what, name, object_, options, lines):
    """Keep reStructuredText from reading the |x| and `Name`s of docstrings as markup."""
    for i, line in enumerate(lines):
        if not line.lstrip().startswith(">>>"):
            parts = [part if part.startswith("`") else part.replace("|", r"\|") for part in VERBATIM.split(line)]
            lines[i] = joined(parts)


def shortened(app, doctree):
    """Remove values of constants that are longer than a line, and arguments that classes without any inherit."""
    for value in list(doctree.findall(addnodes.desc_annotation)):
        text = value.astext().strip()
        if text.startswith("=") and len(text) > 120:
            value.parent.remove(value)
    for arguments in doctree.findall(addnodes.desc_parameterlist):
        names = [argument.astext().partition(":")[0] for argument in arguments]
        if arguments.parent.get("class") == "" and names == ["*args", "**kwargs"]:
            arguments.clear()


def missing_names(app, env):
    """Warn about public classes and functions that no page of the API has."""
    objects = env.get_domain("py").objects
    for path in sorted((HERE / "api").glob("*.md")):
        for room in re.findall(r"automodule:: (isptoolkit[\w.]*)\n   :imported-members:", path.read_text()):
            check_room(importlib.import_module(room), objects)
    check_room(importlib.import_module("isptoolkit"), objects)


def check_room(module, objects):
    """Warn about the public names of one package."""
    for name in getattr(module, "__all__", None) or vars(module):
        value = getattr(module, name)
        if not name.startswith("_") and (inspect.isclass(value) or inspect.isfunction(value)):
            places = (module.__name__, "isptoolkit", value.__module__)
            names = {f"{place}.{name}" for place in places}
            if not names & set(objects):
                LOGGER.warning("%s.%s is on no page of the API", module.__name__, name)


def joined(parts):
    """Put a line together again; letters right after code need a separator."""
    text = ""
    for part in parts:
        text += r"\ " + part if text.endswith("`") and part[:1].isalnum() else part
    return text


def setup(app):
    app.connect("builder-inited", write_generated_pages)
    app.connect("autodoc-process-docstring", marked_up)
    app.connect("doctree-read", shortened)
    app.connect("env-check-consistency", missing_names)
