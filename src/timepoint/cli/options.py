"""Arguments and options that several commands share, and how their texts are read.

Owns: the names, defaults and help of shared options; the types that turn a text into milliseconds or an address.
Must not know: what a command does with them.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
from click.core import ParameterSource

from timepoint.cli.choosing import count_of
from timepoint.cli.exits import EXIT_FAILED, EXIT_IN_USE, EXIT_USAGE
from timepoint.clock import SECOND, parse_duration
from timepoint.errors import ConfigError, InUseError, TimepointError
from timepoint.model import LABEL_NAME
from timepoint.server.listening import Address, ListenAddress, UnixAddress, parse_listen_address

if TYPE_CHECKING:
    from timepoint.config import Config
    from timepoint.server.web.spec import WebSource

_EPOCH_DIGITS = 10


class DurationType(click.ParamType[int]):
    """Prometheus' notation of a duration; milliseconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            return parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class InstantType(click.ParamType[int]):
    """RFC 3339, or seconds since the epoch; milliseconds. Without an offset it is UTC."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        if value.isascii() and value.isdigit() and len(value) == _EPOCH_DIGITS:
            return int(value) * 1000
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a time: write it like 2025-01-31T12:00:00Z or 1738324800", param, ctx)
        aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return round(aware.timestamp() * 1000)


class LabelType(click.ParamType[tuple[str, str]]):
    """``name=value``."""

    name = "label"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        name, equals, text = value.partition("=")
        if not equals or not text or not LABEL_NAME.fullmatch(name) or name.startswith("__"):
            self.fail(f"{value!r} is no label: write it like instance=exporter:8080", param, ctx)
        return name, text


class AddressType(click.ParamType[Address]):
    """An address to listen on, or the file of a socket."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        if isinstance(value, ListenAddress | UnixAddress):
            return value
        try:
            return parse_listen_address(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class PortType(AddressType):
    """An address with a port."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> ListenAddress:
        address = super().convert(value, param, ctx)
        if isinstance(address, UnixAddress):
            self.fail(f"{value!r} is a file: write an address such as 127.0.0.1:8080", param, ctx)
        return address


class TelemetryPathType(click.ParamType[str]):
    """The path of the page: absolute, and none of the paths that have another meaning."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not value.startswith("/") or "?" in value or "#" in value:
            self.fail(f"{value!r} is not a path: write it like /metrics", param, ctx)
        if value.startswith("/-/"):
            self.fail(f"{value!r}: paths below /-/ are for health and readiness", param, ctx)
        return str(value)


Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

config_argument: Decorator = click.argument(
    "config", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="CONFIG"
)

data_dir_option: Decorator = click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default="./timepoint-data",
    show_default=True,
    help="Where the ledger and the published snapshots live.",
)


def log_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--log.level`` and ``--log.format``, named as exporters name them."""
    level = click.option(
        "--log.level",
        "log_level",
        type=click.Choice(["debug", "info", "warning", "error"]),
        default="info",
        show_default=True,
        help="The least level that is logged, on standard error.",
    )
    format_ = click.option(
        "--log.format",
        "log_format",
        type=click.Choice(["logfmt", "json"]),
        default="logfmt",
        show_default=True,
        help="How a log line is written.",
    )
    return level(format_(command))


@dataclass(frozen=True, slots=True)
class WebOptions:
    """What the options of ``web_options`` say."""

    addresses: tuple[Address, ...]
    systemd: bool
    telemetry_path: str
    config_file: Path | None
    status_pages: bool = True

    def source(self) -> WebSource | None:
        """The web config, if there is one; the end of the command if it cannot be used."""
        if self.config_file is None:
            return None
        from timepoint.webconfig import web_source

        try:
            return web_source(self.config_file)
        except ConfigError as error:
            end_with_problems(error, self.config_file)


def web_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--web.listen-address`` and its relatives, named as exporters name them; given as ``web``, a WebOptions."""

    @functools.wraps(command)
    def gathered(
        *,
        listen_address: tuple[Address, ...],
        systemd_socket: bool,
        telemetry_path: str,
        web_config_file: Path | None,
        status_pages: bool,
        **others: Any,
    ) -> Any:
        chosen = click.get_current_context().get_parameter_source("listen_address")
        if systemd_socket and chosen is not ParameterSource.DEFAULT:
            raise click.UsageError("--web.systemd-socket listens where its .socket unit says: leave out one of the two")
        web = WebOptions(listen_address, systemd_socket, telemetry_path, web_config_file, status_pages)
        return command(web=web, **others)

    return _address_option(_systemd_option(web_config_option(_path_option(_pages_option(gathered)))))


