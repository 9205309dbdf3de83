"""A config file as it may be shown on a page.

Owns: which of its texts may be read by whoever reaches the port. Must not know: what they mean, where they are shown.

What stands where credentials can stand (sources, receivers, requests) is masked unless it is known to be none: files,
names of environment variables, lengths of time, templates. Queries lose their values and URLs their userinfo. Whatever
is known to be a credential is masked everywhere else, too. Comments and ``x-`` sections, in which an old password
may stand, are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from timepoint.config.places import Findings, Places
from timepoint.config.yaml import read_yaml
from timepoint.request.redact import Redactor
from timepoint.request.shown import STARS
from timepoint.secret import MASK

_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

_VARIABLE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*(?::number)?\}")
_PLACEHOLDER = re.compile(r"\$?\{[^{}]*\}")
_USERINFO = re.compile(r"(?<=//)[^/?#]*@")

_URLS = frozenset(("url", "token_url", "proxy_url", "get", "post"))
_VALUES = frozenset(("params", "form", "json", "text", "http_headers", "headers", "endpoint_params", "string_to_sign"))
_OPEN = frozenset(("external_labels", "paging", "csv", "scopes", "renew_on", "pending_status", "hosts"))
_PLAIN = frozenset(
    (
        "name",
        "type",
        "timeout",
        "connect_timeout",
        "max_body",
        "max_memory",
        "min_interval",
        "rate",
        "requests",
        "per",
        "pause",
        "every",
        "quota",
        "reserve",
        "clock_tolerance",
        "timezone",
        "charset",
        "decode",
        "member",
        "protocol",
        "out_of_order",
        "max_age",
        "remote_timeout",
        "size",
        "region",
        "service",
        "profile",
        "grant_type",
        "token_endpoint_auth_method",
        "algorithm",
        "encoding",
        "key_form",
        "lifetime",
        "server_name",
        "header",
        "query",
        "cookie",
        "token_header",
        "token_cookie",
        "timestamp",
        "id",
        "done",
        "failed",
    )
)


def shown_config(raw: bytes, secrets: Iterable[str]) -> str:
    """A config file that was found to be good, as YAML that may be shown. ``secrets`` are known credentials.

    The environment is not filled in. "" for no file.
    """
    data = read_yaml(raw.decode("utf-8-sig"), Findings(Places(""))) if raw else None
    if not isinstance(data, Mapping):
        return ""
    shown = {key: _section(key, value) for key, value in data.items() if not str(key).startswith("x-")}
    redactor = Redactor(secrets)
    text: str = yaml.dump(
        _masked(shown, redactor), Dumper=_DUMPER, sort_keys=False, allow_unicode=True, width=110, indent=2
    )
    return text


def may_be_quoted(path: Sequence[str | int]) -> bool:
    """Whether a message may quote what stands at a path: not where a credential can stand."""
    guarded = path[:1] in (("sources",), ("remote_write",)) or "request" in path
    return not guarded or path[-1] in _PLAIN | _OPEN


def _section(key: str, value: Any) -> Any:
    if key == "sources" and isinstance(value, Mapping):
        return {name: _guarded("", source) for name, source in value.items()}
    if key == "remote_write":
        return _guarded("", value)
    if key == "jobs" and isinstance(value, Mapping):
        return {name: _job(job) for name, job in value.items()}
    return value


def _job(job: Any) -> Any:
    """A job: what stands below a ``request``, of the job or of a value of its fan-out, is guarded."""
    if isinstance(job, Mapping):
        return {key: _guarded("", value) if key == "request" else _job(value) for key, value in job.items()}
    return job


def _guarded(key: str, value: Any) -> Any:
    """What may be shown of a value, in a place where credentials can stand."""
    if key in _OPEN:
        return value
    if key in _VALUES:
        return _literals(value)
    if isinstance(value, Mapping):
        return {name: _guarded(name, item) for name, item in value.items()}
    if isinstance(value, list):
        return [_guarded(key, item) for item in value]
    if not isinstance(value, str) or key in _PLAIN or key.endswith("file") or _VARIABLE.fullmatch(value):
        return value
    return _url(value) if key in _URLS else value if _is_template(value) else MASK


def _literals(value: Any) -> Any:
    """Values of a query, a body or a header: names of files and variables are shown, and templates."""
    if isinstance(value, Mapping):
        return {name: item if name in {"file", "files"} else _literals(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_literals(item) for item in value]
    if value is None or isinstance(value, bool):
        return value
    return value if isinstance(value, str) and _is_template(value) else STARS


def _is_template(text: str) -> bool:
    """Whether nothing in a text is written out: an instant or a variable is worth showing, a literal may be a key."""
    rest, count = _PLACEHOLDER.subn("", text)
    return bool(count) and not any(map(str.isalnum, rest))


def _url(text: str) -> str:
    address, mark, query = _USERINFO.sub(f"{STARS}@", text).partition("?")
    if not mark:
        return address
    pairs = (pair.partition("=") for pair in query.split("&"))
    shown = (f"{name}={_literals(value)}" if equals else STARS for name, equals, value in pairs)
    return f"{address}?{'&'.join(shown)}"


def _masked(value: Any, redactor: Redactor) -> Any:
    """The same without known credentials, of plain types alone: the reader of the file has its own kinds of text."""
    if isinstance(value, Mapping):
        return {_masked(key, redactor): _masked(item, redactor) for key, item in value.items()}
    if isinstance(value, list):
        return [_masked(item, redactor) for item in value]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return int(value) if isinstance(value, int) else float(value)
    return redactor.mask(f"{value}")
