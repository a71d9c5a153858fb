"""Sphinx: the site of trapbench. `make docs` builds it into build/docs."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import reference_pages

reference_pages.write(Path(__file__).parent / "reference")

project = "trapbench"
author = "the trapbench developers"
release = importlib.metadata.version("trapbench")
extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "trapbench"
exclude_patterns = ["_build"]
# Links from pages to files of the repository are for readers of the sources.
# Our assembly is Intel's syntax with directives of our own, which no lexer knows by all of its tokens.
suppress_warnings = ["myst.xref_missing", "misc.highlighting_failure"]
