from __future__ import annotations

import socket

import pytest

from timepoint.errors import ListenError
from timepoint.server.listening import ListenAddress, bound_address, listen, parse_listen_address


@pytest.mark.parametrize(
    ("text", "address", "url"),
    [
        ("0.0.0.0:8080", ListenAddress("0.0.0.0", 8080), "http://localhost:8080"),
        (":8080", ListenAddress("", 8080), "http://localhost:8080"),
        ("[::1]:9090", ListenAddress("::1", 9090), "http://[::1]:9090"),
        ("[::]:9090", ListenAddress("::", 9090), "http://localhost:9090"),
        ("metrics.internal:80", ListenAddress("metrics.internal", 80), "http://metrics.internal:80"),
    ],
)
def test_addresses_are_read_as_exporters_write_them(text: str, address: ListenAddress, url: str) -> None:
    """Each notation gives host and port, and an address that a browser on this machine can open."""
    assert parse_listen_address(text) == address
    assert address.url == url


@pytest.mark.parametrize("text", ["8080", "localhost", "::1:8080", "host:port", "host:99999", "http://host:80", ""])
def test_what_is_no_address_is_refused_with_a_sentence(text: str) -> None:
    """The sentence shows what was written."""
    with pytest.raises(ValueError, match=r"is not an address|there is no port"):
        parse_listen_address(text)


def test_a_taken_port_is_named_with_what_to_do() -> None:
    """The error says which port, that another program has it, and offers a way out."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(ListenError, match=rf"port {port} is taken.*--web\.listen-address 127\.0\.0\.1:{port + 1}"):
            listen(ListenAddress("127.0.0.1", port))


def test_a_foreign_address_is_refused() -> None:
    """An address of another machine cannot be listened on, and the error says that plainly."""
    with pytest.raises(ListenError, match=r"192\.0\.2\.1 is not an address of this machine"):
        listen(ListenAddress("192.0.2.1", 0))


def test_port_zero_tells_the_port_that_the_system_chose() -> None:
    """The address of the socket is the one that a client can use."""
    address = ListenAddress("127.0.0.1", 0)
    with listen(address) as sock:
        bound = bound_address(address, sock)

        with socket.create_connection((bound.host, bound.port), timeout=60):
            assert bound.port > 0


def test_an_empty_host_listens_on_ipv4_too() -> None:
    """``:PORT`` is every address, as in Go: a client of IPv4 reaches it."""
    with (
        listen(ListenAddress("", 0)) as sock,
        socket.create_connection(("127.0.0.1", sock.getsockname()[1]), timeout=60) as client,
    ):
        assert client.getpeername()[1] == sock.getsockname()[1]
