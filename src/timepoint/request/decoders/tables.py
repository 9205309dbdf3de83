"""CSV bodies become arrays of objects.

Owns: which line names the columns, annotations, delimiters, several tables in one body. Pure. Must not know: how the
body was fetched, the mapping. Source: RFC 4180, with what APIs do beside it.
"""

from __future__ import annotations

import csv
import io
from array import array
from collections.abc import Iterator

from timepoint.errors import ContentError
from timepoint.request.decoders.base import Buffer, Decoder, Signs
from timepoint.request.decoders.lines import utf8_text
from timepoint.request.spec import CsvSpec, RequestSpec

_DELIMITERS = (",", ";", "\t", "|")
_LONGEST_CELL = 1 << 20
_MOST_CELLS = 100_000  # of a line; so many take 20 MB in one row


class _Table:
    """Lines of a table and their numbers in the body; an object for each line would take more than most lines do."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.numbers = array("q")

    def add(self, number: int, line: str) -> None:
        self.numbers.append(number)
        self.lines.append(line)


def decode_csv(text: str, spec: CsvSpec) -> list[dict[str, str]]:
    """One object per line, by the names of the columns; every cell is text.

    Lines that begin with the comment sign are left out. The names stand in the first line that is left, or in line
    ``header_line`` of the body, or in ``columns``, in which case every line is data. In an annotated body (its first
    line is a comment) a blank line begins a table with names of its own; elsewhere blank lines mean nothing. A short
    line lacks its last columns; what stands beyond the named columns is named by its number, from 1. A column without
    a name is named by its number too. A blank as the delimiter stands for any number of them, also around the line.
    Raises ContentError with the line.
    """
    rows: list[dict[str, str]] = []
    beyond: list[str] = []
    names = list(spec.columns)
    delimiter = spec.delimiter
    for table in _tables(text, spec):
        if not spec.columns:
            names = []
        delimiter = spec.delimiter or _delimiter(table.lines[0])
        for line, cells in _records(table, delimiter):
            if not names:
                names = _names(cells, line)
            else:
                rows.append(_row(names, cells, beyond))
    return rows


def _tables(text: str, spec: CsvSpec) -> Iterator[_Table]:
    lines = enumerate(io.StringIO(text, newline=""), 1)
    table = _Table()
    annotated: bool | None = None
    for number, line in lines:
        if number < spec.header_line:
            continue
        if annotated is None:
            annotated = bool(spec.comment and line.startswith(spec.comment))
        if line.strip():
            if not (spec.comment and line.startswith(spec.comment)):
                table.add(number, line)
        elif annotated and table.lines:
            yield table
            table = _Table()
        elif table.lines:
            table.add(number, line)  # it may stand inside of a quoted cell
    if table.lines:
        yield table


def _records(table: _Table, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The cells of each record with the line that it begins in."""
    is_aligned = delimiter == " "
    lines = (line.rstrip() for line in table.lines) if is_aligned else table.lines
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=is_aligned, strict=True)
    begin = 0
    try:
        for cells in reader:
            if any(len(cell) > _LONGEST_CELL for cell in cells):
                raise ContentError("not_a_document", f"line {table.numbers[begin]} has a cell of over 1 MiB")
            if len(cells) > _MOST_CELLS:
                raise ContentError("not_a_document", f"line {table.numbers[begin]} has over {_MOST_CELLS} cells")
            if cells:
                yield table.numbers[begin], cells
            begin = reader.line_num
    except csv.Error as error:
        line = table.numbers[min(begin, len(table.numbers) - 1)]
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


def _row(names: list[str], cells: list[str], beyond: list[str]) -> dict[str, str]:
    """A row by its names; ``beyond`` are those of places without one, which all rows share."""
    row = dict(zip(names, cells, strict=False))
    if len(cells) > len(names):
        beyond.extend(str(place) for place in range(len(beyond) + 1, len(cells) + 1))
        row.update(zip(beyond[len(names) : len(cells)], cells[len(names) :], strict=True))
    return row


def _decode(body: Buffer, request: RequestSpec) -> list[dict[str, str]]:
    return decode_csv(utf8_text(body), request.csv)


def _signs(request: RequestSpec) -> Signs:
    return ((b"\r\n", 300), ("".join((*_DELIMITERS, request.csv.delimiter)).encode(), 130))


DECODER = Decoder(
    "csv",
    _decode,
    signs=_signs,
    held=(4, 3),
    types=frozenset({"text/csv", "application/csv", "text/tab-separated-values"}),
    endings=(".csv", ".tsv"),
)
