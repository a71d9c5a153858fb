"""Figures as SVG that lies inside an HTML page."""

from __future__ import annotations

import re

from matplotlib.figure import Figure

from results.plots import saving

#: Everything before the element itself, and matplotlib's note about itself.
_AROUND = re.compile(r"^.*?(?=<svg)|<metadata>.*?</metadata>|<!--.*?-->", re.DOTALL)
#: Names of groups, alike in every figure; those of shapes that are referred to are hashes.
_GROUP_NAMES = re.compile(r' id="[a-zA-Z]+[a-z0-9.]*_\d+"')
_NAMES = re.compile(r'( id="|url\(#|href="#)')
_SPACE = re.compile(r"\s+")
_DIGITS = re.compile(r"(\d+\.\d\d)\d+")
#: A reader's machine may lack the font that texts were measured in; these are as wide.
_FONT = "'DejaVu Sans'"
_FONTS = "'DejaVu Sans', Verdana, sans-serif"


def inline(figure: Figure, name: str, title: str) -> str:
    """The figure as an `svg` element that scales with the page and tells its title.

    Names inside it are made its own with `name`: browsers do not paint with a pattern whose first
    bearer of the name lies in a figure that is folded away.
    """
    text = saving.rendered(figure, "svg").decode()
    text = _GROUP_NAMES.sub("", _AROUND.sub("", text))
    text = _DIGITS.sub(r"\1", _SPACE.sub(" ", text)).replace("> <", "><")
    text = _NAMES.sub(rf"\1{name}-", text.replace(_FONT, _FONTS))
    return re.sub(
        r"<svg [^>]*?(viewBox=\"[^\"]*\")[^>]*>",
        rf'<svg \1 role="img" aria-label="{title}">',
        text,
        count=1,
    )
