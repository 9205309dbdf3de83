"""Thirty secrets in every place that may hold one: none is in anything that the exporter shows or keeps."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote_plus

import psutil
import pytest

from tests.system.hostile import Asked, HostileApi, Pieces, http, unframed
from tests.system.support import Exporter, free_port, get, wait_for
from timepoint.config import load_config
from timepoint.errors import ConfigError
from timepoint.exposition.publish import published_paths, read_published


@dataclass
class Vault:
    """Makes secrets, all different, and knows them again: their beginnings and ends, as they are and encoded."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)
    secrets: list[str] = field(default_factory=list)

    def literal(self, tail: str = "") -> str:
        """A secret that stands in the config itself."""
        number = len(self.secrets)
        secret = base64.b32encode(bytes((number * 7 + i * 37) % 256 for i in range(20))).decode()[:30] + tail
        self.secrets.append(secret)
        return secret

    def variable(self, tail: str = "") -> str:
        """A secret in the environment; what stands in the config."""
        name = f"CANARY_{len(self.secrets)}"
        self.environ[name] = self.literal(tail)
        return f"${{{name}}}"

    def file(self) -> str:
        """A secret in a file; what stands in the config."""
        path = self.folder / f"secret-{len(self.secrets)}"
        path.write_text(self.literal() + "\n")
        return str(path)

    def found_in(self, output: str | bytes) -> list[str]:
        """The secrets of which ten characters are there, from the begin or up to the end."""
        data = output.encode("utf-8", "surrogatepass") if isinstance(output, str) else output
        low = data.lower()
        return [secret for secret in self.secrets if any(part.lower() in low for part in _parts(secret))]


def _parts(secret: str) -> set[bytes]:
    # Ten of its own: of what they become when they are written in a URL or in JSON, ten may be three, the same of each.
    ends = (secret[:10], secret[-10:])
    parts = {form.encode() for end in ends for form in (end, quote(end, safe=""), json.dumps(end)[1:-1])}
    return parts | {base64.b64encode(secret[i:24].encode())[2:14] for i in range(3)}


DULL = ("host", "accept", "accept-encoding", "user-agent", "content-type", "content-length")
SHOWN = 60
"""How many characters of a found text a reject shows."""


def told(asked: Asked) -> list[str]:
    """Everything that a request said, piece by piece, as an API may echo it."""
    kind, _, credentials = asked.headers.get("authorization", "").partition(" ")
    path, _, query = asked.target.partition("?")
    body = asked.body.decode()
    is_json = body.startswith("{")
    texts = [value or name for name, value in parse_qsl(query, keep_blank_values=True)] + path.split("/")[1:-1]
    texts += [value for name, value in asked.headers.items() if name not in DULL] + [credentials]
    texts += list(map(str, json.loads(body).values())) if is_json else [value for _, value in parse_qsl(body)]
    if kind == "Basic":
        texts += base64.b64decode(credentials).decode().split(":", 1)
    return [text for text in (*texts, body, asked.target, unquote_plus(asked.target)) if text]


def of_rows(*rows: object) -> bytes:
    """A body with these rows, behind a good one."""
    return json.dumps({"rows": [{"pod": "good", "watts": 1}, *rows], "status": "ok"}).encode()


Echo = Callable[[list[str]], Pieces]

BEHAVIOURS: dict[str, Echo] = {
    "good": lambda _: http(of_rows()),
    "refuse": lambda texts: http("\n".join(texts).encode(), status=f"401 {texts[0]}"),
    "fail": lambda texts: http("\n".join(texts).encode(), status=f"500 {texts[0]}"),
    "header": lambda texts: http(of_rows(), extra=f"X-Echo: {quote(texts[0])}\r\nX-Raw: {texts[0]}\r\n"),
    "redirect": lambda texts: http(
        b"", status="302 Found", extra=f"Location: http://{texts[0]}.invalid/{texts[0]}\r\n"
    ),
    "around": lambda texts: http(b"", status="307 Found", extra=f"Location: /{quote(texts[0])}/around\r\n"),
    "value": lambda texts: http(of_rows(*({"pod": "odd", "watts": text} for text in texts))),
    "cut": lambda texts: http(of_rows(*({"pod": "odd", "watts": "." * (SHOWN - 11) + text} for text in texts))),
    "time": lambda texts: http(of_rows(*({"pod": "odd", "watts": 1, "at": text} for text in texts))),
    "key": lambda texts: http(of_rows(*({"pod": "odd", "watts": {text: {text: 1}}} for text in texts))),
    "twice": lambda texts: http(
        of_rows(*texts).replace(b'"ok"', b'"ok", "x": {"K": 1, "K": 1}'.replace(b"K", _key(texts)))
    ),
    "text": lambda texts: http("\n".join(texts).encode()),
    "array": lambda texts: http(json.dumps(texts).encode()[:-1]),
    "alone": lambda texts: http(json.dumps(texts[0]).encode()),
    "status": lambda texts: http(json.dumps({"rows": [], "status": texts[0]}).encode()),
    "kind": lambda texts: http(b"{}", kind=f"text/{texts[0]}; charset={texts[0]}"),
    "coding": lambda texts: http(b"{}", extra=f"Content-Encoding: {texts[0]}\r\n"),
    "broken": lambda texts: unframed(["\n".join(texts).encode()], extra="Content-Length: 100000\r\n"),
    "garbage": lambda texts: ["\n".join(texts).encode()],
}
"""What the API does with what it was told, by the last part of the path."""


