"""Published jobs become one page."""

import gzip
import shutil
import subprocess
import zlib
from hashlib import sha256

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.exposition.oracle import parse_openmetrics, parse_text, samples_in, samples_of
from tests.exposition.worlds import GOLDEN, NASTY, family, states
from timepoint.exposition.family import FamilySnapshot, JobSnapshot, SampleBatch
from timepoint.exposition.formats import OPENMETRICS, OPENMETRICS_0_0_1, TEXT, TEXT_1_0_0, Format
from timepoint.exposition.page import Page, Pages
from timepoint.exposition.publish import pack, unpack
from timepoint.exposition.render import render_families
from timepoint.exposition.segment import PublishedJob
from timepoint.model import FamilySpec, MetricType, series_text, split_series_text

LIVE = [family("zz_live_seconds", "gauge", "Live.", {"": 1.5}, "seconds")]


def job(name: str, *families: FamilySnapshot) -> PublishedJob:
    """A job as the server holds it."""
    return unpack(b"".join(pack(JobSnapshot(name, families, 1, 1))))


def gauge(name: str, *texts: str, value: float = 1.0) -> FamilySnapshot:
    """A gauge with the same value in each series."""
    return family(name, "gauge", f"Of {name}.", dict.fromkeys(texts, value))


def plain(pages: Pages, wanted: Format = TEXT, now: int = 0) -> bytes:
    """The page as it is without compression."""
    return body(pages.page(wanted, gzip=False, now=now))


def body(page: Page) -> bytes:
    """The bytes that a client gets, as many as were announced."""
    joined = b"".join(page.parts)
    assert len(joined) == page.length
    return joined


def unzip(data: bytes) -> bytes:
    """Reads one gzip member as curl does, and refuses anything behind it."""
    reader = zlib.decompressobj(16 + zlib.MAX_WBITS)
    found = reader.decompress(data)
    assert reader.eof
    assert reader.unused_data == b""
    assert gzip.decompress(data) == found
    return found


@pytest.mark.parametrize("wanted", [TEXT, TEXT_1_0_0, OPENMETRICS, OPENMETRICS_0_0_1])
def test_families_stand_in_the_order_of_their_names(wanted: Format) -> None:
    """Families of different jobs are ordered by name, whatever the order of jobs, and the type is the format's."""
    pages = Pages([job("b", gauge("m"), gauge("a", "")), job("a", gauge("z", ""), gauge("c", ""))])
    page = pages.page(wanted, gzip=False, now=0)
    assert page.content_type == wanted.content_type
    lines = [line for line in body(page).decode().splitlines() if not line.startswith("#")]
    assert lines == ["a 1.0", "c 1.0", "z 1.0"]


def test_a_family_of_several_jobs_has_one_head_and_one_group() -> None:
    """Batches of a family are contiguous across jobs under the help of the first job."""
    pages = Pages([job("two", gauge("x", '{a="2"}'), gauge("w", "")), job("one", gauge("x", '{a="1"}'))])
    assert plain(pages) == (
        b'# HELP w Of w.\n# TYPE w gauge\nw 1.0\n# HELP x Of x.\n# TYPE x gauge\nx{a="1"} 1.0\nx{a="2"} 1.0\n'
    )
    assert pages.problems == ()


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(states("a"), states("b"), states("c"))
def test_a_page_holds_the_samples_of_all_jobs(
    first: list[FamilySnapshot], second: list[FamilySnapshot], live: list[FamilySnapshot]
) -> None:
    """In both formats, plain or gzip, independent parsers read the samples of all jobs and of the live families."""
    pages = Pages([job("first", *first), job("second", *second)])
    expected = samples_in([*first, *second, *live])
    for wanted, parse in ((TEXT, parse_text), (OPENMETRICS, parse_openmetrics)):
        page = body(pages.page(wanted, gzip=False, now=0, extra=live))
        assert samples_of(parse(page)) == expected
        assert unzip(body(pages.page(wanted, gzip=True, now=0, extra=live))) == page


