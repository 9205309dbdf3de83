"""Files without a name.

Owns: making one. Must not know: what is written into it.
"""

from __future__ import annotations

import os
import tempfile
from typing import BinaryIO


def nameless_file(purpose: str) -> BinaryIO:
    """A file that nobody else can open: in memory where the system has that, since no disk may be writable.

    It is closed in a program that a child becomes. Raises OSError.
    """
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create(purpose, os.MFD_CLOEXEC), "w+b")
    return tempfile.TemporaryFile()
