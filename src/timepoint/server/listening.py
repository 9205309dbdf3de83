"""The addresses to listen on, and the sockets for them.

Owns: the notation of ``--web.listen-address`` (exporter-toolkit's, and socket files), binding, the sockets that systemd
passes, and what to tell a person when that fails. Must not know: what is served.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import socket
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from timepoint.errors import ListenError

_ADDRESS = re.compile(r"(?:\[(?P<six>[^\[\]]*)\]|(?P<host>[^:\[\]]*)):(?P<port>[0-9]{1,5})")
_LAST_PORT = 65535
_UNIX = re.compile(r"unix:(?://)?(?P<path>/[^/?\0][^?\0]*)(?:\?mode=(?P<mode>0?[0-7]{3}))?")
_UNIX_PATH = 100  # bytes; the kernel takes 107 on Linux and 103 elsewhere
_SYSTEMD_FIRST = 3
_ANY_HOST = ("", "0.0.0.0", "::")  # noqa: S104 - recognised here, chosen by the operator


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where to listen. An empty host is every address, of IPv6 too where the system has it."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The address for a browser on this machine."""
        return self.url_of("http")

    def url_of(self, scheme: str) -> str:
        """The same with ``https``, for instance."""
        host = "localhost" if self.host in _ANY_HOST else f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port}"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """A socket file. ``mode`` says who may connect: that takes the right to write."""

    path: Path
    mode: int = 0o660

    def __str__(self) -> str:
        return f"unix://{self.path}"


Address = ListenAddress | UnixAddress


def parse_listen_address(text: str) -> Address:
    """Reads ``0.0.0.0:8080``, ``:8080``, ``[::1]:8080`` or ``unix:///run/a.sock?mode=0660``.

    Raises ValueError with a sentence.
    """
    if text.startswith("unix:"):
        return _parse_unix(text)
    match = _ADDRESS.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not an address: write it like 0.0.0.0:8080, :8080, localhost:8080 or [::1]:8080")
    port = int(match["port"])
    if port > _LAST_PORT:
        raise ValueError(f"{text!r}: there is no port {port}, the largest is {_LAST_PORT}")
    return ListenAddress(match["six"] or match["host"] or "", port)


def _parse_unix(text: str) -> UnixAddress:
    match = _UNIX.fullmatch(text)
    if match is None or Path(match["path"]).name in ("", ".."):
        raise ValueError(f"{text!r} is not an address: write it like unix:///run/timepoint.sock?mode=0660")
    if len(os.fsencode(match["path"])) > _UNIX_PATH:
        raise ValueError(f"{text!r}: the path of a socket has at most {_UNIX_PATH} bytes")
    return UnixAddress(Path(match["path"]), int(match["mode"], 8) if match["mode"] else 0o660)


@contextlib.contextmanager
def listening(addresses: Sequence[Address]) -> Iterator[list[tuple[Address, socket.socket]]]:
    """Sockets that listen on all of the addresses, each with what it is bound to; socket files go at the end.

    Raises ListenError. Must be called while the process has one thread: a socket file is made under a umask.
    """
    with contextlib.ExitStack() as stack:
        bound: list[tuple[Address, socket.socket]] = []
        for address in addresses:
            sock = stack.enter_context(listen(address))
            if isinstance(address, UnixAddress):
                stack.callback(_remove, address.path, address.path.stat().st_ino)
                bound.append((address, sock))
            else:
                bound.append((bound_address(address, sock), sock))
        yield bound


def listen(address: Address) -> socket.socket:
    """A socket that listens on the address. Raises ListenError."""
    try:
        return _bind_unix(address) if isinstance(address, UnixAddress) else _bind(address)
    except socket.gaierror as error:
        host = address.host if isinstance(address, ListenAddress) else ""
        raise ListenError(
            f"cannot listen on {address}: the host {host!r} has no address here ({error.strerror}); "
            "give --web.listen-address an address of this machine"
        ) from error
    except OSError as error:
        advice = _advice(error, address) if isinstance(address, ListenAddress) else _unix_advice(error, address)
        raise ListenError(f"cannot listen on {address}: {advice}") from error


def bound_address(address: ListenAddress, sock: socket.socket) -> ListenAddress:
    """The address with the port that the system chose, for port 0."""
    return ListenAddress(address.host, sock.getsockname()[1])


def systemd_sockets(environ: Mapping[str, str], pid: int) -> list[tuple[Address, socket.socket]]:
    """The sockets that systemd listens on for this process. Raises ListenError if there are none that can be used.

    Source: sd_listen_fds(3).
    """
    count = environ.get("LISTEN_FDS", "")
    if environ.get("LISTEN_PID") != str(pid) or not count.isdecimal() or count == "0":
        raise ListenError(
            "--web.systemd-socket: systemd has passed no socket to this process; "
            "start it by a .socket unit, or leave the option out"
        )
    found: list[tuple[Address, socket.socket]] = []
    for fd in range(_SYSTEMD_FIRST, _SYSTEMD_FIRST + int(count)):
        try:
            sock = socket.socket(fileno=fd)
            is_usable = sock.type == socket.SOCK_STREAM and sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        except OSError as error:
            raise ListenError(f"--web.systemd-socket: descriptor {fd} is no socket ({error.strerror})") from error
        if not is_usable:
            raise ListenError(f"--web.systemd-socket: descriptor {fd} does not listen: write ListenStream=, Accept=no")
        sock.set_inheritable(False)
        found.append((_address_of(sock), sock))
    return found


def _address_of(sock: socket.socket) -> Address:
    name = sock.getsockname()
    return (
        ListenAddress(str(name[0]), int(name[1])) if isinstance(name, tuple) else UnixAddress(Path(os.fsdecode(name)))
    )


def _bind_unix(address: UnixAddress) -> socket.socket:
    """A file that nobody listens on any more makes way; anything else in its place stays."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(address.path.lstat().st_mode):
            raise FileExistsError(errno.EEXIST, "there is a file that is no socket")
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(address.path))
            except ConnectionRefusedError:
                address.path.unlink()
            else:
                raise OSError(errno.EADDRINUSE, "in use")
    sock = socket.socket(socket.AF_UNIX)
    before = os.umask(0o777 & ~address.mode)
    try:
        sock.bind(str(address.path))
        sock.listen(socket.SOMAXCONN)
    except BaseException:
        sock.close()
        raise
    finally:
        os.umask(before)
    return sock