@pytest.mark.parametrize("wanted", [TEXT, OPENMETRICS])
def test_large_pages_are_one_gzip_member(wanted: Format) -> None:
    """Segments of very different size, above and below what is joined, make one member with the right checksum."""
    series = [series_text({"pod": f"{number:06d}", "app": NASTY}) for number in range(3000)]
    jobs = [job(f"j{number}", gauge(f"m{number}", *series[: 3**number])) for number in range(8)]
    pages = Pages(jobs)
    page = pages.page(wanted, gzip=True, now=0, extra=LIVE)
    assert unzip(body(page)) == body(pages.page(wanted, gzip=False, now=0, extra=LIVE))
    assert len(list(page.parts)) < 10


def test_another_program_reads_a_compressed_page() -> None:
    """A program of others that reads gzip files sees the plain page."""
    tool = shutil.which("gzip")
    if tool is None:
        pytest.skip("gzip is not installed")
    pages = Pages([job("a", *GOLDEN["all_types"]), job("b", *GOLDEN["escapes"])])
    compressed = body(pages.page(OPENMETRICS, gzip=True, now=0, extra=LIVE))
    read = subprocess.run([tool, "-dc"], input=compressed, capture_output=True, check=True)
    assert read.stdout == body(pages.page(OPENMETRICS, gzip=False, now=0, extra=LIVE))
    assert read.stderr == b""


@pytest.mark.parametrize("compressed", [False, True])
def test_live_families_stand_at_the_end(*, compressed: bool) -> None:
    """The server's own families follow the published ones, and # EOF follows them."""
    pages = Pages([job("a", gauge("zzz", ""))])
    page = body(pages.page(OPENMETRICS, gzip=compressed, now=0, extra=LIVE))
    lines = (unzip(page) if compressed else page).splitlines()
    assert lines[-5:] == [
        b"# TYPE zz_live_seconds gauge",
        b"# UNIT zz_live_seconds seconds",
        b"# HELP zz_live_seconds Live.",
        b"zz_live_seconds 1.5",
        b"# EOF",
    ]


def test_a_live_family_whose_name_a_job_uses_is_left_out() -> None:
    """A job's metric named like one of the exporter's own hides that one, and the problem is named."""
    pages = Pages([job("j", family("zz_live_seconds_total", "counter", "", {"": 9.0}))])
    live = [*LIVE, family("zz_live", "gauge", "", {"": 2.0}), family("zz_live_seconds_created", "gauge", "", {"": 3.0})]
    page = body(pages.page(OPENMETRICS, gzip=False, now=0, extra=live))
    assert [line for line in page.splitlines() if not line.startswith(b"#")] == [
        b"zz_live_seconds_total 9.0",
        b"zz_live 2.0",
    ]
    assert len(pages.problems) == 2


@pytest.mark.parametrize(("wanted", "expected"), [(TEXT, b""), (OPENMETRICS, b"# EOF\n")])
def test_a_page_of_no_job_is_valid(wanted: Format, expected: bytes) -> None:
    """Before anything is published the page is empty and complete, also as gzip."""
    pages = Pages([])
    assert plain(pages, wanted) == expected
    assert unzip(body(pages.page(wanted, gzip=True, now=0))) == expected


def _aging() -> Pages:
    spec = FamilySpec("x_total", MetricType.COUNTER, "X.")
    old = SampleBatch(['{a="old"}'], [7.0], None, 30)
    zero = SampleBatch(['{a="new"}'], [0.0], None, 20)
    total = SampleBatch(['{a="new"}'], [5.0], 20, 30)
    return Pages([job("j", FamilySnapshot(spec, [old, zero, total]), gauge("y", ""))])


@pytest.mark.parametrize(
    ("now", "lines"),
    [
        (0, [b'x_total{a="old"} 7.0', b'x_total{a="new"} 0.0']),
        (19, [b'x_total{a="old"} 7.0', b'x_total{a="new"} 0.0']),
        (20, [b'x_total{a="old"} 7.0', b'x_total{a="new"} 5.0']),
        (29, [b'x_total{a="old"} 7.0', b'x_total{a="new"} 5.0']),
        (30, []),
    ],
)
def test_batches_are_seen_within_their_limits(now: int, lines: list[bytes]) -> None:
    """A new counter shows 0, then its total, and nothing is shown past its limit."""
    found = plain(_aging(), now=now).splitlines()
    assert [line for line in found if line.startswith(b"x_total")] == lines


