"""``transform: {jq: "..."}``: a jq program between body and mapping.

Owns: the check of a program, and the process that runs it. Must not know: the config file, rows, metrics.

A program runs in a process of its own (``child``), one for all jobs, since jq holds Python's lock while it works and
cannot be interrupted: there it delays nobody, is ended when it takes too long, cannot take all memory, and sees no
environment. A document of 1 KB takes 0.1 ms there and back.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import msgspec

from timepoint.clock import SECOND, format_duration
from timepoint.errors import MappingError
from timepoint.request.transform import child
from timepoint.request.transform.chain import DEFAULT_TIMEOUT, decoded

_MEMORY = 2 << 30
_SHOWN = 300


@dataclass(frozen=True, slots=True)
class JqStep:
    """A jq program. ``timeout`` bounds one document, in milliseconds."""

    program: str
    timeout: int = DEFAULT_TIMEOUT

    def __call__(self, document: Any) -> Any:
        """The one document that the program gives. Raises MappingError in jq's words, ContentError for no JSON."""
        plain = decoded(document)  # also of a text: the mapping's care for keys that stand twice would end at jq
        text = bytes(document) if isinstance(document, msgspec.Raw) else json.dumps(plain).encode()
        del plain
        return msgspec.Raw(_PROCESS.run(self.program, text, self.timeout))


def program_complaint(program: str) -> str | None:
    """What is wrong with a program, in jq's words; None if it can be compiled."""
    try:
        import jq
    except ImportError:
        return "needs the package jq, of which there is no build for this machine: pip install jq"
    try:
        jq.compile(program)
    except ValueError as error:
        return said(str(error))
    return None


def said(message: str) -> str:
    """What jq says as one line, without the program that it quotes."""
    lines = [line.strip() for line in message.splitlines() if line and not line[0].isspace()]
    kept = [line.removeprefix("jq: error: ").rstrip(":") for line in lines if not line.endswith("compile error")]
    text = "; ".join(kept).replace(" at <top-level>,", ",") or message.strip()
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


class JqProcess:
    """The process, started when it is first needed, and again after it ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0

    def run(self, program: str, document: bytes, timeout: int, memory: int = _MEMORY) -> bytes:
        """What a program makes of a document. Raises MappingError."""
        with self._lock:
            process = self._started()
            assert process.stdin is not None, "BUG: started with pipes"
            assert process.stdout is not None, "BUG: started with pipes"
            text = program.encode()
            try:
                process.stdin.write(child.HEAD.pack(len(text), len(document), timeout / SECOND, memory))
                process.stdin.write(text)
                process.stdin.write(document)
                process.stdin.flush()
                status, length = child.REPLY.unpack(_read(process.stdout, child.REPLY.size))
                reply = _read(process.stdout, length)
            except (OSError, EOFError):
                raise MappingError(f"transform jq: {_end(self._ended(), timeout, memory)}") from None
        if status != child.GIVEN:
            raise MappingError(f"transform jq: {said(reply.decode('utf-8', 'replace'))}")
        return reply

    def close(self) -> None:
        """Ends the process; the next call starts another."""
        with self._lock:
            self._ended()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._owner != os.getpid():
            self._process = None  # a fork's parent goes on with its own
        if self._process is None:
            # -I: nothing of the environment or the working directory; a group of its own: no ^C from a terminal
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter and a file of ours
                [sys.executable, "-I", str(Path(child.__file__))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={},
                start_new_session=True,
            )
            self._owner = os.getpid()
        return self._process

    def _ended(self) -> int:
        """Ends the process if it lives, and says how it ended: a negative number is a signal."""
        process, self._process = self._process, None
        if process is None or self._owner != os.getpid():
            return 0
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        try:
            return process.wait(1)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


def _read(pipe: IO[bytes], length: int) -> bytes:
    data = pipe.read(length)
    if len(data) < length:
        raise EOFError
    return data


def _end(status: int, timeout: int, memory: int) -> str:
    """Why the process ended before it answered."""
    if status == -signal.SIGALRM:
        return f"the program takes longer than {format_duration(timeout)} (see timeout)"
    if status in (-signal.SIGABRT, -signal.SIGKILL, -signal.SIGSEGV):
        return f"jq was ended by {signal.Signals(-status).name}; it may have {memory >> 20} MB of memory"
    return f"the process of jq ended with status {status}"


_PROCESS = JqProcess()
atexit.register(_PROCESS.close)
