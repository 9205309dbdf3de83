"""The peer nginx: what one worker serves of a file that lies there compressed.

Owns: its config. Must not know: what is in the file.
"""

from __future__ import annotations

import getpass
import shutil
from pathlib import Path

from bench.processes import Program

_CONFIG = """\
{user}
worker_processes 1;
daemon off;
error_log {work}/nginx-error.log;
pid {work}/nginx.pid;
events {{ worker_connections 64; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000;
    client_body_temp_path {work}/nginx-temp;
    proxy_temp_path {work}/nginx-temp;
    fastcgi_temp_path {work}/nginx-temp;
    uwsgi_temp_path {work}/nginx-temp;
    scgi_temp_path {work}/nginx-temp;
    server {{
        listen 127.0.0.1:{port};
        location = /metrics {{
            alias {file};
            types {{ }}
            default_type "text/plain; version=0.0.4; charset=utf-8";
            add_header Content-Encoding gzip;
        }}
    }}
}}
"""


def find() -> str | None:
    """The program, None where there is none; Debian keeps it out of the PATH of users."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


def serving(program: str, work: Path, file: Path, port: int) -> Program:
    """A server with one worker that answers /metrics with the bytes of ``file``, said to be gzip."""
    name = getpass.getuser()
    config = work / "nginx.conf"
    user = f"user {name};" if name == "root" else ""  # as root it would change to a user who may not read the file
    config.write_text(_CONFIG.format(user=user, work=work, file=file, port=port), encoding="utf-8")
    return Program([program, "-e", str(work / "nginx-error.log"), "-c", str(config)], work / "nginx.log", port)
