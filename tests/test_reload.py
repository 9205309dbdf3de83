"""The line between the processes: askings, answers, and what a parent makes of them."""

from __future__ import annotations

import asyncio
import io
import logging
import socket
from collections.abc import Iterator

import pytest

from timepoint import log
from timepoint.reload import Answer, AskedEnd, AskingEnd, ReloadFacts, connected, receive, send_answer, send_asking
from timepoint.switchboard import POLLER, SERVER, Switchboard
from timepoint.testing import FakeClock

GOOD = Answer(good=True, text="1 job: 1 as before", at=7, jobs=("a",), raw=b"jobs: {}")
BAD = Answer(good=False, text="line 3: unknown key")


@pytest.fixture
def line() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The parent's end and a child's."""
    ours, theirs = connected()
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What is logged during a test."""
    root = logging.getLogger()
    saved = root.handlers[:], root.level, logging.raiseExceptions
    stream = io.StringIO()
    log.configure("info", "logfmt", stream)
    yield stream
    root.handlers[:], root.level, logging.raiseExceptions = saved


def test_an_answer_of_any_length_arrives_whole(line: tuple[socket.socket, socket.socket]) -> None:
    """A config of a megabyte and ten thousand names are longer than any datagram."""
    ours, theirs = line
    names = tuple(f"job-{number}" for number in range(10_000))
    answer = Answer(good=True, text="ü" * 100_000, at=1, jobs=names, raw=bytes(range(256)) * 4096)
    send_answer(theirs, answer)
    assert receive(ours) == answer


def test_an_asking_is_no_answer_and_the_end_of_the_line_is_neither(line: tuple[socket.socket, socket.socket]) -> None:
    """Who reads the line can tell the three apart."""
    ours, theirs = line
    send_asking(theirs)
    assert receive(ours) is None
    theirs.close()
    with pytest.raises(EOFError):
        receive(ours)


def test_an_answer_does_not_print_the_config() -> None:
    """The bytes of a config may hold credentials."""
    assert "jobs: {}" not in repr(GOOD)


class Board(Switchboard):
    """A switchboard whose children are the other ends of its lines, in this process."""

    def __init__(self) -> None:
        super().__init__(["first"], FakeClock())
        self.children: dict[str, socket.socket] = {}
        self.opened: list[socket.socket] = []

    def start(self, child: str) -> socket.socket:
        """As the supervisor starts a child; its end of the line."""
        self.before_fork(child)
        assert self._theirs is not None
        end = self.children[child] = self._theirs.dup()
        end.settimeout(0)
        self.opened.append(end)
        self.after_fork(child, lives=True)
        return end

    def turn(self) -> None:
        """Hears what there is to be heard."""
        for descriptor in self.descriptors():
            self.hear(descriptor)

    def close(self) -> None:
        for end in (*self.opened, *self._ends.values()):
            end.close()


@pytest.fixture
def board() -> Iterator[Board]:
    """A switchboard with a poller and a server."""
    made = Board()
    made.start(SERVER)
    made.start(POLLER)
    yield made
    made.close()


def askings(end: socket.socket) -> int:
    """How many askings wait at an end."""
    count = 0
    while True:
        try:
            assert receive(end) is None
        except BlockingIOError:
            return count
        count += 1


def test_a_storm_of_signals_is_one_reload_and_one_more(board: Board) -> None:
    """What is asked for while a reload is under way may not have been in the file it read: one more finds it (X4)."""
    for _ in range(1000):
        board.ask()
    assert askings(board.children[POLLER]) == 1
    send_answer(board.children[POLLER], GOOD)
    board.turn()
    assert askings(board.children[POLLER]) == 1
    send_answer(board.children[POLLER], GOOD)
    board.turn()
    assert askings(board.children[POLLER]) == 0


def test_each_client_gets_the_answer_of_a_reload_that_began_after_it_asked(board: Board) -> None:
    """The second client asked during the first reload, so the first answer is not its answer."""
    server, poller = board.children[SERVER], board.children[POLLER]
    send_asking(server)
    board.turn()
    send_asking(server)
    board.turn()
    send_answer(poller, BAD)
    board.turn()
    assert receive(server) == BAD
    with pytest.raises(BlockingIOError):
        receive(server)
    send_answer(poller, GOOD)
    board.turn()
    told = receive(server)
    assert told is not None
    assert (told.good, told.text) == (True, GOOD.text)
    assert told.raw == b"", "the server has no use for the credentials of a config"


