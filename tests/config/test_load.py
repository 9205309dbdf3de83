"""Good configs and what they come to; several mistakes at once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

import msgspec
import pytest

from timepoint.clock import DAY, HOUR, MINUTE, SECOND
from timepoint.config import Config, load_config
from timepoint.errors import ConfigError
from timepoint.job import HttpPolling, Job
from timepoint.mapping.engine import RunContext
from timepoint.model import FamilySpec, MetricSpec, MetricType, OnRevision, Points, Temporality, Window
from timepoint.request.spec import SecretSource
from timepoint.secret import MASK, Secret

POD_ENERGY = """
    sources:
      energy:
        url: https://energy.internal/api/v1
        authorization: {credentials_file: token}

    jobs:
      pod_energy:
        source: energy
        every: 30m
        request:
          get: /pods
          params: {start: "{window.start}", end: "{window.end}", step: 5m}
        window: {step: 5m, delay: 10m}
        rows:
          pod: "$.{cluster}.{app}.{namespace}[*]"
        metrics:
          pod_energy_joules_total:
            type: counter
            temporality: delta
            help: Energy consumed by the pod.
            value: $pod.energy_consumed
            time: {start: "{window.start}", step: 5m}
            unit: {from: Wh, to: joules}
            labels: {pod_name: $pod.name}
    """
SMALL = """
    sources:
      energy: {{url: https://energy.example/api{source}}}
    jobs:
      pods:
        source: energy
        {schedule}
        request: {request}
        {job}
        metrics:
          pods_running:
            type: gauge
            help: Pods that run.
            value: $.running
            {metric}
    """

_KEY_AS_USER = 'basic_auth: {username_file: token, password: ""}'


def load(directory: Path, text: str, **environ: str) -> Config:
    """The config of a text, in a directory in which ``token`` is a file."""
    (directory / "token").write_text("abc")
    path = directory / "config.yaml"
    path.write_text(dedent(text), encoding="utf-8")
    return load_config(path, environ)


def small(directory: Path, environ: Mapping[str, str] | None = None, **parts: str) -> Job:
    """The job of a small config, of which some parts are given."""
    standard = {"source": "", "schedule": "every: 30m", "request": "{get: /pods}", "job": "", "metric": ""}
    return load(directory, SMALL.format(**{**standard, **parts}), **(environ or {})).jobs[0]


def metric_of(job: Job) -> MetricSpec:
    """The one metric of a job."""
    (metric,) = job.metrics.values()
    return metric


def http_of(job: Job) -> HttpPolling:
    """The polling of a job from a file."""
    assert isinstance(job.polling, HttpPolling)
    return job.polling


def problems(directory: Path, text: str) -> list[str]:
    """What a user reads about a bad config, without the file's name."""
    with pytest.raises(ConfigError) as caught:
        load(directory, text)
    return [f"{problem.line}: {problem.path}: {problem.message}" for problem in caught.value.problems]


def without_mapping(lines: list[str]) -> list[str]:
    """Without the words for paths, which belong to another room."""
    return [line.partition(": '$")[0] for line in lines]


def test_pod_energy_metric(tmp_path: Path) -> None:
    """The first user's config declares its counter with unit, policy and an honest HELP."""
    (job,) = load(tmp_path, POD_ENERGY).jobs
    assert job.metrics == {
        "pod_energy_joules_total": MetricSpec(
            family=FamilySpec(
                "pod_energy_joules_total",
                MetricType.COUNTER,
                "Energy consumed by the pod. (polled every 30m from energy, delayed 10m)",
                "joules",
            ),
            temporality=Temporality.DELTA,
            max_age=100 * MINUTE,
            zero_first=2 * MINUTE,
            forget_after=7 * DAY,
        )
    }


def test_pod_energy_plan(tmp_path: Path) -> None:
    """The first user's config asks for a window every half hour."""
    (job,) = load(tmp_path, POD_ENERGY).jobs
    polling = http_of(job)
    assert (job.name, job.window_is_asked) == ("pod_energy", True)
    assert (job.schedule.every, job.timeout) == (30 * MINUTE, 5 * MINUTE)
    assert (job.window.step, job.window.delay) == (5 * MINUTE, 10 * MINUTE)
    assert polling.request.path == "/pods"
    assert polling.request.params == (("start", "{window.start}"), ("end", "{window.end}"), ("step", "5m"))
    assert polling.source.authorization is not None
    assert polling.source.authorization.credentials == SecretSource(file=tmp_path / "token")


def test_pod_energy_maps(tmp_path: Path) -> None:
    """The mapping of the first user's config makes series of its document."""
    (job,) = load(tmp_path, POD_ENERGY).jobs
    run = http_of(job).mapping.start(RunContext(Window(0, 15 * MINUTE), 30 * MINUTE))
    run.add({"a": {"checkout": {"shop": [{"name": "cart", "energy_consumed": [1, 2, 3]}]}}})
    series = run.finish().series["pod_energy_joules_total"]
    (text,) = series
    assert text == '{app="checkout",cluster="a",namespace="shop",pod_name="cart"}'
    assert list(series[text].values) == [3600.0, 7200.0, 10800.0]


def test_no_warnings(tmp_path: Path) -> None:
    """A config without a blemish has no warnings."""
    assert load(tmp_path, POD_ENERGY).warnings == ()


def test_all_problems_at_once(tmp_path: Path) -> None:
    """Mistakes of shape and of meaning, in all places of a file, are reported together, in the order of lines."""
    text = """
        sources:
          energy: {url: energy.example, attempts: 0}
          weather: {url: "https://me:secret@weather.example"}
        jobs:
          pods:
            source: enregy
            evry: 30m
            request: {get: /pods}
            metrics:
              pods_started:
                type: counter
                help: Pods that started.
                value: $.started
              pods_running:
                tpye: gauge
                help: Pods that run.
                value: $.running
          wind:
            source: weather
            cron: 15 * * *
            request: {get: winds, params: {start: "{window.begin}"}}
            metrics:
              wind_speed:
                type: gauge
                help: Wind.
                value: $.wind[
                labels: {job: $.station}
    """
    assert without_mapping(problems(tmp_path, text)) == [
        "3: sources.energy.attempts: must be at least 1, not the number 0",
        "4: sources.weather.url: credentials do not belong into the URL: use basic_auth with password_file or ${NAME}",
        "7: jobs.pods.source: there is no source 'enregy', did you mean 'energy'?",
        "8: jobs.pods.evry: unknown key 'evry', did you mean 'every'?",
        (
            "11: jobs.pods.metrics.pods_started: a counter needs temporality, since a guess would count twice: delta "
            "if a value is the amount of its interval, cumulative if it is a running reading"
        ),
        "11: jobs.pods.metrics.pods_started: the name of a counter ends in _total: call it pods_started_total",
        "15: jobs.pods.metrics.pods_running: 'type' is missing",
        "16: jobs.pods.metrics.pods_running.tpye: unknown key 'tpye', did you mean 'type'?",
        "21: jobs.wind.cron: '15 * * *' is not a cron expression: write five fields, as in '15 * * * *'",
        "22: jobs.wind.request.get: a path begins with /: write /winds",
        (
            "22: jobs.wind.request.params.start: {window.begin} is not a template, did you mean window.end?; there are "
            "window.start, window.end, fire_time, each with an optional :format. Write {{ and }} for literal braces"
        ),
        "27: jobs.wind.metrics.wind_speed.value",
        (
            "28: jobs.wind.metrics.wind_speed.labels.job: 'job' is the label Prometheus gives to its target: call it "
            "'exported_job' or otherwise"
        ),
    ]


def test_secrets_print_masked(tmp_path: Path) -> None:
    """A credential from the environment is a Secret, and the config does not show it."""
    config = load(
        tmp_path,
        POD_ENERGY.replace("credentials_file: token", 'credentials: "${TOKEN}"'),
        TOKEN="canary-7f3a",
    )
    authorization = config.sources["energy"].authorization
    assert authorization is not None
    assert authorization.credentials.text == Secret("canary-7f3a")
    assert "canary" not in repr(config)
    assert MASK in repr(config)


def test_environment_in_the_middle(tmp_path: Path) -> None:
    """A variable may be a part of a text, and its braces are no template."""
    job = small(tmp_path, {"TENANT": "{shop}"}, request='{get: "/${TENANT}/pods", params: {at: "$TENANT"}}')
    request = http_of(job).request
    assert request.path == "/{{shop}}/pods"
    assert request.params == (("at", "$TENANT"),)


def test_environment_is_hidden(tmp_path: Path) -> None:
    """What the environment put into a request is handed on as something to mask."""
    job = small(tmp_path, {"KEY": "abc{d"}, request='{get: "/pods/${KEY}", params: {at: 1}}')
    assert http_of(job).request.hidden == (Secret("abc{d"),)


@pytest.mark.parametrize(
    ("url", "value", "hidden"),
    [
        ("https://${X}/api", "energy.example:8080", ()),
        ("https://energy.example/${X}/api", "tenant-7f3a", (Secret("tenant-7f3a"),)),
        ("${X}", "https://energy.example/hook/7f3a", (Secret("/hook/7f3a"),)),
        ("${X}/api", "https://energy.example", ()),
    ],
)
def test_environment_in_the_url(tmp_path: Path, url: str, value: str, hidden: tuple[Secret, ...]) -> None:
    """Of a URL from the environment, only what is no host is masked."""
    config = load(tmp_path, POD_ENERGY.replace("https://energy.internal/api/v1", url), X=value)
    assert config.sources["energy"].hidden == hidden


def test_dollar_brace_as_such(tmp_path: Path) -> None:
    """``$${`` is a literal ``${``."""
    job = small(tmp_path, request="{get: /pods, http_headers: {X-Shell: {values: ['$${HOME}']}}}")
    assert http_of(job).request.headers["X-Shell"].text == Secret("${HOME}")


def test_environment_ends_at_the_mapping(tmp_path: Path) -> None:
    """Outside of sources and requests ``${1}`` is Prometheus', and ``$$`` is a literal that begins with ``$``."""
    rule = '{source_labels: [pod], regex: "(.+)-.*", target_label: app, replacement: "${1}"}'
    job = small(tmp_path, metric=f"relabel: [{rule}]\n            labels: {{price: $$5, pod: $.pod}}")
    run = http_of(job).mapping.start(RunContext(Window(0, 0), 0))
    run.add({"running": 1, "pod": "cart-1"})
    assert list(run.finish().series["pods_running"]) == ['{app="cart",pod="cart-1",price="$5"}']


def test_texts_as_written(tmp_path: Path) -> None:
    """A parameter is sent as it stands in the file."""
    job = small(tmp_path, request="{get: /pods, params: {version: 1.10, zone: [NO, 010, true]}}")
    params = http_of(job).request.params
    assert params == (("version", "1.10"), ("zone", "NO"), ("zone", "010"), ("zone", "true"))


def test_json_body(tmp_path: Path) -> None:
    """A JSON body keeps its kinds of values, and can be written as JSON."""
    job = small(tmp_path, {"A": "x"}, request="{post: /q, json: {a: 010, b: [1.50, true, null, NO, '${A}'], c: {}}}")
    request = http_of(job).request
    assert request.method == "POST"
    assert msgspec.json.encode(request.body) == b'{"a":10,"b":[1.5,true,null,"NO","x"],"c":{}}'


def test_limits_of_a_source(tmp_path: Path) -> None:
    """The limits of a source are read with their units."""
    text = ", max_body: 64MB, timeout: 1m30s, connect_timeout: 500ms, attempts: 5, min_interval: 10m"
    source = http_of(small(tmp_path, source=text)).source
    assert (source.max_body, source.timeout, source.connect_timeout) == (64 * 1024 * 1024, 90 * SECOND, 500)
    assert (source.attempts, source.min_interval) == (5, 10 * MINUTE)


def test_headers_of_source_and_request(tmp_path: Path) -> None:
    """Headers come from a value, a secret or a file beside the config."""
    job = small(
        tmp_path,
        {"KEY": "abc"},
        source=', http_headers: {X-Key: {secrets: ["${KEY}"]}, X-File: {files: [token]}}',
        request="{get: /pods, http_headers: {Accept: {values: [a/b]}}}",
    )
    polling = http_of(job)
    assert polling.source.headers == {
        "X-Key": SecretSource(text=Secret("abc")),
        "X-File": SecretSource(file=tmp_path / "token"),
    }
    assert polling.request.headers == {"Accept": SecretSource(text=Secret("a/b"))}


def test_basic_auth_and_tls(tmp_path: Path) -> None:
    """Files of credentials and certificates are looked for beside the config."""
    text = ", basic_auth: {username: me, password_file: token}, tls_config: {ca_file: token, server_name: x}"
    source = http_of(small(tmp_path, source=text)).source
    assert source.basic_auth is not None
    assert source.basic_auth.username == SecretSource(text=Secret("me"))
    assert source.basic_auth.password == SecretSource(file=tmp_path / "token")
    assert source.tls is not None
    assert (source.tls.ca_file, source.tls.server_name) == (tmp_path / "token", "x")
    assert not source.tls.insecure_skip_verify


def test_jobs_that_just_fit(tmp_path: Path) -> None:
    """Jobs of one source may use up what it allows."""
    text = dedent(POD_ENERGY).replace("api/v1\n", "api/v1\n    min_interval: 10m\n")
    job = text[text.index("  pod_energy:") :]
    text += job.replace("  pod_energy:", "  second:") + job.replace("  pod_energy:", "  third:")
    assert len(load(tmp_path, text).jobs) == 3


def test_no_password(tmp_path: Path) -> None:
    """An empty password may be written: many APIs take their key as the user name."""
    config = load(tmp_path, POD_ENERGY.replace("authorization: {credentials_file: token}", _KEY_AS_USER))
    assert config.warnings == ()
    auth = config.sources["energy"].basic_auth
    assert auth is not None
    assert auth.password == SecretSource(text=Secret(""))


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1", "[::1]:80", "api.localhost"])
def test_loopback_needs_no_tls(tmp_path: Path, host: str) -> None:
    """Credentials to this machine itself may go over http."""
    text = POD_ENERGY.replace("https://energy.internal/api/v1", f'"http://{host}/"')
    assert load(tmp_path, text).warnings == ()


def test_cron(tmp_path: Path) -> None:
    """The period of a cron job is its longest gap, and HELP names the expression."""
    job = small(tmp_path, schedule='cron: "0 6,8 * * 1-5"\n        timezone: Europe/Berlin')
    assert (job.schedule.cron, job.schedule.timezone) == ("0 6,8 * * 1-5", "Europe/Berlin")
    metric = metric_of(job)
    assert metric.family.help == "Pods that run. (polled at 0 6,8 * * 1-5 Europe/Berlin from energy)"
    assert metric.max_age == 3 * (2 * DAY + 23 * HOUR)  # the weekend on which summer time ends


def test_cron_of_every_minute_of_working_hours(tmp_path: Path) -> None:
    """The longest gap of a frequent cron job is the weekend."""
    metric = metric_of(small(tmp_path, schedule='cron: "* 8-17 * * 1-5"'))
    assert metric.max_age == 3 * (2 * DAY + 14 * HOUR + MINUTE)


def test_timeout_of_a_frequent_job(tmp_path: Path) -> None:
    """A run may not take longer than the period unless somebody says so."""
    assert small(tmp_path, schedule="every: 10s").timeout == 10 * SECOND


def test_durations_of_job_and_metric(tmp_path: Path) -> None:
    """What a metric says wins over its job, and 0s is said too."""
    text = POD_ENERGY.replace("type: counter", "type: counter\n            max_age: 2h\n            zero_first: 0s")
    of_job = "every: 30m\n        max_age: 1h\n        zero_first: 1m\n        forget_after: 1d"
    job = load(tmp_path, text.replace("every: 30m", of_job)).jobs[0]
    metric = metric_of(job)
    assert (metric.max_age, metric.zero_first, metric.forget_after) == (2 * HOUR, 0, DAY)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("points: max", {"points": Points.MAX}),
        ("horizon: 1h", {"horizons": (HOUR,)}),
        ("horizon: [0s, 1h]", {"horizons": (0, HOUR)}),
    ],
)
def test_gauge_policies(tmp_path: Path, said: str, expected: dict[str, Any]) -> None:
    """A gauge says which of its points it shows."""
    metric = metric_of(small(tmp_path, metric=said))
    assert {key: getattr(metric, key) for key in expected} == expected


