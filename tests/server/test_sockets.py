"""More than one address, socket files, and sockets that systemd passes."""

from __future__ import annotations

import base64
import os
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest
from click.testing import CliRunner

from tests.cli.support import CONFIG
from tests.server.support import publish_job
from tests.server.web.certificates import Authority, client_context
from timepoint.cli.main import main
from timepoint.errors import ListenError
from timepoint.server.listening import (
    Address,
    ListenAddress,
    UnixAddress,
    listen,
    listening,
    parse_listen_address,
    systemd_sockets,
)


@pytest.fixture
def short() -> Iterator[Path]:
    """A directory with a short name: the path of a socket has a hundred bytes."""
    with tempfile.TemporaryDirectory(prefix="tp") as name:
        yield Path(name)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("unix:///run/a.sock", UnixAddress(Path("/run/a.sock"), 0o660)),
        ("unix:/run/a.sock", UnixAddress(Path("/run/a.sock"), 0o660)),
        ("unix:///run/a.sock?mode=0600", UnixAddress(Path("/run/a.sock"), 0o600)),
        ("unix:///run/a.sock?mode=666", UnixAddress(Path("/run/a.sock"), 0o666)),
    ],
)
def test_the_file_of_a_socket_is_written_as_a_url(text: str, address: UnixAddress) -> None:
    """With a mode, or for the user and its group."""
    assert parse_listen_address(text) == address


@pytest.mark.parametrize(
    "text", ["unix:", "unix://", "unix:a.sock", "unix:///a?mode=9", "unix:///a?x", "unix:///" + "a" * 200]
)
def test_what_is_no_file_of_a_socket_is_refused(text: str) -> None:
    """Relative paths, other parameters, and names that no kernel takes."""
    with pytest.raises(ValueError, match=r"is not an address|at most"):
        parse_listen_address(text)


def test_the_file_has_its_mode_and_goes_at_the_end(short: Path) -> None:
    """Nobody else can connect, not even for a moment, and nothing is left behind."""
    address = UnixAddress(short / "a.sock", 0o600)
    with listening([address]) as [(bound, _)]:
        assert bound == address
        assert stat.S_IMODE(address.path.stat().st_mode) == 0o600
    assert not address.path.exists()


def test_a_file_that_a_dead_program_left_makes_way(short: Path) -> None:
    """After a crash the next start listens at the same place."""
    address = UnixAddress(short / "a.sock")
    listen(address).close()
    assert address.path.exists()

    with listening([address]), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(address.path))


def test_a_file_of_another_kind_stays(short: Path) -> None:
    """A mistaken path costs nobody a file."""
    (short / "a").write_text("mine")

    with pytest.raises(ListenError, match="no socket; choose another name"):
        listen(UnixAddress(short / "a"))
    assert (short / "a").read_text() == "mine"


def test_a_socket_in_use_is_told(short: Path) -> None:
    """Another program that listens is not pushed aside."""
    address = UnixAddress(short / "a.sock")
    with listening([address]), pytest.raises(ListenError, match="another program listens there"):
        listen(address)


def test_a_missing_directory_is_told(short: Path) -> None:
    """The sentence names the directory."""
    with pytest.raises(ListenError, match=rf"there is no directory {short}/x"):
        listen(UnixAddress(short / "x" / "a.sock"))


def test_one_address_that_is_taken_closes_the_others(short: Path) -> None:
    """Nothing is half started."""
    unix = UnixAddress(short / "a.sock")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        addresses: list[Address] = [unix, ListenAddress("127.0.0.1", taken.getsockname()[1])]
        with pytest.raises(ListenError, match="is taken"), listening(addresses):
            pass
    assert not unix.path.exists()


@pytest.mark.parametrize(
    "environ", [{}, {"LISTEN_FDS": "1"}, {"LISTEN_FDS": "1", "LISTEN_PID": "7"}, {"LISTEN_FDS": "0", "LISTEN_PID": "5"}]
)
def test_without_sockets_of_systemd_it_is_told(environ: dict[str, str]) -> None:
    """None, or those of another process."""
    with pytest.raises(ListenError, match="has passed no socket"):
        systemd_sockets(environ, 5)


PARENT = """
import os, socket, sys
with socket.create_server(("127.0.0.1", 0)) as sock:
    print(sock.getsockname()[1], flush=True)
    os.dup2(sock.fileno(), 3)
    os.set_inheritable(3, True)
    os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
    os.execv(sys.executable, [sys.executable, "-m", "timepoint", *sys.argv[1:]])
"""


def ask(client: socket.socket) -> bytes:
    """The page, over a connected socket."""
    client.settimeout(60)
    client.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    parts = []
    while part := client.recv(65536):
        parts.append(part)
    return b"".join(parts)


@pytest.mark.system
def test_the_exporter_serves_on_a_socket_that_its_parent_passes(tmp_path: Path) -> None:
    """As systemd does it: descriptor 3 listens already when the program begins."""
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG)
    (tmp_path / "data" / "published").mkdir(parents=True)
    publish_job(tmp_path / "data" / "published", "pods")
    arguments = ["serve", str(config), f"--data-dir={tmp_path / 'data'}", "--web.systemd-socket"]
    program = [sys.executable, "-c", PARENT, *arguments]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, close_fds=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
                page = ask(client)
        finally:
            process.terminate()
            _, log = process.communicate(timeout=60)

    assert b" 200 OK" in page
    assert b"pods_watts" in page
    assert process.returncode == 0
    assert b"address=127.0.0.1:%d" % port in log


