"""Runs a function in a process of its own, so that no measurement inherits the memory or the caches of another.

Owns: the passing of arguments and results as JSON. Must not know: what is measured.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def command(function: str, **arguments: Any) -> list[str]:
    """What starts ``module:function`` with these arguments in a new interpreter; its result goes to standard output."""
    return [sys.executable, "-m", "bench.fresh", function, json.dumps(arguments)]


def call(function: str, **arguments: Any) -> dict[str, Any]:
    """The result of ``module:function``, called in a new process. Raises CalledProcessError; its messages are shown."""
    done = subprocess.run(command(function, **arguments), cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    name, arguments = sys.argv[1:3]
    module, _, function = name.partition(":")
    result = getattr(importlib.import_module(module), function)(**json.loads(arguments))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