def test_points_of_the_job_are_for_gauges(tmp_path: Path) -> None:
    """A default of the job that a type does not have is not for it."""
    text = POD_ENERGY.replace("every: 30m", "every: 30m\n        points: mean\n        missing: [-1]")
    assert metric_of(load(tmp_path, text).jobs[0]).points is Points.LAST


def test_on_revision(tmp_path: Path) -> None:
    """A counter may ignore revisions."""
    text = POD_ENERGY.replace("type: counter", "type: counter\n            on_revision: ignore")
    assert metric_of(load(tmp_path, text).jobs[0]).on_revision is OnRevision.IGNORE


def test_all_types(tmp_path: Path) -> None:
    """A config may declare every type."""
    text = """
        sources: {api: {url: "https://api.example"}}
        jobs:
          all:
            source: api
            every: 1m
            request: {get: /}
            time: $.at
            metrics:
              a: {type: gauge, help: A., value: $.a}
              b_total: {type: counter, temporality: cumulative, help: B., value: $.b}
              c: {type: histogram, temporality: delta, help: C., buckets: $.c, sum: $.s, count: $.n}
              d: {type: histogram, temporality: delta, help: D., value: $.d, bounds: [1, 5]}
              e: {type: summary, temporality: cumulative, help: E., quantiles: $.q, sum: $.s, count: $.n}
              f_info: {type: info, help: F., labels: {version: $.v}}
              g: {type: stateset, help: G., value: $.state, states: [on, off]}
              h: {type: unknown, help: H., value: $.h}
    """
    job = load(tmp_path, text).jobs[0]
    assert {metric.family.type for metric in job.metrics.values()} == set(MetricType)


