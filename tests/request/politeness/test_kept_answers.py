"""What is kept of the answers of a source, without a wire."""

from __future__ import annotations

from yarl import URL

from timepoint.request.answer import Answer
from timepoint.request.politeness.conditional import KeptAnswers
from timepoint.request.prepare import PreparedRequest


def test_answers_without_a_word_fill_what_may_be_kept() -> None:
    """Each answer counts with what it takes beside its body, so that small ones are bounded in number."""
    kept = KeptAnswers(100 * 1024)
    for number in range(1000):
        request = PreparedRequest("GET", URL(f"http://api.example/pods?start={number}"), "", {}, None, ())
        kept.keep(request, Answer(200, "application/json", b"[]", "", headers={"etag": f'"{number}"'}))
    assert kept.count == 24
