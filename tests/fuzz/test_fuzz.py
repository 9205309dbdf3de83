"""A bounded part of the fuzzing, the same in every run; and what fuzzing found once."""

from __future__ import annotations

from random import Random

import pytest

from tests.fuzz.__main__ import trial
from tests.fuzz.engine import Mutator
from tests.fuzz.targets import TARGETS, Target
from timepoint.errors import ContentError
from timepoint.mapping.engine import Mapping, compile_mapping
from timepoint.mapping.expect import Expectation
from timepoint.mapping.numbers import NumberReader
from timepoint.mapping.paths import PathError, Wild, parse_path
from timepoint.mapping.relabel import RelabelError, compile_relabel
from timepoint.mapping.spec import MappingSpec, MetricMapping, RelabelRule, Rules, SpecError, WalkSpec
from timepoint.mapping.spine import find_spine
from timepoint.mapping.unusable import Unusable
from timepoint.mapping.walks import build_walks
from timepoint.model import FamilySpec, MetricSpec, MetricType
from timepoint.request.answer import Answer
from timepoint.request.decode import documents
from timepoint.request.spec import RequestSpec
from timepoint.request.template import compile_template
from timepoint.server.listening import parse_listen_address

EXECUTIONS = 150


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_a_target_keeps_its_promises(target: Target) -> None:
    """Made-up inputs are refused as documented or used, and nothing else."""
    mutator = Mutator(target.material.seeds, target.material.words, Random(f"test{target.name}"))

    troubles = [trial(target, mutator.next()) for _ in range(EXECUTIONS)]

    assert [trouble for trouble in troubles if trouble] == []


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_the_seeds_are_fine(target: Target) -> None:
    """What fuzzing begins with keeps the promises, too."""
    assert [seed for seed in target.material.seeds if trial(target, seed)] == []


def test_the_mutator_repeats_itself() -> None:
    """The same random numbers make the same inputs, so that what is found can be found again."""
    first, second = (Mutator([b"abc", b"{}"], [b"word"], Random(1)) for _ in range(2))

    assert [first.next() for _ in range(100)] == [second.next() for _ in range(100)]


def test_a_broken_promise_is_found() -> None:
    """A target that raises is told with the place, so that a quiet run means something."""

    def fragile(data: bytes) -> None:
        assert b"word" not in data

    target = Target("fragile", fragile, TARGETS[0].material)
    mutator = Mutator([b""], [b"word"], Random(1))

    assert any("fragile: AssertionError" in trial(target, mutator.next()) for _ in range(100))


@pytest.mark.parametrize("path", ["$[?length(@) > (@) > 2]", "$.a[?1 < (@.b) < 3]", "$.a[?(@.b == 1) == true]"])
def test_a_comparison_of_a_comparison_is_no_path(path: str) -> None:
    """RFC 9535 has none; it was read, and failed where the mapping was compiled."""
    with pytest.raises(PathError, match="stands between two values"):
        parse_path(path)


def compiled(path: str) -> Mapping:
    """A mapping with one walk."""
    metric = MetricMapping(MetricSpec(FamilySpec("m", MetricType.GAUGE, "Help.")), value="$w.n", own=Rules())
    return compile_mapping(MappingSpec(rows={"w": WalkSpec(path)}, metrics=(metric,), defaults=Rules()))


def test_few_wildcards_are_part_of_a_type() -> None:
    """Each doubles the type by which a body is cut: fifteen took two seconds to compile, and twenty two minutes."""
    walks = build_walks({"w": WalkSpec("$" + ".a[*]" * 15)}, [])

    spine = find_spine(walks, compiled("$" + ".a[*]" * 15).plans, Expectation((), (), (), (), ()))

    assert spine is not None
    assert sum(isinstance(segment.sole, Wild) for segment in spine.segments) == 6


def test_a_path_of_many_names_is_refused_with_words() -> None:
    """Python has an end of indentation, which was an error of the program."""
    with pytest.raises(SpecError, match="more than 80 names"):
        compiled("$" + ".a" * 120)


@pytest.mark.parametrize("text", ["[[]:8080", "unix:/.", "unix:///run/.."])
def test_what_names_nothing_is_no_address(text: str) -> None:
    """It was read as a host or a file that only the start could refuse."""
    with pytest.raises(ValueError, match="is not an address"):
        parse_listen_address(text)


def test_a_label_of_many_references_is_read_in_one_way() -> None:
    """Each doubled the ways to read it, so that this many were not read to their end."""
    with pytest.raises(RelabelError):
        compile_relabel((RelabelRule(target_label="$_y" * 200 + "{1}", replacement="$1"),))


def test_a_template_is_not_moved_out_of_the_calendar() -> None:
    """The check took it, and each run failed."""
    with pytest.raises(ValueError, match="longer than 100 years"):
        compile_template("{window.end-999999y:%Y}")


@pytest.mark.parametrize("decimal", [".", ","])
def test_a_text_of_a_million_digits_is_no_number_at_once(decimal: str) -> None:
    """The reading gave digits back one by one: of this many it would not have come to an end."""
    with pytest.raises(Unusable, match="not_a_number"):
        NumberReader(decimal=decimal).read("0" * 1_000_000 + "+")


def test_a_jsonp_body_of_many_comments_is_no_call_at_once() -> None:
    """A comment could go on over its end, and so each doubled the ways to read them."""
    answer = Answer(200, "text/javascript", b"/**/" * 128, "url")
    with pytest.raises(ContentError, match="not JSONP"):
        list(documents(answer, RequestSpec(decode="jsonp")))