def test_family_of_two_jobs(tmp_path: Path) -> None:
    """Jobs that share a family get one HELP that tells how each is polled."""
    text = dedent(POD_ENERGY)
    second = text[text.index("  pod_energy:") :].replace("  pod_energy:", "  old_pods:").replace("30m", "1h")
    config = load(tmp_path, text + second)
    expected = (
        "Energy consumed by the pod. (polled every 30m from energy, delayed 10m; "
        "polled every 1h from energy, delayed 10m)"
    )
    assert [metric_of(job).family.help for job in config.jobs] == [expected, expected]


def test_anchors(tmp_path: Path) -> None:
    """Keys that begin with x- are a place for what several jobs share."""
    text = "x-common: &common {every: 5m, source: energy}\n" + dedent(POD_ENERGY).replace(
        "    source: energy\n    every: 30m\n", "    <<: *common\n"
    )
    assert load(tmp_path, text).jobs[0].schedule.every == 5 * MINUTE


def test_labels_that_live_until_relabel(tmp_path: Path) -> None:
    """A label that begins with __ may be set for relabel rules, and is not shown."""
    rule = "{source_labels: [__raw], regex: '(.)_.*', target_label: phase}"
    job = small(tmp_path, metric=f"labels: {{__raw: $.raw}}\n            relabel: [{rule}]")
    run = http_of(job).mapping.start(RunContext(Window(0, 0), 0))
    run.add({"running": 1, "raw": "a_x"})
    assert list(run.finish().series["pods_running"]) == ['{phase="a"}']


