"""What is fuzzed: functions from bytes to nothing, which raise where something is wrong.

Owns: the targets, what each promises, the inputs that they begin with. Must not know: how inputs are made.

Each target may raise nothing. What a function is allowed to raise is caught here, so any other exception is a finding,
and so is a broken promise (``AssertionError``).
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from tests.fuzz.heads import Heads
from tests.fuzz.seeds import MATERIAL, Material
from timepoint.clock import format_duration, parse_duration
from timepoint.config.load import examine
from timepoint.errors import ConfigError, ContentError, MappingError
from timepoint.exposition.formats import OPENMETRICS, OPENMETRICS_0_0_1, TEXT, TEXT_1_0_0
from timepoint.exposition.negotiate import negotiate
from timepoint.importing.cel import parse_cel
from timepoint.importing.json_exporter import import_config
from timepoint.importing.kubectl import parse_template
from timepoint.importing.query import UntranslatableError
from timepoint.importing.reading import read_file
from timepoint.importing.report import checked_text, report
from timepoint.mapping.engine import Mapping, RunContext, compile_mapping
from timepoint.mapping.numbers import NumberReader
from timepoint.mapping.paths import PathError, parse_path
from timepoint.mapping.relabel import RelabelError, compile_relabel
from timepoint.mapping.spec import MappingSpec, MetricMapping, RelabelRule, Rules, SpecError, TimeSpec, WalkSpec
from timepoint.mapping.stamps import StampReader, parse_length
from timepoint.mapping.unusable import Unusable
from timepoint.model import LABEL_NAME, FamilySpec, MappedRun, MetricSpec, MetricType, Window
from timepoint.request.answer import Answer
from timepoint.request.decode import documents
from timepoint.request.decoders.registry import DECODERS
from timepoint.request.paging.link import find_link
from timepoint.request.politeness.told import read_limits
from timepoint.request.retry import parse_http_date, parse_retry_after
from timepoint.request.spec import RequestSpec
from timepoint.request.template import Moment, compile_template
from timepoint.server.listening import parse_listen_address
from timepoint.webconfig import load_web_config

NOW = 1_714_558_800_000
WINDOW = Window(NOW - 1_200_000, NOW - 300_000)
MOST = 1 << 20  # bytes that an archive may hold here


@dataclass(frozen=True)
class Target:
    """A function to try, and what its inputs are made of."""

    name: str
    run: Callable[[bytes], None]
    material: Material


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape") if data[:1] == b"\xfe" else data.decode("utf-8", "replace")


def accept(data: bytes) -> None:
    """Any two headers get one of the four formats."""
    accepted, _, encoding = data.decode("latin-1").partition("\n")
    chosen = negotiate(accepted, encoding or None)
    known = {(one.media_type, one.version) for one in (TEXT, TEXT_1_0_0, OPENMETRICS, OPENMETRICS_0_0_1)}
    assert (chosen.format.media_type, chosen.format.version) in known
    assert negotiate(accepted, encoding or None) == chosen


DOCUMENT: Any = {
    "a": [{"k": "x", "n": 1, "t": "2024-05-01T10:00Z"}, {"k": "y", "n": None, "t": 1714557600}, 3, "text", None, []],
    "b c": {"d": {"e": [[1, 2], [3, "4"]]}, "": True},
    "zone": {"DE": 1.5, "FR": "2"},
}


def path(data: bytes) -> None:
    """A path is refused with a sentence, or read as itself again, and what it is compiled to runs."""
    text = _text(data)
    try:
        parsed = parse_path(text)
    except PathError as error:
        assert str(error)
        return
    again = parse_path(parsed.text)
    assert (again.text, again.start, len(again.segments)) == (text, parsed.start, len(parsed.segments))
    _mapped_quietly(_mapping_of({"w": text}, value="$w", labels={}), DOCUMENT)
    _mapped_quietly(_mapping_of({"w": "$.a[*]"}, value=text, labels={"l": text}), DOCUMENT)


def _mapping_of(rows: dict[str, str], value: str, labels: dict[str, str | None]) -> Mapping | None:
    metric = MetricMapping(
        metric=MetricSpec(family=FamilySpec("m", MetricType.GAUGE, "Help."), max_age=1000),
        value=value,
        own=Rules(labels=labels),
    )
    spec = MappingSpec(rows={name: WalkSpec(text) for name, text in rows.items()}, metrics=(metric,), defaults=Rules())
    try:
        return compile_mapping(spec)
    except SpecError as error:
        assert all(problem.message for problem in error.problems)
        return None


def _mapped_quietly(mapping: Mapping | None, document: Any) -> MappedRun | None:
    if mapping is None:
        return None
    run = mapping.start(RunContext(WINDOW, NOW))
    try:
        run.add(document)
        return run.finish()
    except (ContentError, MappingError):
        return None


@cache
def _mappings() -> tuple[Mapping, ...]:
    """Mappings of the shapes that have ways of their own through a document."""

    def metric(name: str, value: str, **rules: Any) -> MetricMapping:
        family = FamilySpec(name, MetricType.GAUGE, "Help.")
        return MetricMapping(metric=MetricSpec(family=family, max_age=1000), value=value, own=Rules(**rules))

    def whole(rows: dict[str, str], *metrics: MetricMapping) -> Mapping:
        walks = {name: WalkSpec(text) for name, text in rows.items()}
        return compile_mapping(MappingSpec(rows=walks, metrics=metrics, defaults=Rules()))

    return (
        whole({"r": "$.data[*]"}, metric("m", "$r.v", labels={"k": "$r.k", "z": "$.zone"}, time=TimeSpec(at="$r.t"))),
        whole({"r": "$.{a}.{b}[*]"}, metric("m", "$r.v", time=TimeSpec(at="$r.t")), metric("n", "$r.w")),
        whole({"r": "$[*]", "p": "$r.p[*]"}, metric("m", "$p[1]", labels={"*": "$r.l"}, time=TimeSpec(at="$p[0]"))),
        whole({}, metric("m", "$.v", time=TimeSpec(at="$.t"), labels={"x": "$.x"})),
        whole({"r": "$..[?@.v]"}, metric("m", "$r.v")),
    )


def mapping(data: bytes) -> None:
    """A JSON body gives points or a counted reason; entity by entity as from the whole document; labels are clean."""
    place, body = (data[0] if data else 0) % len(_mappings()), data[1:]
    chosen = _mappings()[place]
    cut = _run(chosen, msgspec.Raw(body))
    try:
        whole: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return  # parts of it may be usable all the same
    plain = _run(chosen, whole)
    assert cut == plain or _has_twins(body), f"{cut} is not {plain}"


def _has_twins(body: bytes) -> bool:
    """Whether an object has a key twice, of which a decoded document knows nothing."""
    twins = False

    def look(pairs: list[tuple[str, Any]]) -> None:
        nonlocal twins
        twins = twins or len(dict(pairs)) < len(pairs)

    json.loads(body, object_pairs_hook=look)
    return twins


def _run(chosen: Mapping, document: Any) -> Any:
    run = chosen.start(RunContext(WINDOW, NOW))
    try:
        run.add(document)
        mapped = run.finish()
    except (ContentError, MappingError) as error:
        return type(error).__name__
    for series in mapped.series.values():
        for text in series:
            assert not any(ord(sign) < ord(" ") and sign != "\t" for sign in text)
            text.encode()
    shown = {
        name: {text: (repr(points.times), _comparable(points.values)) for text, points in found.items()}
        for name, found in mapped.series.items()
    }
    return shown, mapped.rows, dict(mapped.rejects.counts)


def _comparable(values: Any) -> list[Any]:
    return ["nan" if math.isnan(value) else value for value in values]


_KINDS = tuple(sorted(DECODERS))


def body(data: bytes) -> None:
    """A body of any kind is decoded to something, or refused with a reason."""
    if not data:
        return
    kind = _KINDS[data[0] % len(_KINDS)]
    charset = (None, None, "utf-16", "latin-1", "shift_jis")[data[0] // len(_KINDS) % 5]
    answer = Answer(200, ("", "text/csv", "application/json; charset=x")[data[0] % 3], data[1:], "url")
    try:
        for document in documents(answer, RequestSpec(decode=kind, charset=charset), MOST):
            _run(_mappings()[0], document)
    except ContentError as error:
        assert error.reason
        assert str(error)


MOMENT = Moment(WINDOW, NOW, {"zone": "DE"})


def template(data: bytes) -> None:
    """A text with templates is refused with a sentence, or written; text without them stays as it is."""
    text = _text(data)
    try:
        compiled = compile_template(text, "Europe/Berlin")
        written = compiled.render(MOMENT)
        compiled.render_json(MOMENT)
    except ValueError as error:
        assert str(error)
        return
    if not compiled.names:
        assert written == text


_FORMATS = (None, "unix", "unix_ms", "unix_us", "unix_ns", "%Y-%m-%d %H:%M", "%d.%m.%Y", "%Y-W%V-%u", "%s")


@cache
def _reader(place: int) -> StampReader | None:
    try:
        return StampReader(_FORMATS[place])
    except ValueError:
        return None


def stamp(data: bytes) -> None:
    """A stamp is an instant within the years that can be written, or no time."""
    if not data:
        return
    text = _text(data[1:])
    reader = _reader(data[0] % len(_FORMATS))
    number = _number(text)
    for node in (text, number) if number is not None else (text,):
        if reader is not None:
            try:
                reader.read(node)
            except Unusable as error:
                assert error.reason
        try:
            length = parse_length(node)
            length.add(NOW, ZoneInfo("Europe/Berlin"))
        except (ValueError, Unusable):
            pass


def _number(text: str) -> float | int | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, (int, float)) and not isinstance(found, bool) else None


_NUMBERS = (NumberReader(), NumberReader(missing=["", "ND", -999]), NumberReader(decimal=","))


def number(data: bytes) -> None:
    """A text is a number as Python reads it, or is refused."""
    text = _text(data)
    for reader in _NUMBERS:
        try:
            value = reader.read(text)
        except Unusable as error:
            assert error.reason
            continue
        if value is not None and reader is _NUMBERS[0]:
            assert math.isnan(value) or value == float(text.strip())
    try:
        length = parse_duration(text)
    except ValueError as error:
        assert str(error)
    else:
        assert length >= 0
        assert parse_duration(format_duration(length)) == length


_ACTIONS = (
    "replace", "keep", "drop", "keepequal", "dropequal", "hashmod", "labelmap", "labeldrop", "labelkeep", "lowercase",
    "uppercase",
)  # fmt: skip


def relabel(data: bytes) -> None:
    """A rule is refused with sentences, or leaves labels that are labels."""
    parts = _text(data).split("\n")
    regex, replacement, target, separator, source, value, action = (*parts, *[""] * 7)[:7]
    rule = RelabelRule(
        action=_ACTIONS[len(action) % len(_ACTIONS)],
        regex=regex,
        replacement=replacement,
        target_label=target or None,
        separator=separator,
        source_labels=tuple(source.split(",")) if source else (),
        modulus=len(value) or None,
    )
    try:
        change = compile_relabel((rule,))
    except RelabelError as error:
        assert error.problems
        return
    labels = {"a": value, "b": "x", "__c": separator}
    try:
        found = change(labels)
    except Unusable:
        return
    assert labels == {"a": value, "b": "x", "__c": separator}
    assert found is None or all(LABEL_NAME.fullmatch(name) and text for name, text in found.items())


@cache
def _scratch() -> Path:
    """A directory in memory, where there is one."""
    memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="fuzz-", dir=memory if memory.is_dir() else None))


def config(data: bytes) -> None:
    """A file is a config that can run, or a list of problems with places in it."""
    file = _scratch() / "config.yaml"
    file.write_bytes(data)
    found, findings = examine(file, {"NAME": "value"})
    problems = findings.problems(warnings=False)
    assert (found is None) == bool(problems)
    assert all(problem.message and problem.line >= 0 for problem in problems)


def web_config(data: bytes) -> None:
    """A file is a web config, or has problems."""
    file = _scratch() / "web.yaml"
    file.write_bytes(data)
    try:
        load_web_config(file)
    except ConfigError as error:
        assert error.problems


def old_config(data: bytes) -> None:
    """Any file of json_exporter gives a config that the check takes, or none."""
    file = _scratch() / "old.yaml"
    file.write_bytes(data)
    try:
        read, notes = read_file(file)
    except ConfigError as error:
        assert error.problems
        return
    imported = import_config(read, notes, [], "1m")
    text = checked_text(imported, "old.yaml")
    report(imported, "old.yaml")
    if imported.jobs:
        new = _scratch() / "new.yaml"
        new.write_text(text, encoding="utf-8")
        names = dict.fromkeys(imported.variables.all, "set")
        problems = examine(new, names)[1].problems(warnings=False)
        refused = [problem for problem in problems if problem.path.split(".")[2:3] == ["metrics"]]
        assert not refused, refused


def old_path(data: bytes) -> None:
    """A path of json_exporter is refused with a sentence, or becomes one of ours."""
    text = _text(data)
    for parse in (parse_template, parse_cel):
        try:
            read = parse(text)
        except UntranslatableError as error:
            assert str(error)
            continue
        for query in read.queries:
            assert parse_path(query.text()).text == query.text()


def limits(data: bytes) -> None:
    """What an API says of its limits is understood or passed over, and never a time that is none."""
    lines = data.decode("latin-1").split("\n")
    pairs = [(name, value) for name, _, value in (line.partition(":") for line in lines)]
    told = read_limits(pairs, 429, NOW, lines[-1])
    assert told.wait >= 0
    assert math.isfinite(told.wait)
    for line in lines:
        seconds = parse_retry_after(line, NOW)
        assert seconds is None or math.isfinite(seconds)
        parse_http_date(line)
        find_link(line, "next")


def address(data: bytes) -> None:
    """A listen address is refused with a sentence, or shown as it is read."""
    try:
        parsed = parse_listen_address(_text(data))
    except ValueError as error:
        assert str(error)
        return
    assert str(parse_listen_address(str(parsed))) == str(parsed)


@cache
def _heads() -> Heads:
    return Heads()


def head(data: bytes) -> None:
    """Whatever a client sends is answered with HTTP or not at all, and never with a failure of ours."""
    _heads().send(data)


_RUNS: tuple[Callable[[bytes], None], ...] = (
    accept, path, mapping, body, template, stamp, number, relabel, config, web_config, head, limits, address, old_path,
    old_config,
)  # fmt: skip
TARGETS = tuple(Target(run.__name__, run, MATERIAL[run.__name__]) for run in _RUNS)
