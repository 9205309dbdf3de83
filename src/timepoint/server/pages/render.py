"""Templates become pages.

Owns: the one environment of Jinja2, with autoescape, in which all templates are read, and what every template may use.
Must not know: what a page shows, HTTP. Nothing is read before the first page is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any
from zlib import crc32

from timepoint.server.pages import views, words
from timepoint.server.pages.views import Site
from timepoint.server.status import state_of
from timepoint.version import __version__

if TYPE_CHECKING:
    import jinja2


def render(template: str, site: Site, /, **shown: Any) -> str:
    """A page as HTML."""
    return _template(template).render(
        site=site, version=__version__, moment=lambda at: None if at is None else words.moment(at, site.now), **shown
    )


@cache
def style() -> bytes:
    """The style sheet."""
    return _read("style.css").encode()


@cache
def _template(name: str) -> jinja2.Template:
    return _environment().get_template(name)


@cache
def _environment() -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        autoescape=True,
        finalize=_finalize,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=jinja2.FunctionLoader(_read),
        auto_reload=False,
    )
    environment.filters |= {
        "grouped": words.grouped,
        "size": words.size,
        "seconds": words.seconds,
        "span": words.span,
        "number": words.value,
    }
    environment.globals |= _LINKS
    # Browsers keep the style for an hour: another release has another one.
    environment.globals["style_path"] = f"{views.STYLE_PATH}?{crc32(style()):08x}"
    return environment


_LINKS: Mapping[str, Any] = {
    "words": views.WORDS,
    "state_of": state_of,
    "job_link": views.job_link,
    "run_link": views.run_link,
    "lanes_link": views.lanes_link,
    "series_link": views.series_link,
    "one_link": views.one_link,
}


def _finalize(shown: Any) -> Any:
    """What an expression of a template comes to: texts of others with all their characters visible."""
    return words.visible(shown) if isinstance(shown, str) and not hasattr(shown, "__html__") else shown


def _read(name: str) -> str:
    return (resources.files("timepoint.server") / "templates" / name).read_text("utf-8")
