"""Masking and excerpts."""

from __future__ import annotations

import html
import json
from urllib.parse import quote, quote_plus

from hypothesis import given
from hypothesis import strategies as st

from timepoint.request.redact import EXCERPT, Redactor
from timepoint.secret import MASK


@given(secret=st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=4, max_size=12))
def test_a_secret_is_masked_however_it_is_written(secret: str) -> None:
    """A secret is masked as it is, and as URLs, JSON and HTML write it."""
    redactor = Redactor([secret])
    for written in (secret, quote(secret), quote_plus(secret), json.dumps(secret)[1:-1], html.escape(secret)):
        assert redactor.mask(f"<{written}>") == f"<{MASK}>"


def test_what_is_left_of_a_secret_beside_a_cut_is_masked() -> None:
    """A text that was cut may end or begin in the middle of a secret, also of an escaped one."""
    redactor = Redactor(["abcdefghij", 'klm"nopq'])
    assert redactor.mask_quoted("found 'x abcdef...'") == f"found 'x {MASK}...'"
    assert redactor.mask_quoted("$['fghij... abcd…'") == f"$['fghij... {MASK}…'"
    assert redactor.mask_quoted("in the middle...fghij'") == f"in the middle...{MASK}'"
    assert redactor.mask_quoted('{"k": "klm\\\\"nop...') == f'{{"k": "{MASK}...'
    assert redactor.mask_quoted("abcdef, abc... klm") == "abcdef, abc... klm"


def test_the_longer_secret_first() -> None:
    """Of two secrets of which one begins the other the longer one is masked whole."""
    assert Redactor(["abcd", "abcdefgh"]).mask("abcdefgh abcd") == f"{MASK} {MASK}"


def test_case_does_not_matter() -> None:
    """A secret that was put into another case, as host names are, is masked."""
    assert Redactor(["aBcD"]).mask("http://abcd.test") == f"http://{MASK}.test"


def test_short_texts_stay() -> None:
    """A text of less than four characters is not masked, and nothing to hide changes nothing."""
    assert Redactor(["", "1", "abc"]).mask("status 401 abc") == "status 401 abc"
    assert Redactor([]).mask("x") == "x"


def test_an_excerpt_is_one_printable_line() -> None:
    """Control characters, line ends and marks that turn the direction of a line become blanks."""
    body = "a\r\n\tb\x00\x1b[0m\u202ec\u2028dé😀€".encode() + b"\xff\xfe."
    assert Redactor([]).excerpt(body, cut=False) == "a b [0m c dé😀€\ufffd\ufffd."


def test_an_excerpt_is_short() -> None:
    """An excerpt ends after 200 characters with a sign that it does."""
    assert Redactor([]).excerpt(b"x" * 201, cut=False) == "x" * EXCERPT + "…"
    assert Redactor([]).excerpt(b"x" * 200, cut=False) == "x" * EXCERPT


def test_a_secret_across_the_cut() -> None:
    """Where the body goes on, its last characters are not shown: they may begin a secret."""
    assert Redactor(["canary"]).excerpt(b"no such key: cana", cut=True) == "no such key"
    assert Redactor(["canary"]).excerpt(b"no such key: cana", cut=False) == "no such key: cana"