def _remove(path: Path, inode: int) -> None:
    """Takes the socket file away, unless another program has put its own there since."""
    with contextlib.suppress(OSError):
        if path.lstat().st_ino == inode:
            path.unlink()


def _unix_advice(error: OSError, address: UnixAddress) -> str:
    if error.errno == errno.EADDRINUSE:
        return "another program listens there; end it (ss -lxp shows it) or choose another file"
    if error.errno == errno.EEXIST:
        return "there is a file that is no socket; choose another name"
    if error.errno == errno.ENOENT:
        return f"there is no directory {address.path.parent}; make it, owned by this user"
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return f"this user may not make a file in {address.path.parent}"
    return str(error.strerror or error)


def _bind(address: ListenAddress) -> socket.socket:
    if not address.host:
        if socket.has_dualstack_ipv6():
            try:
                return socket.create_server(
                    ("", address.port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=socket.SOMAXCONN
                )
            except OSError as error:
                if error.errno != errno.EADDRNOTAVAIL:  # IPv6 is compiled in, but switched off
                    raise
        return socket.create_server(("", address.port), backlog=socket.SOMAXCONN)
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, target = found[0]
    return socket.create_server((str(target[0]), address.port), family=family, backlog=socket.SOMAXCONN)


def _advice(error: OSError, address: ListenAddress) -> str:
    if error.errno == errno.EADDRINUSE:
        other = ListenAddress(address.host, address.port % _LAST_PORT + 1)
        return (
            f"port {address.port} is taken by another program; end that program (ss -ltnp shows it) "
            f"or choose another port, for instance --web.listen-address {other}"
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return "this user may not use that port; choose one from 1024 on"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{address.host} is not an address of this machine"
    return str(error.strerror or error)
