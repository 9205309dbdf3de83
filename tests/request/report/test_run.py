"""Reports against an API that takes orders, lets wait and hands out, and a store on another host."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from tests.request.paging.api import WINDOW, Ask, PagedApi, Reply, served
from tests.request.wire import FakeClock, lookup
from timepoint.errors import HeldBackError, SourceError
from timepoint.request.answer import Answer
from timepoint.request.fetch import HttpFetcher
from timepoint.request.report.spec import PlaceSpec, ReportSpec
from timepoint.request.spec import BasicAuth, RequestSpec, SecretSource, SourceSpec
from timepoint.request.template import template_names, uses_window
from timepoint.secret import Secret

SECRET = "canary-1f0c9e7b"
ORDER = RequestSpec(method="POST", path="/reports", body={"from": "{window.start:unix}"})
SOURCE = SourceSpec(
    "s",
    "",
    headers={"X-Key": SecretSource(text=Secret(SECRET))},
    basic_auth=BasicAuth(SecretSource(text=Secret("u")), SecretSource(text=Secret("p"))),
)


@dataclass
class ReportApi(PagedApi):
    """Takes orders for reports, which are ready when they were asked about ``polls`` times."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    polls: int = 2
    end: str = "completed"
    store: str = ""
    orders: dict[str, int] = field(default_factory=dict)

    def answer(self, ask: Ask) -> Reply:
        if ask.headers.get("X-Key") != SECRET or not ask.headers.get("Authorization", "").startswith("Basic "):
            return Reply({"error": "who are you?"}, 401)
        return super().answer(ask)

    def _reports(self, ask: Ask) -> Reply:
        if ask.method != "POST" or ask.json != {"from": WINDOW.start // 1000}:
            return Reply({"error": "not an order"}, 400)
        report = f"r/{len(self.orders)} ä"  # characters that a path must encode
        self.orders[report] = 0
        return Reply({"id": report, "links": {"status": f"{ask.url}?id=0"}}, 202, {"Location": "/reports/0"})

    def state(self, report: str) -> Reply:
        """What the API says of a report when it is asked again."""
        self.orders[report] += 1
        is_ready = self.orders[report] > self.polls
        return Reply({"status": self.end if is_ready else "running", "url": self.store})


def polling(api: ReportApi) -> None:
    """Lets the API answer questions about its reports, by their number or by their id."""

    def plan(_number: int, ask: Ask) -> Reply | None:
        if ask.method == "GET" and ask.path == "/reports/r/0 ä/content":
            return Reply({"rows": [1, 2]})
        if ask.method == "GET" and ask.path in ("/reports/r/0 ä", "/reports/0", "/reports"):
            return api.state(next(iter(api.orders)))
        return None

    api.plan = plan


async def fetch(
    api: ReportApi,
    report: ReportSpec,
    clock: FakeClock | None = None,
    within: float = 600,
    request: RequestSpec = ORDER,
    source: SourceSpec = SOURCE,
) -> Answer:
    """The one answer of a job whose request orders a report."""
    clock = clock or FakeClock()
    async with served(api) as url:
        source = replace(source, url=url)
        async with HttpFetcher(source, clock, chance=lambda: 1.0, sleep=clock.sleep, lookup=lookup) as fetcher:
            deadline = clock.monotonic() + within
            request = replace(request, report=report)
            (answer,) = await fetcher.fetch(request, WINDOW, deadline, fire_time=WINDOW.end)
            return answer


async def fail(api: ReportApi, report: ReportSpec, within: float = 600, request: RequestSpec = ORDER) -> SourceError:
    """The error of a report that does not come."""
    with pytest.raises(SourceError) as caught:
        await fetch(api, report, within=within, request=request)
    return caught.value


DONE = (("$.status", ("completed", "done")),)
FAILED = (("$.status", ("failed",)),)
BY_ID = ReportSpec(
    PlaceSpec(path="/reports/{report.id}"),
    PlaceSpec(path="/reports/{report.id}/content"),
    id="$.id",
    done=DONE,
    failed=FAILED,
)


async def test_a_report_is_ordered_waited_for_and_fetched() -> None:
    """One order, as many questions as it takes, one download; the answer counts all of them."""
    api, clock = ReportApi(), FakeClock()
    polling(api)
    answer = await fetch(api, BY_ID, clock)
    assert json.loads(answer.body) == {"rows": [1, 2]}
    assert [(ask.method, ask.path) for ask in api.asked] == [
        ("POST", "/reports"),
        *[("GET", "/reports/r/0 ä")] * 3,
        ("GET", "/reports/r/0 ä/content"),
    ]
    assert (answer.attempts, clock.slept) == (5, [5, 7.5, 11.25])
    assert answer.wire_bytes > len(answer.body)


@pytest.mark.parametrize("poll", [PlaceSpec(url="$.links.status"), PlaceSpec(header="location")])
async def test_where_to_ask_stands_in_the_answer(poll: PlaceSpec) -> None:
    """The URL of the state comes from the body or from a header, and the last answer is the report."""
    api = ReportApi()
    polling(api)
    answer = await fetch(api, ReportSpec(poll, done=DONE))
    assert json.loads(answer.body)["status"] == "completed"


async def test_the_request_is_made_again_until_it_is_ready() -> None:
    """A status that says "not yet" is asked again: what some APIs do where statistics are computed first."""
    api, clock = ReportApi(), FakeClock()
    api.plan = lambda number, _ask: Reply([], 202) if number < 4 else Reply([number])
    answer = await fetch(api, ReportSpec(PlaceSpec()), clock, request=RequestSpec(path="/stats"))
    assert (bytes(answer.body), len(api.asked), len(clock.slept)) == (b"[4]", 4, 3)


async def test_a_report_that_is_there_at_once() -> None:
    """Where nothing is to be waited for, nothing is."""
    api, clock = ReportApi(), FakeClock()
    api.plan = lambda _number, _ask: Reply([1])
    answer = await fetch(api, ReportSpec(PlaceSpec()), clock, request=RequestSpec(path="/stats"))
    assert (bytes(answer.body), clock.slept) == (b"[1]", [])


async def test_retry_after_makes_the_pauses_longer() -> None:
    """A pause is never shorter than the API asks for."""
    api, clock = ReportApi(), FakeClock()
    api.plan = lambda number, _ask: Reply([], 202, {"Retry-After": "40"}) if number < 3 else Reply([])
    await fetch(api, ReportSpec(PlaceSpec()), clock, request=RequestSpec(path="/stats"))
    assert clock.slept == [40, 40]


async def test_pauses_grow_up_to_a_minute() -> None:
    """A report that takes long is asked about once in a minute."""
    api, clock = ReportApi(polls=20), FakeClock()
    polling(api)
    await fetch(api, BY_ID, clock, within=3600)
    assert clock.slept[-3:] == [60, 60, 60]


async def test_a_report_that_fails() -> None:
    """What the API says of a failure ends it, with the words it said."""
    api = ReportApi(end="failed")
    polling(api)
    error = await fail(api, BY_ID)
    assert error.reason == "report"
    assert str(error).startswith("report, poll: source s: GET http://127.0.0.1:")
    assert str(error).endswith(": the report has failed: $.status is 'failed'")
    assert error.attempts == 4


async def test_a_report_that_is_not_ready_in_time() -> None:
    """The run ends before its deadline, says in which state the report was, and what to do."""
    api = ReportApi(polls=10_000)
    polling(api)
    error = await fail(api, BY_ID, within=100)
    assert str(error).endswith(
        "the report is not ready before the run must end ($.status is 'running'): give the job a longer timeout, or "
        "ask for less at once (max_span of the window)"
    )


async def test_an_order_that_is_refused() -> None:
    """The error names the stage."""
    api = ReportApi(plan=lambda _number, _ask: Reply({"error": "too many orders"}, 409))
    error = await fail(api, BY_ID)
    assert str(error).startswith("report, order: source s: POST http://127.0.0.1:")
    assert "too many orders" in str(error)


async def test_an_order_that_means_that_there_is_nothing() -> None:
    """A status that says "nothing there yet" needs no report."""
    api = ReportApi(plan=lambda _number, _ask: Reply(status=404))
    assert (await fetch(api, BY_ID, request=replace(ORDER, empty_status=(404,)))).empty


async def test_a_question_that_fails_is_asked_again() -> None:
    """Questions have the attempts of a request, and a report is not ordered twice."""
    api = ReportApi()
    polling(api)
    usual = api.plan
    api.plan = lambda number, ask: Reply(status=503) if number in (2, 4) else usual(number, ask)
    await fetch(api, BY_ID)
    assert len(api.orders) == 1


@pytest.mark.parametrize(
    ("report", "message"),
    [
        (replace(BY_ID, id="$.number"), "$.number (id) is not in the answer to the order"),
        (ReportSpec(PlaceSpec(url="$.none")), "$.none is not in the answer, and should hold a URL"),
        (ReportSpec(PlaceSpec(header="X-Where")), "the header X-Where is not in the answer, and should hold a URL"),
    ],
)
async def test_what_is_not_in_the_answer_to_the_order(report: ReportSpec, message: str) -> None:
    """A misspelt path is told as what it is."""
    assert message in str(await fail(ReportApi(), report))


async def test_a_state_on_another_host_is_not_asked_for() -> None:
    """Questions go with credentials, so they never leave the source (A11)."""
    api = ReportApi(plan=lambda _number, _ask: Reply({"links": {"status": "https://other.example/1"}}))
    error = await fail(api, ReportSpec(PlaceSpec(url="$.links.status")))
    assert "the answer leads to https://other.example:443; only the scheme, host and port" in str(error)


@pytest.mark.parametrize("allowed", ["localhost", "LOCALHOST", "*.store.localhost"])
async def test_a_download_from_another_host(allowed: str) -> None:
    """A store on a host that the config names is asked without credentials, cookies, headers or body of ours."""
    store = PagedApi([], plan=lambda _number, _ask: Reply(raw=b'{"rows": [3]}'))
    async with served(store) as url:
        host = "localhost" if "*" not in allowed else "a.store.localhost"
        api = ReportApi(store=f"{url.replace('127.0.0.1', host)}/file.json?sig={SECRET}%2B&se=1")
        polling(api)
        report = replace(BY_ID, download=PlaceSpec(url="$.url"), hosts=(allowed,))
        request = replace(ORDER, headers={"X-Other": SecretSource(text=Secret("other-secret"))})
        if "*" in allowed:
            with pytest.raises(SourceError, match="cannot be resolved"):
                await fetch(api, report, request=request)
            return
        answer = await fetch(api, report, request=request)
    assert json.loads(answer.body) == {"rows": [3]}
    (ask,) = store.asked
    assert ask.query == {"sig": f"{SECRET}+", "se": "1"}
    sent = {name.lower() for name in ask.headers}
    assert sent == {"host", "accept", "accept-encoding", "user-agent"}
    assert ask.body == b""
    assert SECRET not in repr(answer)


@pytest.mark.parametrize(
    ("hosts", "message"),
    [
        ((), "the report is at http://localhost, and only the source itself is asked: name the host under hosts"),
        (("host", "*.localhost", "localhost.example"), "and only the source itself is asked"),
    ],
)
async def test_a_download_from_a_host_that_nobody_named(hosts: tuple[str, ...], message: str) -> None:
    """No request goes to a host that an API alone names (A11)."""
    store = PagedApi([])
    async with served(store) as url:
        api = ReportApi(store=f"{url.replace('127.0.0.1', 'localhost')}/x?sig={SECRET}")
        polling(api)
        error = await fail(api, replace(BY_ID, download=PlaceSpec(url="$.url"), hosts=hosts))
    assert message in str(error)
    assert SECRET not in str(error)
    assert store.asked == []


async def test_a_store_that_refuses() -> None:
    """Its error names the stage, and neither the signature nor what it says of it is shown."""
    store = PagedApi([], plan=lambda _number, ask: Reply({"error": f"bad {ask.query}"}, 403))
    async with served(store) as url:
        api = ReportApi(store=f"{url.replace('127.0.0.1', 'localhost')}/secret-file-name?sig={SECRET}")
        polling(api)
        error = await fail(api, replace(BY_ID, download=PlaceSpec(url="$.url"), hosts=("localhost",)))
    assert str(error).startswith("report, download: source s: GET http://localhost:")
    assert "/***?sig=***: status 403" in str(error)
    assert SECRET not in str(error)
    assert error.attempts == 5


async def test_a_download_from_the_source_itself() -> None:
    """A URL that stays at the source goes with its credentials, without a host of its own in the config."""
    api = ReportApi(store="/reports/r/0 ä/content")
    polling(api)
    answer = await fetch(api, replace(BY_ID, download=PlaceSpec(url="$.url")))
    assert json.loads(answer.body) == {"rows": [1, 2]}


async def test_a_packed_report() -> None:
    """What was packed is decoded as any body is, by the request's own rules and not by those of the order."""
    api = ReportApi(store="/file")
    polling(api)
    usual = api.plan
    body = gzip.compress(b"time,value\n1,2\n")
    packed = Reply(raw=body, headers={"Content-Type": "text/csv", "Content-Encoding": "gzip"})
    api.plan = lambda number, ask: packed if ask.path == "/file" else usual(number, ask)
    answer = await fetch(api, replace(BY_ID, download=PlaceSpec(url="$.url")), request=replace(ORDER, decode="csv"))
    assert bytes(answer.body) == b"time,value\n1,2\n"


async def test_a_limit_that_is_reached_while_it_waits() -> None:
    """A report that was ordered and not fetched is a failure, not a run that was skipped."""
    api = ReportApi()
    polling(api)
    with pytest.raises(SourceError, match=r"^report, poll: .*may be asked only once in 1m") as caught:
        await fetch(api, BY_ID, within=100, source=replace(SOURCE, min_interval=60_000))
    assert not isinstance(caught.value, HeldBackError)
    assert caught.value.attempts == 2


def test_templates_of_a_report_belong_to_its_request() -> None:
    """What the paths of a report speak of is what the request speaks of."""
    report = replace(BY_ID, download=PlaceSpec(path="/reports/{each.zone}/{window.start:%Y}"))
    request = RequestSpec(path="/x", report=report)
    assert template_names(request) == {"each.zone", "window.start"}
    assert uses_window(request)
