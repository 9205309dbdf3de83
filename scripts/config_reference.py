"""Writes docs/reference/config.md from the shapes of a config: ``python scripts/config_reference.py``.

Owns: the layout of that page and the words around the keys. Must not know: what a key is for; the shapes say it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from timepoint.config.kinds import DURATION_PATTERN, SIZE_PATTERN, SPAN_PATTERN, STEP_PATTERN
from timepoint.config.metric_build import NEEDED, TYPES_OF
from timepoint.config.paging_shape import title_of
from timepoint.config.politeness_shape import RATE_PATTERN
from timepoint.config.schema import json_schema
from timepoint.model import MetricType
from timepoint.request.paging.kinds import KINDS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "config.md"

_INTRODUCTION = """\
# The config file

This page is written by `scripts/config_reference.py` from the program's own schema; a test compares the two. How the
keys of a mapping work together is told in [mapping.md](mapping.md).

A config is one YAML file with two sections: `sources`, the APIs, and `jobs`, what is asked of them. A third one,
`remote_write`, names who gets timepoints [with their own timestamps](../remote-write.md).

```yaml
sources:
  energy:
    url: https://energy.internal/api/v1
    authorization: {credentials_file: /run/secrets/energy}

jobs:
  pod_energy:
    source: energy
    every: 30m
    request:
      get: /pods
      params: {start: "{window.start}", end: "{window.end}", step: 5m}
    window: {step: 5m, delay: 10m}
    rows:
      pod: "$.{cluster}.{app}.{namespace}[*]"
    metrics:
      pod_energy_joules_total:
        type: counter
        temporality: delta
        help: Energy consumed by the pod.
        value: $pod.energy_consumed
        time: {start: "{window.start}", step: 5m}
        unit: {from: Wh, to: joules}
        labels: {pod_name: $pod.name}
```

`timepoint check CONFIG` reports every mistake of a file at once, each with its line and what to do. `timepoint schema`
prints a JSON Schema; an editor with a YAML language server completes and checks while you write if the file begins with
`# yaml-language-server: $schema=timepoint.schema.json`.

## What all keys have in common

- **YAML 1.2.** `NO` and `12:30` are texts, `010` is the number ten. An unknown key, a key that stands twice and a value
  of the wrong kind are mistakes. A file has at most 1 MiB and 32 levels.
- **Quotes.** Between `{}` or `[]` a path with brackets needs quotes: `{value: "$p[0]"}`. So does, everywhere, a text
  that begins with `{`, `[`, `*`, `&`, `!`, `%` or `@`, as the template `"{window.start}"` does.
- **Durations** are Prometheus' own: `250ms`, `15s`, `30m`, `1h30m`, `7d`, `2w`, `1y`, and `0`. A day is 24 hours.
- **Sizes** are a number with `B`, `KB`, `MB` or `GB`; a KB is 1024 B, as in Prometheus.
- **Texts** may be numbers: `version: 1.10` is sent as it is written.
- **`${NAME}`** is a variable of the environment, in `sources`, in `remote_write`, in the `request` of a job or of a
  discovery, and nowhere else. One that is not set is a mistake. `$${` is a literal `${`. In JSON `"${NAME:number}"`
  is a number instead of a text. What comes from the environment is never shown in a message, a log or a metric.
- **Files** of credentials and certificates are looked for beside the config if their path is relative. They are read
  when a request is made; `check` warns if one is not there.
- **Anchors.** `&name`, `*name` and `<<: *name` work. Keys of the top level that begin with `x-` are a place for them.

## Templates

Path, `params`, `form`, `json` and the `values` of `http_headers` of a request may hold them:

