"""Ready functions for ``transform: {python: "timepoint.transforms:NAME"}``: shapes that paths alone cannot walk.

Owns: the functions, each from a decoded document to one that the mapping can read. Pure; imports nothing of timepoint,
so they are also examples of how to write one. Must not know: configs, rows, metrics.

    json_in_json    texts that are JSON themselves become what they say
    json_stat       a JSON-stat dataset becomes rows with their codes and labels
    sdmx_json       a dataset of SDMX-JSON becomes rows with their codes and labels
    fill_positions  the points that a curve of ENTSO-E leaves out, since nothing changed, come back
    unnest          a tree of unknown depth becomes rows that hold what their ancestors say
    carry_forward   members that only the first element of a run has are given to those after it
    unpivot         members such as ``Hour01`` to ``Hour24`` become rows
    lone_lists      members that are a list only if there are two or more become lists

A document is JSON data as Python has it: ``dict``, ``list``, ``str``, ``int``, ``float``, ``bool`` and ``None``. A
function may change what it is given. What it raises is shown with file and line, and costs the run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from math import prod
from typing import Any

import re2

_RESOLUTION = re.compile(r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")


def json_in_json(document: Any) -> Any:
    """Every text that is a JSON object or array becomes that object or array, at any depth.

    ``["[0.3, 0, 0.1]"]`` becomes ``[[0.3, 0, 0.1]]``. Texts that are not JSON stay.
    """
    holder = [document]
    stack: list[Any] = [holder]
    while stack:
        node = stack.pop()
        for key, child in list(_members(node)):
            found = child
            if isinstance(child, str) and child.lstrip()[:1] in ("{", "["):
                try:
                    found = node[key] = json.loads(child)
                except ValueError:
                    continue
            if isinstance(found, dict | list):
                stack.append(found)
    return holder[0]


def json_stat(document: Any) -> Any:
    """A JSON-stat dataset (1.x, 2.0, or a collection of them) as ``{"rows": [...], ...}``. Source: json-stat.org/full.

    A row holds the code of each dimension under its name, ``value``, ``labels`` (the texts of the codes) and ``status``
    where there is one: ``{"geo": "DE", "year": "2024", "value": 1.2, "labels": {"geo": "Germany", "year": "2024"}}``.
    What else the dataset says (``label``, ``updated``, ``source``) stays beside ``rows``. Cells that a sparse dataset
    leaves out have no row. Raises ValueError if the document is no dataset.
    """
    datasets = list(_datasets(document))
    if not datasets:
        raise ValueError("there is no JSON-stat dataset: an object with value and dimension")
    first = datasets[0]
    rest = {key: value for key, value in first.items() if key not in ("value", "status", "dimension", "id", "size")}
    return {**rest, "rows": [row for dataset in datasets for row in _cells(dataset)]}


def _datasets(document: Any) -> Iterator[dict[str, Any]]:
    if not isinstance(document, dict):
        return
    if "value" in document and "dimension" in document:
        yield document
        return
    items = document["link"].get("item", []) if isinstance(document.get("link"), dict) else document.values()
    for item in items:
        yield from _datasets(item) if isinstance(item, dict) else ()


def _cells(dataset: dict[str, Any]) -> Iterator[dict[str, Any]]:
    dimensions = dataset["dimension"]
    names: Sequence[str] = dataset.get("id") or dimensions["id"]
    sizes: Sequence[int] = dataset.get("size") or dimensions["size"]
    categories = [_categories(dimensions[name], size) for name, size in zip(names, sizes, strict=True)]
    values, status = dataset["value"], dataset.get("status")
    if isinstance(values, list) and len(values) != prod(sizes):
        raise ValueError(f"the dataset has {len(values)} values, its dimensions come to {prod(sizes)}")
    for position, value in _by_position(values):
        codes: dict[str, Any] = {}
        labels: dict[str, Any] = {}
        rest = position
        for name, size, (order, texts) in zip(reversed(names), reversed(sizes), reversed(categories), strict=True):
            rest, index = divmod(rest, size)
            codes[name] = order[index]
            labels[name] = texts.get(order[index], order[index])
        row = {**dict(reversed(codes.items())), "value": value, "labels": dict(reversed(labels.items()))}
        said = status if isinstance(status, str) else _at(status, position)
        yield {**row, "status": said} if said is not None else row


def _categories(dimension: Mapping[str, Any], size: int) -> tuple[list[str], Mapping[str, str]]:
    """The codes of a dimension in the order of its cells, and their texts."""
    category = dimension["category"]
    texts: Mapping[str, str] = category.get("label") or {}
    index = category.get("index", list(texts))
    codes = sorted(index, key=index.__getitem__) if isinstance(index, dict) else list(index)
    if len(codes) != size:
        raise ValueError(
            f"the dimension {dimension.get('label', '')!r} has {len(codes)} categories, its size is {size}"
        )
    return codes, texts


def _by_position(values: Any) -> Iterator[tuple[int, Any]]:
    return ((int(key), value) for key, value in values.items()) if isinstance(values, dict) else enumerate(values)


def _at(values: Any, position: int) -> Any:
    if isinstance(values, dict):
        return values.get(str(position))
    return values[position] if isinstance(values, list) and position < len(values) else None


def sdmx_json(document: Any) -> Any:
    """A message of SDMX-JSON (1.0 or 2.0, flat or by series) as ``{"rows": [...]}``. Source: sdmx.org, "SDMX-JSON".

    A row holds the code of each dimension under its id, ``value``, the first number of the observation, and ``labels``,
    the names of the codes. Raises ValueError if the document is no message with data and their structure.
    """
    message = document.get("data", document) if isinstance(document, dict) else {}
    sets = message.get("dataSets")
    structures = message.get("structures") or [message.get("structure")]
    if sets is None or structures[0] is None:
        raise ValueError("there is no SDMX-JSON message: an object with dataSets and structure")
    return {"rows": [row for found in sets for row in _observations(found, structures[found.get("structure", 0)])]}


def _observations(dataset: Mapping[str, Any], structure: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    dimensions: Mapping[str, list[Any]] = structure["dimensions"]
    shared = _coded("", [*dimensions.get("dataSet", ()), *dimensions.get("dataset", ())])
    for key, series in dataset["series"].items() if "series" in dataset else [("", dataset)]:
        of_series = _coded(key, dimensions["series"]) if key else []
        for place, found in series.get("observations", {}).items():
            codes = [*shared, *of_series, *_coded(place, dimensions["observation"])]
            yield {
                **{name: code for name, code, _ in codes},
                "value": found[0] if isinstance(found, list) else found,
                "labels": {name: text for name, _, text in codes},
            }


def _coded(key: str, dimensions: Sequence[Mapping[str, Any]]) -> list[tuple[str, Any, Any]]:
    """The id of each dimension with the code at its place in a key such as ``0:12:3``, and what the code is called."""
    places = [int(place) for place in key.split(":")] if key else [0] * len(dimensions)
    codes = []
    for dimension, place in zip(dimensions, places, strict=True):
        said = dimension["values"][place]
        code = said.get("id", said.get("value"))
        name = said.get("name", code)
        codes.append((dimension["id"], code, next(iter(name.values()), code) if isinstance(name, dict) else name))
    return codes


def fill_positions(document: Any, *, curves: Sequence[str] = ("A03",)) -> Any:
    """Every ``Period`` of a market document of ENTSO-E (decoded from XML) has all of its points.

    A curve of type A03 leaves a point out if it is that of the position before. Each is put back with the members of
    its forerunner and its own ``position``, up to the end of the period. ``position`` becomes a number; ``TimeSeries``,
    ``Period`` and ``Point`` become lists. ``curves`` are the types that leave points out; gaps of others are gaps.
    """
    for series in _objects_at(document, "TimeSeries"):
        is_filled = series.get("curveType") in curves
        for period in _objects_at(series, "Period"):
            points = _objects_at(period, "Point")
            for point in points:
                point["position"] = int(point["position"])
            if is_filled:
                period["Point"] = list(_filled(points, _positions(period)))
    return document


def _objects_at(node: Any, name: str) -> list[dict[str, Any]]:
    """The objects under a name, anywhere below; each such name then holds a list."""
    found: list[dict[str, Any]] = []
    stack = [node]
    while stack:
        current = stack.pop()
        if isinstance(current, dict) and name in current:
            if not isinstance(current[name], list):
                current[name] = [current[name]]
            found.extend(child for child in current[name] if isinstance(child, dict))
        else:
            stack.extend(child for _, child in _members(current))
    return found


def _filled(points: list[dict[str, Any]], count: int) -> Iterator[dict[str, Any]]:
    ordered = sorted(points, key=lambda point: point["position"])
    following = [point["position"] for point in ordered[1:]]
    for point, end in zip(
        ordered, [*following, max(count + 1, len(ordered) and ordered[-1]["position"] + 1)], strict=True
    ):
        yield from ({**point, "position": position} for position in range(point["position"], end))


def _positions(period: Mapping[str, Any]) -> int:
    """How many positions a period has. Resolutions of days and months are of the calendar, whatever the clocks did."""
    text = str(period.get("resolution"))
    match = _RESOLUTION.fullmatch(text)
    years, months, *lengths = (int(part or 0) for part in match.groups()) if match is not None else (0, 0)
    start, end = (datetime.fromisoformat(period["timeInterval"][key]) for key in ("start", "end"))
    if years or months:
        return ((end.year - start.year) * 12 + end.month - start.month) // (years * 12 + months)
    if not any(lengths):
        raise ValueError(f"the resolution {text!r} is no ISO 8601 duration")
    days, hours, minutes, seconds = lengths
    return round((end - start) / timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds))


def unnest(document: Any, *, member: str) -> Any:
    """A tree whose objects hold their like in a list under ``member``, at any depth, as ``{"rows": [...]}``.

    Each object without such a list is a row. It has the members of all its ancestors, too, the nearer winning: with
    ``sub`` ``{"app": "a", "sub": [{"os": "x", "sub": [{"n": 1}]}]}`` gives the row ``{"app": "a", "os": "x", "n": 1}``.
    """
    rows: list[dict[str, Any]] = []
    stack: list[tuple[Any, dict[str, Any]]] = [(document, {})]
    while stack:
        node, above = stack.pop()
        if isinstance(node, list):
            stack.extend((child, above) for child in reversed(node))
            continue
        if not isinstance(node, dict):
            continue
        own = {**above, **{key: value for key, value in node.items() if key != member}}
        below = node.get(member)
        inner = [child for child in node.values() if below is None and _holds(child, member)]
        if below is not None:
            stack.append((below, own))
        elif inner:
            stack.extend((child, {**above, **_scalars(node)}) for child in reversed(inner))
        else:
            rows.append(own)
    return {"rows": rows}


def _holds(node: Any, member: str) -> bool:
    """Whether an object with the member stands in a value, itself or below."""
    stack = [node]
    while stack:
        current = stack.pop()
        if isinstance(current, dict) and member in current:
            return True
        stack.extend(child for _, child in _members(current))
    return False


def _scalars(node: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in node.items() if not isinstance(value, dict | list)}


def carry_forward(document: Any, *, members: Sequence[str]) -> Any:
    """In every list of objects, an object that lacks one of ``members`` is given that of the object before it.

    For APIs that name a series in the first of its elements alone. What is null counts as lacking.
    """
    stack = [document]
    while stack:
        node = stack.pop()
        if isinstance(node, list):
            carried: dict[str, Any] = {}
            for element in node:
                if isinstance(element, dict):
                    own = {name: element[name] for name in members if element.get(name) is not None}
                    carried.update(own)
                    element.update(carried)
        stack.extend(child for _, child in _members(node) if isinstance(child, dict | list))
    return document


def unpivot(document: Any, *, members: str, name: str = "name", value: str = "value", into: str = "rows") -> Any:
    """Members whose names match a pattern become rows in a list ``into`` of their object, in every object.

    ``members`` is a regular expression (RE2) for whole names. A row has under ``name`` what its first group holds, or
    the whole name, as a number if it is one, and under ``value`` what the member held: with ``Hour([0-9]+)`` the object
    ``{"day": "2024-05-01", "Hour01": 5, "Hour02": 6}`` becomes
    ``{"day": "2024-05-01", "rows": [{"name": 1, "value": 5}, {"name": 2, "value": 6}]}``.
    """
    pattern = re2.compile(members)
    stack = [document]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            rows = []
            for key in list(node):
                try:
                    match = pattern.fullmatch(key)
                except UnicodeEncodeError:  # half a surrogate pair: no name that a pattern could mean
                    continue
                if match is not None:
                    text = match[1] if pattern.groups and match[1] is not None else key
                    rows.append({name: int(text) if text.isdecimal() else text, value: node.pop(key)})
            if rows:
                node[into] = rows
        stack.extend(child for _, child in _members(node) if isinstance(child, dict | list))
    return document


def lone_lists(document: Any, *, members: Sequence[str]) -> Any:
    """Members of these names become lists at any depth: what is no list becomes a list of one, null an empty one.

    For JSON that an API made of XML, in which a list of one element is that element.
    """
    stack = [document]
    while stack:
        node = stack.pop()
        for key, child in list(_members(node)):
            if key in members and isinstance(node, dict) and not isinstance(child, list):
                node[key] = [] if child is None else [child]
            if isinstance(child, dict | list):
                stack.append(child)
    return document


def _members(node: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(node, dict):
        return iter(node.items())
    return enumerate(node) if isinstance(node, list) else iter(())