def test_a_family_without_visible_batch_vanishes_with_its_head() -> None:
    """Past the last limit neither HELP nor TYPE of the family is left."""
    assert plain(_aging(), now=30) == b"# HELP y Of y.\n# TYPE y gauge\ny 1.0\n"


def test_the_clock_may_step_back() -> None:
    """One object gives for any instant the page of that instant, in any order of asking."""
    pages = _aging()
    instants = [0, 25, 19, 30, 20, 5]
    assert [plain(pages, now=now) for now in instants] == [plain(_aging(), now=now) for now in instants]


def test_an_unchanged_page_is_not_assembled_again() -> None:
    """Two scrapes between two limits share the published bytes."""
    pages = _aging()
    first, second = (pages.page(TEXT, gzip=True, now=now) for now in (21, 29))
    assert next(iter(first.parts)) is next(iter(second.parts))


def test_published_bytes_are_not_copied() -> None:
    """A large segment stands in the page as the buffer that was read from the file."""
    names = (sha256(str(n).encode()).hexdigest() for n in range(2000))  # that deflate cannot make small
    published = job("j", gauge("x", *(series_text({"pod": name}) for name in names)))
    lines = published.families[0].batches[0].lines
    pages = Pages([published])
    assert any(part is lines.deflated for part in pages.page(TEXT, gzip=True, now=0).parts)


def test_a_plain_page_is_inflated_in_pieces() -> None:
    """Without gzip a page comes in pieces of at most 256 kB, and again when its parts are gone through again."""
    published = job("j", gauge("x", *(series_text({"pod": f"{n:040d}"}) for n in range(10_000))))
    page = Pages([published]).page(TEXT, gzip=False, now=0)
    pieces = list(page.parts)
    assert max(map(len, pieces)) == 256 * 1024
    assert sum(map(len, pieces)) == page.length
    assert list(page.parts) == pieces


def test_a_series_of_two_jobs_is_shown_once() -> None:
    """Of jobs that publish the same series the first by name shows it, and the problem is named (C8)."""
    pages = Pages(
        [
            job("two", gauge("x", '{a="1"}', '{a="2"}', value=2.0)),
            job("one", gauge("x", '{a="1"}', value=1.0)),
            job("six", gauge("x", '{a="1"}', value=6.0)),
        ]
    )
    assert plain(pages).splitlines()[2:] == [b'x{a="1"} 1.0', b'x{a="2"} 2.0']
    assert unzip(body(pages.page(TEXT, gzip=True, now=0))) == plain(pages)
    assert [problem.split("that job")[1][:6] for problem in pages.problems] == [" 'six'", " 'two'"]


def test_a_series_of_two_jobs_is_shown_by_the_second_when_the_first_has_aged() -> None:
    """What is not visible does not hide the same series of another job."""
    spec = FamilySpec("x", MetricType.GAUGE, "")
    pages = Pages(
        [job("a", FamilySnapshot(spec, [SampleBatch([""], [1.0], None, 10)])), job("b", gauge("x", "", value=2.0))]
    )
    assert [plain(pages, now=now).splitlines()[-1] for now in (9, 10)] == [b"x 1.0", b"x 2.0"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("x_total", "counter"), ("x", "gauge")),
        (("x_total", "counter"), ("x_total", "gauge")),
        (("x_total", "counter"), ("x_created", "gauge")),
        (("x", "histogram"), ("x_bucket", "gauge")),
        (("x", "summary"), ("x_sum", "unknown")),
        (("x_count", "gauge"), ("x", "summary")),
        (("x_info", "info"), ("x", "stateset")),
    ],
)
def test_jobs_that_contradict_each_other_leave_a_valid_page(first: tuple[str, str], second: tuple[str, str]) -> None:
    """A family whose names or type collide with an earlier job's is left out of the page, and the problem is named.

    Faults: C8.
    """
    pages = Pages(
        [job("one", family(*first, "", _SAMPLES[first[1]])), job("two", family(*second, "", _SAMPLES[second[1]]))]
    )
    expected = samples_in([family(*first, "", _SAMPLES[first[1]])])
    assert samples_of(parse_openmetrics(plain(pages, OPENMETRICS))) == expected
    assert samples_of(parse_text(plain(pages, TEXT))) == expected
    assert len(pages.problems) == 1
    assert "'two'" in pages.problems[0]


