"""What a turn at the gate of a source costs.

    python -m bench.politeness

Prints microseconds of CPU per turn: one after the other without waiting, with a quota in a ledger, and out of a line in
which 10,000 wait. The rate is so high that none of them sleeps for long.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

from timepoint.clock import SystemClock
from timepoint.ledger.store import open_store
from timepoint.poller.sources import StoreBook
from timepoint.poller.worker import ThreadWorker
from timepoint.request.politeness.gate import Gate
from timepoint.request.politeness.quota import Book
from timepoint.request.politeness.spec import QuotaSpec, RateSpec
from timepoint.request.spec import SourceSpec

_TURNS = 10_000


def main() -> None:
    """Measures and prints."""
    plain = SourceSpec("plain", "https://api.example")
    limited = SourceSpec("limited", "https://api.example", rate=RateSpec(1_000_000))
    counted = SourceSpec("counted", "https://api.example", quotas=(QuotaSpec(1_000_000, "day"),))
    print(f"one after the other            {_measure(plain, lines=1):6.1f} us")
    print(f"the same with a rate           {_measure(limited, lines=1):6.1f} us")
    with tempfile.TemporaryDirectory() as directory:
        store, worker = open_store(Path(directory) / "ledger.sqlite"), ThreadWorker()
        print(f"the same with a quota          {_measure(counted, 1, StoreBook(store, worker)):6.1f} us")
        store.close()
        worker.close()
    print(f"out of a line of {_TURNS:6}        {_measure(limited, lines=_TURNS):6.1f} us")


def _measure(source: SourceSpec, lines: int, book: Book | None = None) -> float:
    async def run() -> float:
        gate = Gate(source, SystemClock(), book=book)

        async def turns(count: int) -> None:
            for _ in range(count):
                ticket = gate.ticket(1e9)
                await ticket.turn()
                ticket.leave()
                ticket.end()

        began = time.process_time()
        await asyncio.gather(*(turns(_TURNS // lines) for _ in range(lines)))
        return (time.process_time() - began) / _TURNS * 1e6

    return min(asyncio.run(run()) for _ in range(3))


if __name__ == "__main__":
    main()