def test_byte_order_mark(tmp_path: Path) -> None:
    """A file may begin with a byte order mark."""
    assert load(tmp_path, "\ufeff" + dedent(POD_ENERGY)).jobs


def test_expectations_of_answers(tmp_path: Path) -> None:
    """Statuses that mean nothing yet go to the request, the rest to the mapping."""
    job = small(tmp_path, job="expect: {equal: {$.status: ok}, present: [$.running], empty_status: [404, 204]}")
    assert http_of(job).request.empty_status == (404, 204)


def test_window_of_counters_that_is_not_asked_for(tmp_path: Path) -> None:
    """A window says which points a counter counts, so it has an effect even if the request does not name it."""
    text = POD_ENERGY.replace('start: "{window.start}", end: "{window.end}", ', "").replace("delay: 10m", "overlap: 1h")
    assert load(tmp_path, text).warnings == ()


def test_pydantic_is_loaded_only_for_a_config() -> None:
    """The words that all commands share do not import what only a config needs."""
    code = (
        "import sys, timepoint.job, timepoint.model, timepoint.request.spec;"
        "sys.exit('pydantic' in sys.modules or 'yaml' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_max_age_outlasts_the_step_of_the_window(tmp_path: Path) -> None:
    """A window that moves once a day keeps values for three days, however often the job fires."""
    text = POD_ENERGY.replace("window: {step: 5m, delay: 10m}", "window: {step: 1d, delay: 10m}")
    assert text != POD_ENERGY
    (job,) = load(tmp_path, text).jobs
    (metric,) = job.metrics.values()
    assert metric.max_age == 3 * DAY + 10 * MINUTE


def test_a_metric_knows_whether_its_points_have_a_time(tmp_path: Path) -> None:
    """Only a metric without ``time``, its own or its job's, is about the fire time."""
    config = load(
        tmp_path,
        """
        sources: {api: {url: "http://127.0.0.1"}}
        jobs:
          pods:
            source: api
            every: 30m
            request: {get: /pods}
            metrics:
              now: {type: gauge, help: Now., value: $.now}
              then: {type: gauge, help: Then., value: $.then, time: $.at}
        """,
    )
    assert {name: spec.timed for name, spec in config.jobs[0].metrics.items()} == {"now": False, "then": True}