def _key(texts: list[str]) -> bytes:
    return json.dumps(texts[0])[1:-1].encode()


def behave(asked: Asked, api: HostileApi) -> Pieces:
    """Echoes what it was told; each time another text comes first."""
    texts = told(asked)
    behaviour = asked.path.rpartition("/")[2]
    if behaviour == "hang":
        api.ended.wait(60)
        return ()
    first = len(api.asked[asked.path]) % len(texts)
    return BEHAVIOURS[behaviour](texts[first:] + texts[:first])


NASTY = ' /+&=%"é{'
BASES = ("basic", "bearer", "files", "headers", "plain", "proxied")
TLS, NOBODY = "tls", "nobody"


def sources(vault: Vault, url: str) -> dict[str, Any]:
    """Sources with a secret in each place where one may stand."""
    variable, file, literal = vault.variable, vault.file, vault.literal
    found = {
        "basic": {
            "url": f"{url}/{variable()}?key={variable()}",
            "basic_auth": {"username": variable(), "password": variable(NASTY)},
        },
        "bearer": {
            "url": url,
            "authorization": {"credentials": variable()},
            "http_headers": {"X-Key": {"secrets": [variable()]}},
        },
        "files": {
            "url": url,
            "basic_auth": {"username_file": file(), "password_file": file()},
            "http_headers": {"X-Key": {"files": [file()]}},
        },
        "headers": {
            "url": f"{url}?{variable()}",
            "authorization": {"type": "Token", "credentials_file": file()},
            "http_headers": {"X-Value": {"values": [variable()]}},
        },
        "plain": {
            "url": f"{url}?key={literal()}",
            "basic_auth": {"username": literal(), "password": literal()},
            "http_headers": {"X-Key": {"secrets": [literal()]}},
        },
        TLS: {"url": f"{url.replace('http', 'https')}/{variable()}", "authorization": {"credentials": variable()}},
        NOBODY: {
            "url": f"http://127.0.0.1:{free_port()}/{variable()}",
            "authorization": {"credentials": variable()},
            "http_headers": {"X-Key": {"files": [variable()]}},  # a secret where the name of its file belongs
        },
        "proxied": {
            "url": f"http://api.invalid/{variable()}?key={variable()}",
            "authorization": {"credentials": variable()},
            "proxy_url": url,
        },
    }
    return {name: {"attempts": 1, **source} for name, source in found.items()}


def requests(vault: Vault) -> dict[str, Any]:
    """The request that goes with each source; it ends in BEHAVIOUR."""
    variable, file, literal = vault.variable, vault.file, vault.literal
    moment = "{window.start:unix}"
    return {
        "basic": {
            "get": f"/{variable()}/BEHAVIOUR",
            "params": {"key": variable(NASTY), "mixed": f"{variable()}-{moment}"},
        },
        "bearer": {
            "post": f"/BEHAVIOUR?inline={variable()}",
            "json": {"auth": {"key": [variable(NASTY)]}, "key": variable()},
        },
        "files": {
            "post": "/BEHAVIOUR",
            "form": {"key": variable(NASTY)},
            "http_headers": {"X-Request": {"files": [file()]}, "X-Other": {"secrets": [variable()]}},
        },
        "headers": {"get": "/BEHAVIOUR", "http_headers": {"X-Mixed": {"values": [f"{variable()}-{moment}"]}}},
        "plain": {"post": "/BEHAVIOUR", "params": {"api_key": literal()}, "json": {"token": literal()}},
        TLS: {"get": "/BEHAVIOUR"},
        NOBODY: {"get": "/BEHAVIOUR"},
        "proxied": {"get": "/BEHAVIOUR"},
    }


