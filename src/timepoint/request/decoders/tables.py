"""CSV bodies become arrays of objects.

Owns: which line names the columns, annotations, delimiters, several tables in one body. Pure. Must not know: how the
body was fetched, the mapping. Source: RFC 4180, with what APIs do beside it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

from timepoint.errors import ContentError
from timepoint.request.decoders.base import Buffer, Decoder
from timepoint.request.decoders.lines import utf8_text
from timepoint.request.spec import CsvSpec, RequestSpec

_DELIMITERS = (",", ";", "\t", "|")
_LONGEST_CELL = 1 << 20


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    text: str


def decode_csv(text: str, spec: CsvSpec) -> list[dict[str, str]]:
    """One object per line, by the names of the columns; every cell is text.

    Lines that begin with the comment sign are left out. The names stand in the first line that is left, or in line
    ``header_line`` of the body, or in ``columns``, in which case every line is data. In an annotated body (its first
    line is a comment) a blank line begins a table with names of its own; elsewhere blank lines mean nothing. A short
    line lacks its last columns; what stands beyond the named columns is named by its number, from 1. A column without
    a name is named by its number too. Raises ContentError with the line.
    """
    rows: list[dict[str, str]] = []
    names = list(spec.columns)
    delimiter = spec.delimiter
    for table in _tables(text, spec):
        if not spec.columns:
            names = []
        delimiter = spec.delimiter or _delimiter(table[0].text)
        for line, cells in _records(table, delimiter):
            if not names:
                names = _names(cells, line)
            else:
                rows.append(_row(names, cells))
    return rows


def _tables(text: str, spec: CsvSpec) -> Iterator[list[_Line]]:
    lines = [_Line(number, line) for number, line in enumerate(io.StringIO(text, newline=""), 1)]
    if spec.header_line:
        lines = lines[spec.header_line - 1 :]
    annotated = bool(spec.comment and lines and lines[0].text.startswith(spec.comment))
    table: list[_Line] = []
    for line in lines:
        if line.text.strip():
            if not (spec.comment and line.text.startswith(spec.comment)):
                table.append(line)
        elif annotated and table:
            yield table
            table = []
        elif table:
            table.append(line)  # it may stand inside of a quoted cell
    if table:
        yield table


def _records(table: list[_Line], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The cells of each record with the line that it begins in."""
    reader = csv.reader((line.text for line in table), delimiter=delimiter, strict=True)
    begin = 0
    try:
        for cells in reader:
            if any(len(cell) > _LONGEST_CELL for cell in cells):
                raise ContentError("not_a_document", f"line {table[begin].number} has a cell of over 1 MiB")
            if cells:
                yield table[begin].number, cells
            begin = reader.line_num
    except csv.Error as error:
        line = table[min(begin, len(table) - 1)].number
        raise ContentError("not_a_document", f"line {line} is not CSV: {error}") from error


def _delimiter(line: str) -> str:
    """The sign among the usual ones that stands in the line most often."""
    return max(_DELIMITERS, key=line.count)


def _names(cells: list[str], line: int) -> list[str]:
    names = [cell.strip() or str(position) for position, cell in enumerate(cells, 1)]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ContentError("not_a_document", f"line {line} names the column {min(twice)!r} twice")
    return names


def _row(names: list[str], cells: list[str]) -> dict[str, str]:
    row = dict(zip(names, cells, strict=False))
    for position in range(len(names), len(cells)):
        row[str(position + 1)] = cells[position]
    return row


def _decode(body: Buffer, request: RequestSpec) -> list[dict[str, str]]:
    return decode_csv(utf8_text(body), request.csv)


DECODER = Decoder(
    "csv",
    _decode,
    types=frozenset({"text/csv", "application/csv", "text/tab-separated-values"}),
    endings=(".csv", ".tsv"),
)
