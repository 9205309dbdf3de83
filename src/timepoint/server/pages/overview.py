"""The page at ``/``: links, and a row per job.

Owns: what it shows and in which words. Must not know: HTTP, where the status comes from.
"""

from __future__ import annotations

from timepoint.server.pages import views
from timepoint.server.pages.render import render
from timepoint.server.pages.views import Site

_IN_ALL = {**views.WORDS, "mild": "in need of attention"}


def overview(site: Site) -> str:
    """The page as HTML."""
    counts = {word: sum(job.state == state for job in site.jobs) for state, word in _IN_ALL.items()}
    return render("overview.html", site, counts=counts)