@pytest.mark.system
def test_the_exporter_serves_on_a_port_and_a_file(tmp_path: Path, short: Path) -> None:
    """Both addresses have the page; the file is gone when the exporter has ended."""
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG)
    (tmp_path / "data" / "published").mkdir(parents=True)
    publish_job(tmp_path / "data" / "published", "pods")
    file = short / "a.sock"
    addresses = ["--web.listen-address=127.0.0.1:0", f"--web.listen-address=unix://{file}"]
    arguments = ["serve", str(config), f"--data-dir={tmp_path / 'data'}", *addresses]
    program = [sys.executable, "-m", "timepoint", *arguments]
    with subprocess.Popen(program, stderr=subprocess.PIPE, text=True, env=dict(os.environ)) as process:
        assert process.stderr is not None
        ports = [line for line in (process.stderr.readline(), process.stderr.readline()) if "127.0.0.1" in line]
        port = int(ports[0].split("address=127.0.0.1:")[1].split()[0])
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=60) as by_port:
                pages = [ask(by_port)]
            with socket.socket(socket.AF_UNIX) as by_file:
                by_file.connect(str(file))
                pages.append(ask(by_file))
        finally:
            process.terminate()
            process.communicate(timeout=60)

    assert all(b"pods_watts" in page for page in pages)
    assert not file.exists()


@pytest.mark.system
def test_the_exporter_serves_over_tls_to_its_users_alone(tmp_path: Path) -> None:
    """The whole program with a web config: the log says https, a user gets the page, nobody else gets one."""
    authority = Authority(tmp_path)
    authority.issue("server")
    hashed = bcrypt.hashpw(b"good", bcrypt.gensalt(4)).decode()
    web = tmp_path / "web.yml"
    tls = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n"
    web.write_text(f"{tls}basic_auth_users:\n  prometheus: {hashed}\n")
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG)
    (tmp_path / "data" / "published").mkdir(parents=True)
    publish_job(tmp_path / "data" / "published", "pods")
    arguments = ["serve", str(config), f"--data-dir={tmp_path / 'data'}", f"--web.config.file={web}"]
    program = [sys.executable, "-m", "timepoint", *arguments, "--web.listen-address=127.0.0.1:0"]
    context = client_context(authority)
    with subprocess.Popen(program, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = next(line for line in process.stderr if "event=listening" in line)
        port = int(line.split("open=https://127.0.0.1:")[1].split("/")[0])
        request = b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: "
        pages = []
        try:
            for user in (b"prometheus:good", b"prometheus:bad"):
                plain = socket.create_connection(("127.0.0.1", port), timeout=60)
                with context.wrap_socket(plain, server_hostname="localhost") as client:
                    client.sendall(request + b"Basic " + base64.b64encode(user) + b"\r\n\r\n")
                    pages.append(b"".join(iter(lambda: client.recv(65536), b"")))
        finally:
            process.terminate()
            process.communicate(timeout=60)

    assert b"pods_watts" in pages[0]
    assert pages[1].startswith(b"HTTP/1.1 401 ")
    assert process.returncode == 0


def test_a_web_config_that_cannot_be_used_starts_nothing(tmp_path: Path) -> None:
    """The command ends with every problem of the file and exit code 2."""
    config, web = tmp_path / "config.yaml", tmp_path / "web.yml"
    config.write_text(CONFIG)
    web.write_text("basic_auth_users:\n  a: hunter2\ntls: {}\n")
    result = CliRunner().invoke(main, ["run", str(config), f"--web.config.file={web}"])

    assert result.exit_code == 2
    assert "web.yml:2:6: basic_auth_users.a: is not a bcrypt hash" in result.output
    assert "web.yml:3:1: tls: unknown key 'tls'" in result.output
    assert "2 problems" in result.output
    assert "hunter2" not in result.output


def test_check_looks_at_a_web_config_too(tmp_path: Path) -> None:
    """Its problems are told with those of the config, and its sum when there are none."""
    config, web = tmp_path / "config.yaml", tmp_path / "web.yml"
    config.write_text(CONFIG)
    web.write_text("tls: {}\n")
    bad = CliRunner().invoke(main, ["check", str(config), f"--web.config.file={web}"])
    web.write_text("")
    good = CliRunner().invoke(main, ["check", str(config), f"--web.config.file={web}"])

    assert (bad.exit_code, good.exit_code) == (2, 0)
    assert "unknown key 'tls'" in bad.output
    assert f"{web}: plain HTTP, 0 users" in good.output


def test_systemd_and_an_address_are_not_both_possible(tmp_path: Path) -> None:
    """One of them would be ignored, so that it is told."""
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG)
    result = CliRunner().invoke(main, ["run", str(config), "--web.systemd-socket", "--web.listen-address=:1"])

    assert result.exit_code == 2
    assert "leave out one of the two" in result.output


def test_plain_http_needs_neither_ssl_settings_nor_bcrypt() -> None:
    """What is not configured is not imported: a server without users knows no bcrypt."""
    code = "import sys, timepoint.launch, timepoint.cli.run; sys.exit('bcrypt' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