def config_of(vault: Vault, url: str) -> str:
    """One job for each source and behaviour, as JSON, which is YAML."""
    jobs = {}
    for name, request in requests(vault).items():
        for behaviour in (*BEHAVIOURS, "hang") if name not in (TLS, NOBODY) else ("good",):
            jobs[f"{name}_{behaviour}"] = {
                "source": name,
                "every": "1s",
                "timeout": "1s" if behaviour == "hang" else "1h",
                "request": json.loads(json.dumps(request).replace("BEHAVIOUR", behaviour)),
                "expect": {"equal": {"$.status": "ok"}},
                "rows": {"row": "$.rows[*]"},
                "labels": {"pod": "$row.pod", "case": f"{name}_{behaviour}"},
                "max_age": "1h",
                "metrics": {
                    "canary_watts": {"type": "gauge", "help": "Power.", "value": "$row.watts", "time": "$row.at"},
                    "canary_now_watts": {"type": "gauge", "help": "Power.", "value": "$row.watts"},
                },
            }
    return json.dumps({"sources": sources(vault, url), "jobs": jobs}, indent=1)


def timepoint(vault: Vault, *arguments: object) -> str:
    """What a command prints, on both streams."""
    command = [sys.executable, "-m", "timepoint", *map(str, arguments)]
    environ = {**os.environ, **vault.environ}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=600, check=False)
    return done.stdout + done.stderr


def kept_files(directory: Path) -> bytes:
    """All bytes in a data directory, and the published files as they are read."""
    files = [path for path in sorted(directory.rglob("*")) if path.is_file()]
    statuses = [repr(read_published(path)) for path in published_paths(directory / "published")]
    return b"\n".join([*(path.read_bytes() for path in files), *(status.encode() for status in statuses)])


def command_lines() -> str:
    """The command line of every process."""
    lines = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            lines += process.cmdline()
    return "\n".join(lines)


RUNS = 4
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
PAGES = ("/", "/metrics", "/-/healthy", "/-/ready", "/nowhere")


Seen = tuple[Vault, dict[str, bytes | str], HostileApi]


