"""The thread in which answers become commits, and how long its work has taken."""

from __future__ import annotations

import threading
import time

from timepoint.poller.worker import Crew, ThreadWorker


async def test_the_work_in_hand_is_measured_by_the_processor_time_that_it_uses() -> None:
    """A piece that computes has used time, one that waits has not, and nothing counts between two pieces."""
    worker = ThreadWorker()
    spent = []

    def compute() -> None:
        end = time.thread_time() + 0.1
        while time.thread_time() < end:
            pass
        spent.append(worker.spent)

    def wait() -> None:
        threading.Event().wait(0.05)
        spent.append(worker.spent)

    await worker.do(compute)
    await worker.do(wait)
    spent.append(worker.spent)
    worker.close()
    assert 0.05 <= spent[0] < 60
    assert spent[1] < 0.05
    assert spent[2] == 0


async def test_a_crew_is_lost_while_one_of_it_works_without_end() -> None:
    """One piece that has worked longer than any that ends is enough, and it is over with that piece."""
    crew = Crew(longest=0.05)
    idle, busy = crew.worker(), crew.worker()
    seen = []

    def work() -> None:
        seen.append(crew.is_lost)
        end = time.thread_time() + 0.1
        while time.thread_time() < end:
            pass
        seen.append(crew.is_lost)

    await busy.do(work)
    seen.append(crew.is_lost)
    idle.close()
    busy.close()
    assert seen == [False, True, False]