def test_what_is_in_force_is_what_the_poller_answered_for(board: Board) -> None:
    """A bad file leaves names and bytes as they were, and says why; a good one takes their place."""
    first = board.in_force
    board.ask()
    send_answer(board.children[POLLER], BAD)
    board.turn()
    assert (board.in_force.jobs, board.in_force.raw) == (first.jobs, None)
    assert board.in_force.facts == ReloadFacts(first.facts.at, BAD.text)
    board.ask()
    send_answer(board.children[POLLER], GOOD)
    board.turn()
    assert (board.in_force.jobs, board.in_force.raw) == (("a",), b"jobs: {}")
    assert board.in_force.facts == ReloadFacts(7)


def test_a_poller_that_dies_of_a_config_does_not_get_it_again(board: Board, written: io.StringIO) -> None:
    """Whoever asked is told, the log says it, and the config of before is what the next poller begins with."""
    server = board.children[SERVER]
    send_asking(server)
    board.turn()
    board.ended(POLLER, "signal SIGSEGV")
    told = receive(server)
    assert told is not None
    assert not told.good
    assert "signal SIGSEGV" in told.text
    assert board.in_force.raw is None
    assert board.in_force.facts.trouble == told.text
    assert written.getvalue().count("event=config_unusable") == 1


def test_a_poller_that_is_down_is_started_at_once_and_asked(board: Board) -> None:
    """A reload may be just what ends a row of crashes: nobody should have to wait for the pause to be over."""
    board.ended(POLLER, "exit code 1")
    wanted = [board.wants]
    board.ask()
    wanted.append(board.wants)
    assert askings(board.start(POLLER)) == 1
    assert [*wanted, board.wants] == [None, POLLER, None]


def test_a_server_that_died_is_owed_no_answer(board: Board) -> None:
    """Its clients are gone; the one that is started next does not get an answer that nobody asked for."""
    send_asking(board.children[SERVER])
    board.turn()
    board.ended(SERVER, "signal SIGKILL")
    server = board.start(SERVER)
    send_answer(board.children[POLLER], GOOD)
    board.turn()
    with pytest.raises(BlockingIOError):
        receive(server)


def test_a_child_that_cannot_be_started_leaves_no_line(board: Board) -> None:
    """Descriptors do not pile up while a system has no processes left."""
    board.ended(POLLER, "exit code 1")
    for _ in range(3):
        board.before_fork(POLLER)
        board.after_fork(POLLER, lives=False)
    assert len(board.descriptors()) == 1


async def test_the_two_ends_of_children_ask_and_answer(line: tuple[socket.socket, socket.socket]) -> None:
    """The server's end hears the answer that the poller's end gives."""
    ours, theirs = line
    asking, asked = AskingEnd(ours), AskedEnd(theirs)
    reload = asyncio.create_task(asking.reload(60))
    await asked.asked()
    asked.answer(BAD)
    assert await reload == BAD


async def test_an_answer_that_does_not_come_in_time_does_not_become_that_of_the_next(
    line: tuple[socket.socket, socket.socket],
) -> None:
    """Answers come in the order of askings, and a client that has gone still has its place."""
    ours, theirs = line
    asking, asked = AskingEnd(ours), AskedEnd(theirs)
    assert await asking.reload(0) is None
    later = asyncio.create_task(asking.reload(60))
    await asked.asked()
    await asked.asked()
    asked.answer(BAD)
    asked.answer(GOOD)
    assert await later == GOOD


async def test_a_crowd_that_waits_is_turned_away(line: tuple[socket.socket, socket.socket]) -> None:
    """Nobody fills the line of a parent that does not answer."""
    asking = AskingEnd(line[0])
    waiting = [asyncio.create_task(asking.reload(60)) for _ in range(64)]
    await asyncio.sleep(0)
    assert await asking.reload(60) is None
    for task in waiting:
        task.cancel()


async def test_without_a_parent_there_is_no_answer(line: tuple[socket.socket, socket.socket]) -> None:
    """The line is broken: the client is told so, and the process ends in a moment anyway."""
    line[1].close()
    assert await AskingEnd(line[0]).reload(60) is None
