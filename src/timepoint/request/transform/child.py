"""The process in which jq runs: this file is its main program, and imports nothing of timepoint.

Owns: the frames on its two pipes, its limits of time and memory. Must not know: anything else.

A frame to it: lengths of program and document, limits in seconds and bytes, then both texts. A frame from it: 0 and the
one document that the program gave, or 1 and what was wrong. It ends when its input does, and by SIGALRM when a program
takes too long: jq keeps the interpreter's lock all the while, so nothing in its own process could stop it.
"""

from __future__ import annotations

import contextlib
import json
import resource
import signal
import struct
import sys
from typing import Any

HEAD = struct.Struct(">IQdQ")
REPLY = struct.Struct(">BQ")
GIVEN, REFUSED = 0, 1


def main() -> None:
    """Answers frames until the input ends."""
    frames, replies = sys.stdin.buffer, sys.stdout.buffer
    programs: dict[str, Any] = {}
    while len(head := frames.read(HEAD.size)) == HEAD.size:
        program_length, length, seconds, memory = HEAD.unpack(head)
        program, document = frames.read(program_length).decode(), frames.read(length)
        with contextlib.suppress(ValueError, OSError):  # not every system has this limit
            resource.setrlimit(resource.RLIMIT_AS, (memory, resource.getrlimit(resource.RLIMIT_AS)[1]))
        signal.setitimer(signal.ITIMER_REAL, seconds)
        status, text = answer(programs, program, document)
        signal.setitimer(signal.ITIMER_REAL, 0)
        replies.write(REPLY.pack(status, len(text)))
        replies.write(text)
        replies.flush()


def answer(programs: dict[str, Any], program: str, document: bytes) -> tuple[int, bytes]:
    """What a program makes of a document, as the parts of a reply."""
    import jq

    try:
        compiled = programs.get(program) or programs.setdefault(program, jq.compile(program))
        results = iter(compiled.input_text(document.decode()))
        first = next(results, results)
        if first is results:
            return REFUSED, b"it gave nothing: it must give one document"
        if next(results, results) is not results:
            return REFUSED, b"it gave more than one document: put [ ] around it, so that it gives one array"
        return GIVEN, json.dumps(first, separators=(",", ":")).encode()
    except (ValueError, RecursionError) as error:
        return REFUSED, str(error).encode("utf-8", "replace")


if __name__ == "__main__":
    main()
