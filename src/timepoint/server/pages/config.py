"""The config that runs, as it may be shown.

Owns: that page. Must not know: HTTP, which texts are masked: that was decided before they came here.
"""

from __future__ import annotations

from timepoint.server.pages.library import Library
from timepoint.server.pages.render import render
from timepoint.server.pages.views import Site


def config_page(site: Site, library: Library) -> str:
    """The page; it says so where there is no file, as with jobs that are written in Python."""
    return render("config.html", site, told=library.config())
