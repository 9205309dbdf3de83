"""Users, headers and the rate: who is let through."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import bcrypt
import pytest

from tests.server.support import Answer, Stage, publish_job, staged
from timepoint.server.admission import peer_of
from timepoint.server.web.passwords import Passwords, Verdict, read_basic
from timepoint.server.web.rate import KEPT, Rates
from timepoint.server.web.spec import RateSpec

HASH = bcrypt.hashpw(b"good", bcrypt.gensalt(4))
USERS = {b"prometheus": HASH}
FILE = f"basic_auth_users:\n  prometheus: {HASH.decode()}\n"


def basic(user: str, password: str) -> str:
    """The value of an ``Authorization`` header."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


GOOD = basic("prometheus", "good")


def write(directory: Path, text: str) -> Path:
    """A web config file beside the snapshots of one job."""
    publish_job(directory, "a")
    path = directory / "web.yml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("path", ["/metrics", "/", "/-/healthy", "/-/ready", "/-/style.css", "/nothing"])
async def test_every_path_wants_the_password(tmp_path: Path, path: str) -> None:
    """Without it 401 and a challenge, whatever the path; with it what is there (A37)."""
    async with staged(tmp_path, "a", web=write(tmp_path, FILE)) as stage:
        without = await stage.ask(path)
        with_it = await stage.ask(path, Authorization=GOOD)

    assert (without.status, without.body) == (401, b"Unauthorized\n")
    assert without.headers["www-authenticate"].startswith("Basic ")
    assert with_it.status in (200, 404, 503)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic !!!",
        "Bearer good",
        "Basic " + base64.b64encode(b"prometheus").decode(),
        basic("prometheus", "bad"),
        basic("prometheus", ""),
        basic("", "good"),
        basic("root", "good"),
        basic("Prometheus", "good"),
        basic("prometheus", "good "),
        basic("prometheus", HASH.decode()),
    ],
)
async def test_anything_else_is_refused(tmp_path: Path, header: str) -> None:
    """A wrong user, a wrong password, the hash itself, and what is no credential: always 401."""
    async with staged(tmp_path, "a", web=write(tmp_path, FILE)) as stage:
        assert (await stage.ask("/metrics", Authorization=header)).status == 401


@pytest.mark.parametrize("password", ["x" * 73, "good" + "x" * 5000, "good\0", "\0", "\udcff"])
async def test_a4_odd_passwords_are_wrong_passwords(tmp_path: Path, password: str) -> None:
    """A4: more than bcrypt's 72 bytes, NUL and bytes that are no text: 401, and no line in the log."""
    raw = base64.b64encode(b"prometheus:" + password.encode("utf-8", "surrogateescape")).decode()
    async with staged(tmp_path, "a", web=write(tmp_path, FILE)) as stage:
        assert (await stage.ask("/metrics", Authorization=f"Basic {raw}")).status == 401


def test_credentials_are_read_as_the_rfc_says() -> None:
    """The scheme in any case, a password with colons, bytes as they are."""
    assert read_basic("bAsIc " + base64.b64encode(b"a:b:c\xff").decode()) == (b"a", b"b:c\xff")
    assert read_basic(None) is read_basic("Basic YQ") is None


async def test_a3_an_unknown_user_is_hashed_as_a_known_one() -> None:
    """A3: the decoy has the cost of a real hash, is the same each time, and fits no password."""
    passwords = Passwords()
    users = {b"a": HASH, b"b": bcrypt.hashpw(b"x", bcrypt.gensalt(5))}
    decoys = {passwords._decoy(users, name.encode()) for name in "cdefghijkl"}

    assert {decoy[:7] for decoy in decoys} == {b"$2b$04$", b"$2b$05$"}
    assert passwords._decoy(users, b"c") == passwords._decoy(users, b"c")
    assert not any(bcrypt.checkpw(b"", decoy) for decoy in decoys)


async def test_a3_guesses_wait_two_for_a_client_and_eight_in_all() -> None:
    """A3: what is above is told to come again, and nothing of it is hashed."""
    passwords = Passwords()
    users = {b"prometheus": bcrypt.hashpw(b"good", bcrypt.gensalt(7))}
    of_one = [passwords.check(users, "192.0.2.1", basic("prometheus", f"a{number}")) for number in range(20)]
    others = [passwords.check(users, f"192.0.2.{2 + n}", basic("prometheus", f"b{n}")) for n in range(20)]

    verdicts = await asyncio.gather(*of_one, *others)
    passwords.close()

    assert verdicts[:20].count(Verdict.WRONG) == 2
    assert verdicts[:20].count(Verdict.BUSY) == 18
    assert verdicts[20:].count(Verdict.WRONG) == 6


async def test_a3_who_was_let_in_before_has_places_of_its_own() -> None:
    """A3: a flood of strangers leaves room for a client that is known, with a password that is new to the server."""
    passwords = Passwords()
    users = {b"a": bcrypt.hashpw(b"one", bcrypt.gensalt(4)), b"b": bcrypt.hashpw(b"two", bcrypt.gensalt(7))}
    assert await passwords.check(users, "198.51.100.1", basic("a", "one")) is Verdict.GOOD

    flood = [passwords.check(users, f"192.0.2.{number}", basic("b", f"x{number}")) for number in range(20)]
    *_, verdict = await asyncio.gather(*flood, passwords.check(users, "198.51.100.1", basic("b", "two")))
    passwords.close()

    assert verdict is Verdict.GOOD


