"""The protobuf messages of both versions, built when they are first asked for.

Owns: names, numbers and types of the fields. Must not know: what is written into them.
Source: Prometheus, ``prompb/remote.proto``, ``prompb/types.proto`` and ``prompb/io/prometheus/write/v2/types.proto``
(2.0-rc.4); only what the sender writes. A table instead of generated code: that must be made anew for each major
version of protobuf, with a compiler that nobody here has; the messages are the library's either way, equally fast.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Any

STRING, DOUBLE, INT64, UINT32, ENUM = "string", "double", "int64", "uint32", "int32"
# An enum has the wire format of an int32, and its numbers stand in ``encode``.

MISSING = "remote write needs protobuf and cramjam: pip install 'timepoint-exporter[remote-write]'"

_Fields = tuple[tuple[int, str, str], ...]

V1 = (
    "prometheus",
    {
        "Label": ((1, "name", STRING), (2, "value", STRING)),
        "Sample": ((1, "value", DOUBLE), (2, "timestamp", INT64)),
        "TimeSeries": ((1, "labels", "*Label"), (2, "samples", "*Sample")),
        "WriteRequest": ((1, "timeseries", "*TimeSeries"),),
    },
)
V2 = (
    "io.prometheus.write.v2",
    {
        "Sample": ((1, "value", DOUBLE), (2, "timestamp", INT64), (3, "start_timestamp", INT64)),
        "Metadata": ((1, "type", ENUM), (3, "help_ref", UINT32), (4, "unit_ref", UINT32)),
        "TimeSeries": ((1, "labels_refs", "*uint32"), (2, "samples", "*Sample"), (5, "metadata", "Metadata")),
        "Request": ((4, "symbols", "*string"), (5, "timeseries", "*TimeSeries")),
    },
)


@dataclass(frozen=True, slots=True)
class Messages:
    """The classes of the two requests."""

    write_request: Any
    request_v2: Any


def is_installed() -> bool:
    """Whether the libraries that sending needs are here; ``MISSING`` says what to do if not."""
    parents = (find_spec("google"), find_spec("cramjam"))
    return None not in parents and find_spec("google.protobuf") is not None


@cache
def messages() -> Messages:
    """The classes. protobuf is imported here, since only who sends needs it."""
    return Messages(_build(*V1)["WriteRequest"], _build(*V2)["Request"])


def _build(package: str, described: dict[str, _Fields]) -> dict[str, Any]:
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    kinds = descriptor_pb2.FieldDescriptorProto
    scalars = {
        STRING: kinds.TYPE_STRING,
        DOUBLE: kinds.TYPE_DOUBLE,
        INT64: kinds.TYPE_INT64,
        UINT32: kinds.TYPE_UINT32,
        ENUM: kinds.TYPE_INT32,
    }
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    for name, fields in described.items():
        message = file.message_type.add(name=name)
        for number, field_name, kind in fields:
            bare = kind.removeprefix("*")
            label = kinds.LABEL_REPEATED if kind != bare else kinds.LABEL_OPTIONAL
            field = message.field.add(name=field_name, number=number, label=label)
            if bare in scalars:
                field.type = scalars[bare]
            else:
                field.type, field.type_name = kinds.TYPE_MESSAGE, f".{package}.{bare}"
    pool = descriptor_pool.DescriptorPool()  # one of our own: a program may know Prometheus' messages already
    pool.Add(file)
    found = pool.FindFileByName(file.name).message_types_by_name
    return {name: message_factory.GetMessageClass(found[name]) for name in described}