_SAMPLES = {
    "gauge": {"": 1.0},
    "unknown": {"": 1.0},
    "counter": {"": 1.0},
    "info": {"": 1.0},
    "summary": {"_count": 1.0, "_sum": 1.0},
    "stateset": {'{x="on"}': 1.0},
    "histogram": {'_bucket{le="+Inf"}': 1.0, "_count": 1.0, "_sum": 1.0},
}


@pytest.mark.parametrize("kind", ["histogram", "summary", "stateset"])
def test_a_metric_of_several_lines_is_shown_by_one_job(kind: str) -> None:
    """Lines of one histogram, summary or stateset are not mixed from two jobs, even where no line is the same."""
    lines: dict[str, tuple[dict[str, float], dict[str, float]]] = {
        "histogram": (
            {'_bucket{le="1.0"}': 1.0, '_bucket{le="+Inf"}': 1.0, "_count": 1.0, "_sum": 1.0},
            {'_bucket{le="2.0"}': 1.0, '_bucket{le="+Inf"}': 2.0},
        ),
        "summary": ({'{quantile="0.5"}': 1.0}, {'{quantile="0.9"}': 1.0, "_count": 2.0}),
        "stateset": ({'{m="off"}': 1.0}, {'{m="on"}': 1.0}),
    }
    first, second = (family("m", kind, "", samples) for samples in lines[kind])
    other = family(
        "m",
        kind,
        "",
        {
            series_text({"a": "1", **split_series_text(t)[1]}, split_series_text(t)[0]): v
            for t, v in lines[kind][1].items()
        },
    )
    pages = Pages([job("one", first), job("two", second), job("zoo", other)])
    assert samples_of(parse_openmetrics(plain(pages, OPENMETRICS))) == samples_in([first, other])
    assert len(pages.problems) == 1


def test_jobs_and_families_can_be_selected() -> None:
    """A selection has the chosen jobs and families alone, by either name of a family, and is a whole page."""
    counter = family("c_total", "counter", "", {"": 1.0})
    pages = Pages([job("one", counter, gauge("x", '{a="1"}')), job("two", gauge("x", '{a="2"}'), gauge("y", ""))])
    assert plain(pages.selecting(job_names={"two"})).splitlines()[2::3] == [b'x{a="2"} 1.0', b"y 1.0"]
    assert plain(pages.selecting(names={"c"}), OPENMETRICS).splitlines()[1:] == [b"c_total 1.0", b"# EOF"]
    assert plain(pages.selecting(names={"c_total", "y"}, job_names={"two"})).splitlines()[2:] == [b"y 1.0"]
    assert plain(pages.selecting()) == plain(pages)


def test_promtool_finds_nothing_to_say(promtool: str) -> None:
    """Prometheus' own linter accepts a page of several jobs without a finding."""
    pages = Pages([job("energy", *GOLDEN["pod_energy"]), job("nasty", gauge("escapes", series_text({"text": NASTY})))])
    page = body(pages.page(TEXT, gzip=False, now=0, extra=LIVE))
    checked = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.dictionaries(st.sampled_from("xyz"), st.sets(st.sampled_from("123"))))
    )
)
def test_no_page_holds_a_series_twice(published: list[tuple[str, dict[str, set[str]]]]) -> None:
    """Whatever jobs publish, also two of one name, each series stands once and nothing is lost."""
    jobs = [
        job(name, *(gauge(metric, *(f'{{n="{n}"}}' for n in sorted(series))) for metric, series in families.items()))
        for name, families in published
    ]
    samples = samples_of(parse_openmetrics(plain(Pages(jobs), OPENMETRICS)))
    assert len(samples) == len(set(samples))
    assert set(samples) == {
        sample
        for _, families in published
        for metric, series in families.items()
        for sample in samples_in([gauge(metric, *(f'{{n="{n}"}}' for n in series))])
    }


def test_a_page_equals_what_a_preview_renders() -> None:
    """The published page of one job is the rendered page of the same state."""
    for wanted in (TEXT, OPENMETRICS):
        assert plain(Pages([job("j", *GOLDEN["all_types"])]), wanted) == render_families(GOLDEN["all_types"], wanted)
