"""``timepoint demo``: a realistic energy API and the exporter on it.

Owns: the options of the command, and the demo's life: its sockets, its config, its data directory.
Must not know: how the API or the exporter works.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from timepoint.cli.options import PortType, load, log_options, told_plainly
from timepoint.server.listening import ListenAddress


@click.command()
@click.option(
    "--web.listen-address",
    "address",
    type=PortType(),
    default="127.0.0.1:8080",
    show_default=True,
    metavar="HOST:PORT",
    help="Where the exporter listens.",
)
@click.option(
    "--api.listen-address",
    "api_address",
    type=PortType(),
    default="127.0.0.1:0",
    show_default=True,
    metavar="HOST:PORT",
    help="Where the energy API listens; port 0 takes a free one.",
)
@click.option("--api-only", is_flag=True, help="Start the API alone, to point a config of your own at it.")
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep the exporter's data here; without it the data go when the demo ends.",
)
@log_options
def demo(
    address: ListenAddress,
    api_address: ListenAddress,
    *,
    api_only: bool,
    data_dir: Path | None,
    log_level: str,
    log_format: str,
) -> None:
    """Show timepoint on an energy API that ships with it.

    The API knows the energy, CO2 and CPU of the pods of three clusters, for a time range alone. Pods come and go, a
    timepoint settles ten seconds late, one request in twenty fails and some answers hold an odd row. The exporter
    polls it every ten seconds.

    \b
    Examples:
      timepoint demo
      timepoint demo --web.listen-address 127.0.0.1:9100
      timepoint demo --api-only --api.listen-address 127.0.0.1:9000
    """  # noqa: D301 - \b is click's mark for a paragraph that is not to be wrapped
    from timepoint import log
    from timepoint.clock import HOUR
    from timepoint.demo.api import TOKEN, Habits
    from timepoint.demo.process import serve_api
    from timepoint.demo.world import World
    from timepoint.launch import LaunchSettings, launch
    from timepoint.server.listening import bound_address, listen
    from timepoint.supervisor import Child, supervise

    log.configure(log_level, log_format)
    with told_plainly(), listen(api_address) as sock, _data_directory(data_dir) as directory:
        url = f"{bound_address(api_address, sock).url}/api/v1"
        api = Child("energy-api", lambda: serve_api(sock, World(lifetime=HOUR), Habits()))
        _tell_api(url, TOKEN)
        if api_only:
            raise SystemExit(supervise([api]))
        with listen(address):
            pass  # a taken port is told before anything else is said
        os.environ.update(TIMEPOINT_DEMO_API=url, TIMEPOINT_DEMO_TOKEN=TOKEN)
        work = load(_config_file()).workload
        click.echo(
            f"\n  Open {address.url}/ for the jobs, {address.url}/metrics for the metrics. Ctrl-C ends the demo.\n"
        )
        raise SystemExit(launch(work, LaunchSettings(data_dir=directory, addresses=(address,)), beside=[api]))


def _config_file() -> Path:
    from timepoint import demo as package

    return Path(package.__file__).with_name("pod-energy.yaml")


def _tell_api(url: str, token: str) -> None:
    click.echo(
        "The energy API answers for a time range, for instance:\n"
        f"  curl -H 'Authorization: Bearer {token}' \\\n"
        f"       '{url}/pods?start=2026-01-01T00:00:00Z&end=2026-01-01T00:30:00Z&step=5m'"
    )


@contextmanager
def _data_directory(chosen: Path | None) -> Iterator[Path]:
    """The directory that was asked for, or one that goes with the demo."""
    if chosen is not None:
        yield chosen
        return
    with tempfile.TemporaryDirectory(prefix="timepoint-demo-") as directory:
        yield Path(directory) / "data"
