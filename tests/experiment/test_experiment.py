"""What ``docs/experiment.md`` says, on each machine anew."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.conftest import ROOT
from tests.experiment.feed import PODS, Pod
from tests.experiment.story import Story, told
from tests.experiment.table import HEAD, Line, lines

pytestmark = pytest.mark.system

RETURNS = "cart-1"


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """The experiment, once."""
    binary = shutil.which("prometheus")
    if binary is None:
        pytest.skip("prometheus is not installed (apt-get install prometheus)")
    with told(tmp_path_factory.mktemp("experiment"), binary) as story:
        yield story


@pytest.fixture
def table(story: Story) -> list[Line]:
    """The figures that the page shows."""
    return list(lines(story))


def counted(story: Story, pod: Pod, at: float) -> int:
    """The API's own sum of all timepoints of a pod that had been committed when a page was scraped."""
    assert story.feed.genesis is not None
    return story.feed.joules(pod, story.feed.genesis, story.page_at[at].watermark)


@pytest.mark.parametrize("pod", PODS, ids=lambda pod: f"{pod.name} {pod.story}")
def test_between_any_two_scrapes_a_counter_grows_by_what_was_committed(story: Story, pod: Pod) -> None:
    """Each sample is the API's sum up to the page's watermark, or the 0 before the total on the first page of the pod.

    So last minus first is the sum of the timepoints committed in between, whichever two scrapes they are of.
    """
    samples = story.counters[pod.name]
    first_page = story.page_at[samples[0][0]]
    wrong = [
        (at, value, counted(story, pod, at))
        for at, value in samples
        if value != counted(story, pod, at) and not (value == 0 and story.page_at[at] == first_page)
    ]
    assert wrong == []
    assert samples[0][1] == 0


def test_all_kinds_of_pods_were_counted(story: Story) -> None:
    """The story holds what it is about: every pod, a failed run, a restart, pods that left and one that returned."""
    assert story.counters.keys() == {pod.name for pod in PODS}
    assert "source_error" in story.failures
    gone = {pod.name for pod in PODS if pod.story in {"goes", "lives for one step", "lives for two steps"}}
    assert not gone & story.shown
    assert {pod.name for pod in PODS if story.returns(pod.name)} == {RETURNS}
    assert RETURNS in story.shown


def test_last_minus_first_is_the_sum_of_the_api(table: list[Line]) -> None:
    """For every pod of the page's table, to the joule."""
    assert {line.pod: line.difference for line in table} == {line.pod: line.api for line in table}
    assert all(line.api > 0 for line in table)


def test_increase_is_that_times_a_factor_that_the_samples_explain(table: list[Line]) -> None:
    """What ``increase()`` gives is last minus first, extended to the ends of the range, and nothing else."""
    for line in table:
        assert line.explained is not None
        assert line.increase == pytest.approx(line.explained.value, rel=1e-6)
        assert line.explained.growth == line.api
    assert any(line.explained and line.explained.factor > 1 for line in table)


def test_who_returns_shows_the_total_of_before_and_of_since_at_once(story: Story) -> None:
    """A range that begins while the pod is away does not see the growth of its first run after that."""
    (pod,) = (pod for pod in PODS if pod.name == RETURNS)
    ((_, before), (at, after)) = story.returns(RETURNS)[0]
    assert after == counted(story, pod, at) > before > 0


def test_the_script_loses_a_tenth_and_more(story: Story, table: list[Line]) -> None:
    """The comparison says something: the script misses late values, an outage, short lives, what a bad row hides."""
    truth = sum(line.api for line in table)
    assert sum(line.script_difference or 0 for line in table) < 0.9 * truth
    assert {line.pod for line in table if not line.script_difference} >= {"job-1"}


def test_the_page_shows_this_table() -> None:
    """The head of the table on the page is the one that the command prints, and all pods stand in it."""
    page = (ROOT / "docs" / "experiment.md").read_text("utf-8")
    assert HEAD in page
    assert all(f"\n| {pod.name} | {pod.story} |" in page for pod in PODS)


def test_the_script_has_sixty_lines() -> None:
    """It is what its name says."""
    script = ROOT / "docs" / "experiment" / "sixty_lines.py"
    assert len(script.read_text("utf-8").splitlines()) == 60