@pytest.fixture(scope="module")
def seen_by_all(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """Everything that could be seen of an exporter whose API echoes all that it is told."""
    directory = tmp_path_factory.mktemp("secrets")
    vault = Vault(directory)
    api = HostileApi(otherwise=lambda asked: behave(asked, api))
    seen: dict[str, bytes | str] = {}
    with api.running():
        config = directory / "config.yaml"
        config.write_text(config_of(vault, api.url))
        enough_of = {"json": RUNS * len(BEHAVIOURS) * len(BASES), "logfmt": 2 * RUNS * len(BEHAVIOURS) * len(BASES)}
        for format_, enough in enough_of.items():
            options = ["--log.level=debug", f"--log.format={format_}"]
            exporter = Exporter(config, directory / format_ / "data", vault.environ, options)
            exporter.data_dir.parent.mkdir()
            exporter.start(wait=False)
            try:
                wait_for("all jobs to have run", exporter.ready)
                wait_for("all texts to be echoed", partial(api.has_answered, enough))
                wait_for("data", lambda url=exporter.url: b"canary_now_watts{" in get(f"{url}/metrics")[1])  # type: ignore[misc]
                wait_for("a text that is none", lambda log=exporter.log_path: b"not_a_document" in log.read_bytes())  # type: ignore[misc]
                for page in PAGES:
                    seen[f"{format_} {page}"] = get(exporter.url + page)[1]
                seen[f"{format_} openmetrics"] = get(f"{exporter.url}/metrics", {"Accept": OPENMETRICS})[1]
                seen[f"{format_} command lines"] = command_lines()
                exporter.stop()
            finally:
                assert exporter.process is not None
                if exporter.process.poll() is None:
                    exporter.kill()
            seen[f"{format_} log"] = exporter.log_path.read_bytes()
            seen[f"{format_} files"] = kept_files(exporter.data_dir)
        seen["check"] = timepoint(vault, "check", config)
        for name in ("basic_value", "files_cut", "plain_text", "bearer_status", "headers_refuse"):
            seen[f"preview {name}"] = timepoint(vault, "preview", config, "--job", name)
        seen["poll --once"] = timepoint(
            vault, "poll", "--once", config, "--data-dir", directory / "once", "--log.level=debug"
        )
        seen["schema"] = timepoint(vault, "schema")
    return vault, seen, api


@pytest.mark.system
def test_the_api_was_told_the_secrets(seen_by_all: Seen) -> None:
    """What is looked for was sent, in clear text or for Basic, and the API has echoed it."""
    vault, _, api = seen_by_all
    told_all = "\n".join(text for asked in api.asked.values() for request in asked for text in told(request))
    assert len(vault.secrets) >= 30
    assert len(vault.found_in(told_all)) >= 30


@pytest.mark.system
def test_no_secret_is_shown_or_kept(seen_by_all: Seen) -> None:
    """Neither a log, a page, a file, a process list nor a command's output has ten characters of a secret.

    Faults: A18, A33.
    """
    vault, outputs, _ = seen_by_all
    found = {name: vault.found_in(output) for name, output in outputs.items()}
    assert {name: secrets for name, secrets in found.items() if secrets} == {}


@pytest.mark.system
def test_the_outputs_are_there(seen_by_all: Seen) -> None:
    """The outputs that are searched are those that are meant, not errors about something else."""
    _, outputs, _ = seen_by_all
    texts = {name: text if isinstance(text, str) else text.decode(errors="replace") for name, text in outputs.items()}
    for format_ in ("json", "logfmt"):
        assert "canary_now_watts{" in texts[f"{format_} /metrics"]
        assert "not_a_document" in texts[f"{format_} log"]
        assert "basic_value" in texts[f"{format_} /"]
        assert "SQLite" in texts[f"{format_} files"]
    assert "rejected: " in texts["preview basic_value"]
    assert "jobs, 8 sources" in texts["check"]


def _wrong(secret: str) -> dict[str, dict[str, Any]]:
    """Changes of a source or of a request that put a secret where it cannot be."""
    return {
        "user and password in the URL": {"url": f"https://{secret}:{secret}@api.example"},
        "a URL that is none": {"url": secret},
        "a URL with a bad port": {"url": f"https://api.example:{secret}/"},
        "a URL with a fragment": {"url": f"https://api.example/#{secret}"},
        "a host that is none": {"url": f"https://{secret}..example/"},
        "a proxy with a password": {"proxy_url": f"http://{secret}:{secret}@proxy.example:1"},
        "a proxy that is none": {"proxy_url": secret},
        "a duration": {"timeout": secret},
        "a number": {"attempts": secret},
        "a size": {"max_body": secret},
        "a file that is not there": {"basic_auth": {"username": "u", "password_file": secret}},
        "a user name with a colon": {"basic_auth": {"username": f"{secret}:", "password": secret}},
        "a line break": {"authorization": {"credentials": f"{secret}\nX: y"}},
        "a scheme": {"authorization": {"type": f"a {secret}", "credentials": secret}},
        "a list for a text": {"authorization": {"credentials": [secret]}},
        "two ways at once": {"authorization": {"credentials": secret, "credentials_file": secret}},
        "two schemes at once": {"authorization": {"credentials": secret}, "basic_auth": {"username": secret}},
        "several values": {"http_headers": {"X-Key": {"secrets": [secret, secret]}}},
        "a header as text": {"http_headers": {"X-Key": secret}},
        "a key that nobody knows": {"bearer": secret},
        "a boolean": {"tls_config": {"insecure_skip_verify": secret}},
    }


def _wrong_requests(secret: str) -> dict[str, dict[str, Any]]:
    return {
        "an unknown template": {"get": "/", "params": {"key": f"{secret}{{window}}"}},
        "an open brace": {"post": "/", "json": {"key": f"{{{secret}"}},
        "a template in a form": {"post": "/", "form": {"key": f"{{{secret}}}"}},
        "a body of a GET": {"get": "/", "json": {"key": secret}},
        "a zone": {"get": "/", "timezone": secret},
        "a decoder": {"get": "/", "decode": secret},
        "two methods": {"get": f"/{secret}", "post": f"/{secret}"},
        "two bodies": {"post": "/", "json": {"key": secret}, "form": {"key": secret}},
        "an absolute path": {"get": f"https://{secret}/"},
    }


@pytest.mark.parametrize("place", [*_wrong(""), *_wrong_requests("")])
def test_no_secret_in_the_mistakes_of_a_config(place: str, tmp_path: Path) -> None:
    """What came from the environment is in no complaint about the place where it stands (A18)."""
    vault = Vault(tmp_path)
    written = vault.variable()
    config = tmp_path / "config.yaml"
    source = {"url": "https://api.example", **_wrong(written).get(place, {})}
    job = {
        "source": "api",
        "every": "1m",
        "request": _wrong_requests(written).get(place, {"get": "/"}),
        "metrics": {"x_watts": {"type": "gauge", "help": "Power.", "value": "$.x"}},
    }
    config.write_text(json.dumps({"sources": {"api": source}, "jobs": {"j": job}}))
    shown = []
    try:
        loaded = load_config(config, vault.environ)
        shown += [*map(str, loaded.warnings), repr(loaded)]
    except ConfigError as error:
        shown += [str(error), repr(error), "".join(traceback.format_exception(error)), repr(error.__context__)]
    assert vault.found_in("\n".join(shown)) == []
