"""Whatever stands in a config, it is a config or a list of mistakes."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from timepoint.config import load_config
from timepoint.config.load import examine
from timepoint.config.shape import all_shapes, keys_of

CANARY = "canary-7f3a"
GOOD: dict[str, Any] = {
    "sources": {
        "api": {
            "url": "https://api.example/${TOKEN}",
            "authorization": {"credentials": "${TOKEN}"},
            "http_headers": {"X-Key": {"secrets": ["${TOKEN}"]}},
            "tls_config": {"server_name": "x"},
            "max_body": "1MB",
        }
    },
    "jobs": {
        "pods": {
            "source": "api",
            "every": "30m",
            "request": {"post": "/q", "params": {"a": ["{window.start}", "${TOKEN}"]}, "json": {"b": [1]}},
            "window": {"step": "5m", "delay": "10m", "overlap": "1h", "max_span": "1d"},
            "expect": {"equal": {"$.status": "ok"}, "present": ["$.data"], "empty_status": [404]},
            "rows": {"pod": "$.{cluster}[*]", "v": {"path": "$pod.values[{i}]", "columns": ["a", "b"]}},
            "labels": {"*": "$pod.tags", "stage": "production"},
            "relabel": [{"source_labels": ["stage"], "regex": "(.*)", "target_label": "phase"}],
            "metrics": {
                "pods_joules_total": {
                    "type": "counter",
                    "temporality": "delta",
                    "help": "Energy.",
                    "value": "$v.a",
                    "time": {"start": "{window.start}", "step": "5m", "index": "$i"},
                    "unit": {"from": "Wh", "to": "joules"},
                },
                "pods_state": {"type": "stateset", "help": "State.", "value": "$pod.s", "states": ["a", "b"]},
            },
        }
    },
}
KEYS = sorted({key for shape in all_shapes() for key in keys_of(shape)})
ODD = ["", " ", "$", "$.", "$.{x", "$x", "$$", "{", "{window.start}", "{window.end:%Q}", "-1", "1h", "*", "\u0000", "é"]
values: st.SearchStrategy[Any] = (
    st.sampled_from([*ODD, None, True, 0, -1, 2**70, 1.5, [], {}, [[]], [None], {"": None}, {"a": {"b": []}}])
    | st.text(max_size=6)
    | st.sampled_from(KEYS)
)


def paths(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value inside some data."""
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(inner for key, child in children for inner in paths(child, (*path, key)))]


def with_change(data: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy of some data with one value replaced."""
    if not path:
        return value
    copy = deepcopy(data)
    node = copy
    for part in path[:-1]:
        node = node[part]
    node[path[-1]] = value
    return copy


@given(st.data())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_changed_values(tmp_path: Path, data: st.DataObject) -> None:
    """A good config with any value replaced loads or fails with mistakes that stand in the file."""
    path = data.draw(st.sampled_from(paths(GOOD)))
    check(tmp_path, with_change(GOOD, path, data.draw(values)))


@given(st.data())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_added_keys(tmp_path: Path, data: st.DataObject) -> None:
    """So does one with any key added anywhere."""
    places = [path for path in paths(GOOD) if isinstance(_at(GOOD, path), dict)]
    path = data.draw(st.sampled_from(places))
    key = data.draw(st.sampled_from(KEYS) | st.text(max_size=4))
    check(tmp_path, with_change(GOOD, (*path, key), data.draw(values)))


def _at(node: Any, path: tuple[Any, ...]) -> Any:
    for part in path:
        node = node[part]
    return node


def check(directory: Path, config: Any) -> None:
    """Loads a config; its mistakes have places and show no secret."""
    file = directory / "config.yaml"
    text = json.dumps(config, indent=1)  # JSON is YAML
    file.write_text(text)
    loaded, findings = examine(file, {"TOKEN": CANARY})
    problems = findings.problems(warnings=False)
    assert (loaded is None) is bool(problems)
    assert all(1 <= problem.line <= text.count("\n") + 1 for problem in problems)
    assert CANARY not in "".join(map(str, problems))


def test_good(tmp_path: Path) -> None:
    """The config that is changed here is good itself."""
    check(tmp_path, GOOD)
    assert load_config(tmp_path / "config.yaml", {"TOKEN": CANARY}).jobs


@pytest.mark.parametrize("text", ["\ud800", "${", "${}", "$${TOKEN}", "${TOKEN}${TOKEN}"])
def test_odd_texts(tmp_path: Path, text: str) -> None:
    """Texts with lone surrogates or half references end well."""
    check(tmp_path, with_change(GOOD, ("sources", "api", "url"), text))