| template | is |
|---|---|
| `{window.start}`, `{window.end}` | start and end of the window that the run asks for, in RFC 3339 |
| `{fire_time}` | the planned time of the run |
| `{window.start:unix}` | in seconds since 1970; also `unix_ms`, `unix_us`, `unix_ns` |
| `{window.start:%Y-%m-%d}` | by a strftime pattern, in the `timezone` of the request; `%-d` has no zero in front |
| `{window.end-1s:%Y-%m-%d}` | an instant that is moved, for an API whose end is part of the range; also `+1h` |
| `{window.length}` | how long the window is: `1h30m` |
| `{window.length:hours}` | as a number, rounded up; also `seconds`, `minutes`, `days` |
| `{window.length:15m}` | how many quarters of an hour, rounded up; also any other duration |
| `{window.length:iso}` | as an ISO 8601 duration: `PT1H30M` |
| `{window.reach:hours}` | how far it reaches back from the run, for `last=24h`; formats as `window.length` |
| `{each.zone}` | the value of `each` of this request; `{each.id:number}` is a number in a JSON body |

Any other brace is just a brace, so GraphQL, JSON and PromQL are written as they are. `check` warns of braces that look
like a template that was misspelt.

"""
_WARNINGS = """\
## Warnings

These do not stop a config, but `check` shows them: a source that no job uses; a file of credentials that cannot be read
now; a refresh token whose successor nobody would keep; credentials over `http` to another machine; a credential in the
config itself; a `timeout` longer than the period; a `max_age` shorter than the time until new values come; `labelled`
and `short_list` where they have no effect; a `quota` that the schedules of its jobs use up; a receiver that no metric
goes to; keys of `window` without effect because the request does not name the window; braces in a request that look
like a misspelt template, or stand around one; a label that is a text and looks like a path without its `$`.
"""
_PLACES = {
    "": "Top level",
    "Source": "A source: `sources.NAME`",
    "BasicAuth": "`basic_auth`",
    "Authorization": "`authorization`",
    "OAuth2": "`oauth2`",
    "ServiceAccount": "`service_account`",
    "Login": "`login`",
    "Send": "`send` of a login",
    "Signature": "`signature`",
    "SigV4": "`sigv4`",
    "Param": "A parameter of a source: `params.NAME`",
    "Header": "A header: `http_headers.NAME`",
    "Tls": "`tls_config`",
    "Quota": "`quota`",
    "Breaker": "`circuit_breaker`",
    "Receiver": "A receiver: an item of `remote_write`",
    "ReceiverSigV4": "`sigv4` of a receiver",
    "Caps": "`caps` of a receiver",
    "Job": "A job: `jobs.NAME`",
    "Time": "`time`",
    "Relabel": "A relabel rule: an item of `relabel`",
    "Unit": "`unit`",
    "Each": "Values of a fan-out: `each.NAME`",
    "Request": "`request`",
    "Csv": "`csv`",
    "Paging": "`paging`",
    **{title_of(name).removesuffix("Shape"): f"`paging.{name}`" for name in KINDS},
    "Until": "`paging.until`",
    "Report": "`report`",
    "Poll": "`report.poll`",
    "Download": "`report.download`",
    "Window": "`window`",
    "Transform": "`transform`",
    "Settled": "`settled_until`",
    "Expect": "`expect`",
    "EmptyStatus": "An item of `empty_status`",
    "Signal": "`empty` and `partial`",
    "Walk": "A walk: `rows.NAME`",
    "Lookup": "A look-up: `lookups.NAME`",
    "Metric": "A metric: `metrics.NAME`",
}
_PATTERNS = {
    DURATION_PATTERN: "duration",
    STEP_PATTERN: "duration, `day`, `week`, `month`, `quarter` or `year`",
    SPAN_PATTERN: "duration, or a number of days, weeks, months, quarters or years",
    SIZE_PATTERN: "size",
    RATE_PATTERN: "rate",
    r"^\$": "path",
    r"^[${]": "path or template",
}
_WORDS = {
    "": "JSON",
    "integer": "whole number",
    "number": "number",
    "boolean": "`true` or `false`",
    "string": "text",
}


def reference() -> str:
    """The whole page as Markdown."""
    schema = json_schema()
    definitions: dict[str, Any] = schema["$defs"]
    parts = [_INTRODUCTION, _section("", schema)]
    for name in _PLACES:
        if name:
            parts.append(_section(name, definitions[name]))
        if name == "Metric":
            parts.append(_types())
    assert set(definitions) == set(_PLACES) - {""}, "a shape without a place in the page"
    return "\n".join((*parts, _WARNINGS))


def _section(name: str, schema: Mapping[str, Any]) -> str:
    lines = [f"## {_PLACES[name]}", "", str(schema.get("description", "")), ""]
    required = schema.get("required", ())
    for key, child in schema["properties"].items():
        need = ", required" if key in required else ""
        lines += [f"- **`{key}`** ({_kind(child)}{need}): {child['description']}", *_examples(key, child)]
    lines += [line for rule in schema.get("allOf", ()) for line in _rule(rule)]
    return "\n".join((*lines, ""))


def _rule(rule: Mapping[str, Any]) -> Iterator[str]:
    """Keys that exclude each other."""
    if "oneOf" in rule:
        keys = [choice["required"][0] for choice in rule["oneOf"]]
        yield f"\nExactly one of {_listed(keys)} must stand."
    else:
        keys = list(dict.fromkeys(key for pair in rule["not"]["anyOf"] for key in pair["required"]))
        yield f"\nAt most one of {_listed(keys)} may stand."


def _listed(keys: list[str]) -> str:
    quoted = [f"`{key}`" for key in keys]
    return f"{', '.join(quoted[:-1])} and {quoted[-1]}"


def _examples(key: str, schema: Mapping[str, Any]) -> Iterator[str]:
    if key in ("sources", "jobs", "metrics"):  # the whole page shows them
        return
    shown = [_yaml({key: example}) for example in schema.get("examples", ())]
    if shown:
        yield f"  {'<br>'.join(f'`{text}`' for text in shown)}"


def _yaml(example: Any) -> str:
    text = yaml.safe_dump(example, default_flow_style=True, sort_keys=False, width=10_000, allow_unicode=True)
    return text.strip().removeprefix("{").removesuffix("}")


def _kind(schema: Any) -> str:
    """What a key may hold, in words."""
    if not isinstance(schema, dict):
        return "JSON"
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{_PLACES[name].replace('`', '').partition(':')[0].lower()}](#{_anchor(_PLACES[name])})"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_kind(choice) for choice in schema["anyOf"] if choice != {"type": "null"}))
    if "enum" in schema:
        return " or ".join(f"`{word}`" for word in schema["enum"])
    return _PATTERNS.get(schema.get("pattern", "")) or _plain_kind(schema)


def _plain_kind(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type", "")
    if kind == "object":
        return f"mapping of {_plural(_kind(schema['additionalProperties']))}"
    if kind == "array":
        return f"list of {_plural(_kind(schema['items']))}"
    return "text" if isinstance(kind, list) else _WORDS[kind]


def _plural(kind: str) -> str:
    return f"{kind}s" if re.fullmatch(r"\w+( number)?", kind) and kind != "JSON" else kind


def _anchor(title: str) -> str:
    """The anchor that GitHub gives a title."""
    return re.sub(r"[^a-z0-9 _-]", "", title.lower()).replace(" ", "-")


def _types() -> str:
    """The table of types and their keys."""
    lines = ["### Which key belongs to which type", "", "| type | needs | may have |", "|---|---|---|"]
    needed = {**NEEDED, MetricType.HISTOGRAM: ("temporality", "`buckets`, `sum` and `count`; or `value` and `bounds`")}
    for kind in ("gauge", "counter", "histogram", "summary", "info", "stateset", "unknown"):
        metric_type = MetricType(kind)
        needs = list(needed[metric_type])
        if metric_type in TYPES_OF["temporality"] and "temporality" not in needs:
            needs.insert(0, "temporality")
        told = " ".join(needs)
        may = [key for key, types in TYPES_OF.items() if metric_type in types and key not in told]
        shown = [need if "`" in need else f"`{need}`" for need in needs]
        lines.append(f"| {kind} | {', '.join(shown) or 'nothing'} | {', '.join(f'`{key}`' for key in may)} |")
    lines += [
        "",
        "Every type may have `labels`, `time`, `relabel`, `combine`, `row`, `max_age`, `deliver` and `receivers`.",
    ]
    return "\n".join((*lines, ""))


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(reference(), encoding="utf-8")
