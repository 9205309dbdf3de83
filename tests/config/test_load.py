"""Good configs and what they come to: the first user's job, sources, requests; several mistakes at once."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import msgspec
import pytest

from tests.config.building import KEY_AS_USER, POD_ENERGY, http_of, load, problems, small, without_mapping
from timepoint.clock import DAY, MINUTE, SECOND
from timepoint.mapping.engine import RunContext
from timepoint.model import FamilySpec, MetricSpec, MetricType, Temporality, Window
from timepoint.request.spec import SecretSource
from timepoint.secret import MASK, Secret


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


def test_how_numbers_are_written_may_be_said_once(tmp_path: Path) -> None:
    """``decimal`` and ``strip`` of a job are those of its metrics, but for the ones that say their own."""
    config = """
        sources: {plant: {url: https://plant.internal}}
        jobs:
          plant:
            source: plant
            every: 5m
            request: {get: /now}
            decimal: ","
            strip: [".", kW]
            metrics:
              power_kilowatts: {type: gauge, help: Power., value: $.power}
              load_percent: {type: gauge, help: Load., value: $.load, decimal: ".", strip: "%"}
    """
    (job,) = load(tmp_path, config).jobs
    run = http_of(job).mapping.start(RunContext(Window(0, 5 * MINUTE), 5 * MINUTE))
    run.add({"power": "1.234,5 kW", "load": "43.5 %"})
    mapped = run.finish()
    found = {name: list(one.values) for name, series in mapped.series.items() for one in series.values()}
    assert found == {"power_kilowatts": [1234.5], "load_percent": [43.5]}


def test_no_warnings(tmp_path: Path) -> None:
    """A config without a blemish has no warnings."""
    assert load(tmp_path, POD_ENERGY).warnings == ()


def test_all_problems_at_once(tmp_path: Path) -> None:
    """Mistakes of shape and of meaning, in all places of a file, are reported together, in the order of lines (C3)."""
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
            "window.start, window.end, fire_time, window.length, window.reach, each.NAME, each with an optional :format"
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


@pytest.mark.parametrize(("value", "number"), [("12", 12), ("-3", -3), ("0.5", 0.5)])
def test_environment_as_a_number(tmp_path: Path, value: str, number: float) -> None:
    """A variable of which a number is wanted is one in the JSON of a request, and is masked as any other."""
    job = small(tmp_path, {"ID": value}, request='{post: /, json: {id: "${ID:number}", name: "${ID}"}}')
    request = http_of(job).request
    assert request.body == {"id": number, "name": value}
    assert Secret(value) in request.hidden


def test_environment_in_the_middle(tmp_path: Path) -> None:
    """A variable may be a part of a text, and its braces are just braces."""
    job = small(tmp_path, {"TENANT": "{shop}"}, request='{get: "/${TENANT}/pods", params: {at: "$TENANT"}}')
    request = http_of(job).request
    assert request.path == "/{shop}/pods"
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
    text = ", max_body: 64MB, max_memory: 512MB, timeout: 1m30s, connect_timeout: 500ms, attempts: 5, min_interval: 10m"
    source = http_of(small(tmp_path, source=text)).source
    assert (source.max_body, source.max_memory) == (64 * 1024 * 1024, 512 * 1024 * 1024)
    assert (source.timeout, source.connect_timeout) == (90 * SECOND, 500)
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
    config = load(tmp_path, POD_ENERGY.replace("authorization: {credentials_file: token}", KEY_AS_USER))
    assert config.warnings == ()
    auth = config.sources["energy"].basic_auth
    assert auth is not None
    assert auth.password == SecretSource(text=Secret(""))


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1", "[::1]:80", "api.localhost", "169.254.169.254"])
def test_this_host_needs_no_tls(tmp_path: Path, host: str) -> None:
    """Credentials to this machine itself, or to the metadata service on it, may go over http."""
    text = POD_ENERGY.replace("https://energy.internal/api/v1", f'"http://{host}/"')
    assert load(tmp_path, text).warnings == ()
