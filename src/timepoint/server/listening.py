"""The address to listen on, and the socket for it.

Owns: the notation of ``--web.listen-address`` (exporter-toolkit's), binding, and what to tell a person when that fails.
Must not know: what is served.
"""

from __future__ import annotations

import errno
import re
import socket
from dataclasses import dataclass

from timepoint.errors import ListenError

_ADDRESS = re.compile(r"(?:\[(?P<six>[^\]]*)\]|(?P<host>[^:\[\]]*)):(?P<port>[0-9]{1,5})")
_LAST_PORT = 65535
_ANY_HOST = ("", "0.0.0.0", "::")  # noqa: S104 - recognised here, chosen by the operator


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where to listen. An empty host is every address, of IPv6 too where the system has it."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The address for a browser on this machine."""
        host = "localhost" if self.host in _ANY_HOST else f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_listen_address(text: str) -> ListenAddress:
    """Reads ``0.0.0.0:8080``, ``:8080``, ``localhost:8080`` or ``[::1]:8080``; raises ValueError with a sentence."""
    match = _ADDRESS.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not an address: write it like 0.0.0.0:8080, :8080, localhost:8080 or [::1]:8080")
    port = int(match["port"])
    if port > _LAST_PORT:
        raise ValueError(f"{text!r}: there is no port {port}, the largest is {_LAST_PORT}")
    return ListenAddress(match["six"] or match["host"] or "", port)


def listen(address: ListenAddress) -> socket.socket:
    """A socket that listens on the address. Raises ListenError."""
    try:
        return _bind(address)
    except socket.gaierror as error:
        raise ListenError(
            f"cannot listen on {address}: the host {address.host!r} has no address here ({error.strerror}); "
            "give --web.listen-address an address of this machine"
        ) from error
    except OSError as error:
        raise ListenError(f"cannot listen on {address}: {_advice(error, address)}") from error


def bound_address(address: ListenAddress, sock: socket.socket) -> ListenAddress:
    """The address with the port that the system chose, for port 0."""
    return ListenAddress(address.host, sock.getsockname()[1])


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
