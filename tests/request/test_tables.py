"""CSV bodies become arrays of objects."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timepoint.errors import ContentError
from timepoint.request.decoders.tables import decode_csv
from timepoint.request.spec import CsvSpec

PLAIN = CsvSpec()


@pytest.mark.parametrize(
    ("text", "spec", "rows"),
    [
        ("time,value\n1,2\n3,4\n", PLAIN, [{"time": "1", "value": "2"}, {"time": "3", "value": "4"}]),
        ("time;value\r\n1;2,5\r\n", PLAIN, [{"time": "1", "value": "2,5"}]),
        ("time\tvalue\n1\t2", PLAIN, [{"time": "1", "value": "2"}]),
        ('name,value\n"a, b",1\n', PLAIN, [{"name": "a, b", "value": "1"}]),
        ('name,value\n"say ""hi""",2\n', PLAIN, [{"name": 'say "hi"', "value": "2"}]),
        ('name,value\n"two\nlines",1\n', PLAIN, [{"name": "two\nlines", "value": "1"}]),
        ("# made today\ntime,value\n1,2\n", PLAIN, [{"time": "1", "value": "2"}]),
        ("a,b\n1,2\n\n3,4\n", PLAIN, [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]),
        (",a\n1,2\n", PLAIN, [{"1": "1", "a": "2"}]),
        ("a,b\n1\n", PLAIN, [{"a": "1"}]),
        ("a,b\n1,2,3\n", PLAIN, [{"a": "1", "b": "2", "3": "3"}]),
        ("title\nmore\na|b\n1|2\n", CsvSpec(header_line=3), [{"a": "1", "b": "2"}]),
        ("1,2\n3,4\n", CsvSpec(columns=("a", "b")), [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]),
        ("a;b,c\n1;2,3\n", CsvSpec(delimiter=","), [{"a;b": "1;2", "c": "3"}]),
        ("#a,b\n1,2\n", CsvSpec(comment=""), [{"#a": "1", "b": "2"}]),
        ("  a   b \n 1  2\n\n10    20  \n", CsvSpec(delimiter=" "), [{"a": "1", "b": "2"}, {"a": "10", "b": "20"}]),
        ('a b\n"x y"   2\n', CsvSpec(delimiter=" "), [{"a": "x y", "b": "2"}]),
        ("a,b\n", PLAIN, []),
        ("", PLAIN, []),
    ],
)  # fmt: skip
def test_a_body_is_read(text: str, spec: CsvSpec, rows: list[dict[str, str]]) -> None:
    """Each body of the table gives the rows beside it."""
    assert decode_csv(text, spec) == rows


def test_an_annotated_body_holds_several_tables() -> None:
    """After a blank line an annotated body begins a table with columns of its own."""
    text = "#group,false\n,time,a\n,1,2\n\n#group,true\n,time,b\n,3,4\n"
    assert decode_csv(text, PLAIN) == [{"1": "", "time": "1", "a": "2"}, {"1": "", "time": "3", "b": "4"}]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,a\n1,2\n", "line 1 names the column 'a' twice"),
        ('a,b\n1,2\n"open,3\n', "line 3 is not CSV"),
        ("a\n" + "x" * (1 << 20) + "x\n", "line 2"),
        ("a\n1\n" + "1," * 100_000 + "1\n", "line 3 has over 100000 cells"),
    ],
)
def test_a_body_that_is_no_csv_is_refused_with_its_line(text: str, words: str) -> None:
    """The error says in which line the body stops being CSV."""
    with pytest.raises(ContentError, match=words):
        decode_csv(text, PLAIN)


cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=6)


@given(st.lists(st.tuples(cells, cells.filter(bool)), max_size=6))
def test_what_a_csv_writer_wrote_reads_back(rows: list[tuple[str, str]]) -> None:
    """Whatever stands in the cells, the rows of a well-formed body are read as they were written."""
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows([("first", "second"), *rows])
    expected = [{"first": first, "second": second} for first, second in rows]
    assert decode_csv(out.getvalue(), CsvSpec(comment="")) == expected