async def test_a3_wrong_passwords_never_push_out_a_good_one() -> None:
    """A3: after a thousand wrong ones the good one is still known without hashing, and little is kept."""
    passwords = Passwords()
    assert await passwords.check(USERS, "a", GOOD) is Verdict.GOOD
    for number in range(1000):
        assert await passwords.check(USERS, "b", basic("prometheus", f"x{number}")) is Verdict.WRONG
    passwords.close()  # from now on nothing can be hashed

    assert await passwords.check(USERS, "a", GOOD) is Verdict.GOOD
    assert len(passwords._wrong) <= 256
    assert len(passwords._good) == 1


async def test_the_same_guess_is_hashed_once() -> None:
    """Many scrapers with one password that is new to the server wait for one answer."""
    passwords = Passwords()
    verdicts = await asyncio.gather(*[passwords.check(USERS, "a", GOOD) for _ in range(50)])
    passwords.close()

    assert set(verdicts) == {Verdict.GOOD}


@pytest.mark.parametrize(
    ("user", "password"),
    [("prometheusgood", ""), ("prometheu", "sgood"), ("prometheus", HASH.decode() + "good"), ("p", "rometheus:good")],
)
async def test_what_is_remembered_keeps_its_parts_apart(user: str, password: str) -> None:
    """Another cut between user, hash and password is another credential. Source: CVE-2022-46146."""
    passwords = Passwords()
    assert await passwords.check(USERS, "a", GOOD) is Verdict.GOOD

    assert await passwords.check(USERS, "a", basic(user, password)) is Verdict.WRONG
    passwords.close()


async def test_a_user_who_leaves_the_file_is_out_at_once(tmp_path: Path) -> None:
    """What is remembered belongs to the hash: another hash, or none, and the password is worth nothing."""
    other = bcrypt.hashpw(b"other", bcrypt.gensalt(4)).decode()
    path = write(tmp_path, FILE)
    async with staged(tmp_path, "a", web=path) as stage:
        assert (await stage.ask("/metrics", Authorization=GOOD)).status == 200
        path.write_text(f"basic_auth_users:\n  prometheus: {other}\n")
        assert stage.web.refresh()

        assert (await stage.ask("/metrics", Authorization=GOOD)).status == 401
        answer = await stage.ask("/metrics", Authorization=basic("prometheus", "other"))
        assert b'timepoint_web_requests_refused_total{reason="password"} 1' in answer.body


async def test_headers_are_on_every_answer(tmp_path: Path) -> None:
    """Pages, refusals and what is not found; the file's word is taken over the page's own."""
    headers = "http_server_config:\n  headers:\n    X-Frame-Options: sameorigin\n    X-XSS-Protection: 0\n"
    async with staged(tmp_path, "a", web=write(tmp_path, FILE + headers)) as stage:
        answers = [await stage.ask(path, Authorization=GOOD) for path in ("/metrics", "/", "/nothing")]
        answers.append(await stage.ask("/metrics"))

    assert {answer.headers["x-frame-options"] for answer in answers} == {"sameorigin"}
    assert {answer.headers["x-xss-protection"] for answer in answers} == {"0"}
    assert {answer.headers["server"] for answer in answers} == {"timepoint"}


async def test_a_rate_is_kept_and_told(tmp_path: Path) -> None:
    """After the burst 429 with the time to wait, and once more after each interval."""
    async with staged(tmp_path, "a", web=write(tmp_path, "rate_limit:\n  interval: 10s\n  burst: 2\n")) as stage:
        answers = [await stage.ask("/metrics") for _ in range(3)]
        stage.clock.advance(10_000)
        answers += [await stage.ask("/metrics") for _ in range(2)]

    assert [answer.status for answer in answers] == [200, 200, 429, 200, 429]
    assert answers[2].headers["retry-after"] == "10"


def test_a_rate_is_of_one_client() -> None:
    """What one uses up is there for another, and no more clients are remembered than a thousand."""
    rates, spec = Rates(), RateSpec(1.0, 1)

    assert [rates.take(spec, "a", 0), rates.take(spec, "a", 0), rates.take(spec, "b", 0)] == [True, False, True]
    for number in range(3000):
        rates.take(spec, str(number), 0)
    assert len(rates._buckets) == KEPT


@pytest.mark.parametrize(
    ("address", "peer"),
    [
        (("192.0.2.1", 1), "192.0.2.1"),
        (("::ffff:192.0.2.1", 1, 0, 0), "192.0.2.1"),
        (("2001:db8::1", 1, 0, 0), "2001:db8::/64"),
        (("fe80::1%eth0", 1, 0, 2), "fe80::/64"),
        (("::1", 1, 0, 0), "::1"),
        ("", "unix"),
        (b"\0abc", "unix"),
    ],
)
def test_a_client_is_an_address_or_a_network(address: object, peer: str) -> None:
    """Whoever has one IPv6 address has all of its /64."""
    assert peer_of(address) == peer


async def burst(stage: Stage, count: int, header: str) -> list[Answer]:
    """Many requests at once."""
    return await asyncio.gather(*[stage.ask("/metrics", Authorization=header) for _ in range(count)])


async def test_many_scrapers_with_the_good_password_are_all_served(tmp_path: Path) -> None:
    """At the start of the exporter all of Prometheus' connections come at once; none is told to come again."""
    async with staged(tmp_path, "a", web=write(tmp_path, FILE)) as stage:
        assert {answer.status for answer in await burst(stage, 30, GOOD)} == {200}