_address_option: Decorator = click.option(
    "--web.listen-address",
    "listen_address",
    type=AddressType(),
    default=("0.0.0.0:8080",),
    multiple=True,
    show_default=True,
    metavar="ADDRESS",
    help="Where to listen: HOST:PORT, :8080 (every address), [::1]:8080 or unix:///run/timepoint.sock?mode=0660. "
    "May be given again.",
)

_systemd_option: Decorator = click.option(
    "--web.systemd-socket",
    "systemd_socket",
    is_flag=True,
    help="Listen on the sockets that systemd passes, instead of --web.listen-address.",
)

_path_option: Decorator = click.option(
    "--web.telemetry-path",
    "telemetry_path",
    type=TelemetryPathType(),
    default="/metrics",
    show_default=True,
    metavar="PATH",
    help="The path of the metrics.",
)

_pages_option: Decorator = click.option(
    "--web.status-pages/--no-web.status-pages",
    "status_pages",
    default=True,
    show_default=True,
    help="Pages for people: jobs, runs, series, receivers, the config without credentials. "
    "The list of jobs at / is always there.",
)

web_config_option: Decorator = click.option(
    "--web.config.file",
    "web_config_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="TLS, users and headers, in the format of Prometheus' exporter-toolkit.",
)

ready_option: Decorator = click.option(
    "--ready-requires",
    type=click.Choice(["run", "fresh"]),
    default="run",
    show_default=True,
    help="When /-/ready says 200: each job has ended a first run, or besides every metric is fresh.",
)


def _patient(_ctx: click.Context, _param: click.Parameter, value: int) -> int:
    if 0 < value < SECOND:
        raise click.BadParameter("a process that works may be silent for a second: give it one at least, or 0s")
    return value


hang_option: Decorator = click.option(
    "--hang-deadline",
    type=DurationType(),
    callback=_patient,
    default="1m",
    show_default=True,
    metavar="DURATION",
    help="A process that gives no sign of life for so long is started again; 0s: never.",
)


@contextlib.contextmanager
def told_plainly() -> Iterator[None]:
    """Turns an error that a person can act on into one line and an exit code, without a traceback."""
    try:
        yield
    except InUseError as error:
        click.echo(str(error), err=True)
        raise SystemExit(EXIT_IN_USE) from None
    except TimepointError as error:
        click.echo(str(error), err=True)
        raise SystemExit(EXIT_FAILED) from None


def load_offline(path: Path) -> Config:
    """As ``load``, for a command that asks no API: variables that are not set are no reason to refuse it."""
    from timepoint.config import load_config
    from timepoint.config.environ import EverySet

    for placeholder in ("unset", "https://unset.invalid", "1"):  # a URL, or a number, may be a variable as a whole
        with contextlib.suppress(ConfigError):
            return load_config(path, EverySet(os.environ, placeholder))
    return load(path)


def load(path: Path) -> Config:
    """The config, or the end of the command with every problem on standard error."""
    from timepoint.config import load_config

    try:
        config = load_config(path, os.environ)
    except ConfigError as error:
        end_with_problems(error, path)
    for warning in config.warnings:
        click.echo(f"warning: {warning}", err=True)
    return config


def end_with_problems(error: ConfigError, path: Path) -> NoReturn:
    """Every problem of a file on standard error, and the end of the command."""
    for problem in error.problems:
        click.echo(str(problem), err=True)
    click.echo(f"{count_of(len(error.problems), 'problem')} in {path}; nothing was started.", err=True)
    raise SystemExit(EXIT_USAGE) from None
