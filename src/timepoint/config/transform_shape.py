"""The keys of a job's ``transform`` and their checks.

Owns: what may stand there, and the step that it becomes. Must not know: how a program or function runs.
"""

from __future__ import annotations

import sys
from typing import ClassVar

from timepoint.config.checks import Check
from timepoint.config.kinds import FilledText, Json, OneOf, PositiveDuration, Shape, described
from timepoint.config.places import Findings, Path
from timepoint.request.transform.chain import DEFAULT_TIMEOUT, Step
from timepoint.request.transform.functions import FunctionError, FunctionStep, find_function, options_complaint
from timepoint.request.transform.programs import JqStep, program_complaint


class TransformShape(Shape):
    """What is done with each decoded answer before it is mapped: one document in, one document out."""

    place: ClassVar[str] = "transform of a job"
    groups: ClassVar[tuple[OneOf, ...]] = (OneOf("jq", "python", required=True),)

    jq: FilledText | None = described(
        "A jq program. It runs in a process of its own, without the environment.",
        ".d | fromjson",
        "[.rows[] | {time, value: (.in - .out)}]",
    )
    python: FilledText | None = described(
        "A Python function, as `package.module:function`. The module is installed, or stands beside the config; it is "
        "imported when the config is loaded, by `check` too. It is called with the document and gives one.",
        "timepoint.transforms:json_in_json",
    )
    options: dict[str, Json] | None = described("Keyword arguments of the Python function.", {"member": "segments"})
    timeout: PositiveDuration | None = described(
        "How long the program or function may take for one answer. Default: `30s`.", "2m"
    )


def build_transform(shape: TransformShape | None, where: Path, directory: str, findings: Findings) -> tuple[Step, ...]:
    """The step of a transform that stands at ``where``; none if there is none, or if it cannot be used.

    ``directory`` is where modules beside the config are found.
    """
    if shape is None:
        return ()
    if shape.jq is not None:
        if shape.options is not None:
            findings.add(Check.NO_EFFECT, (*where, "options"), "has no effect: options are for a Python function")
        if complaint := program_complaint(shape.jq):
            findings.add(Check.TRANSFORM, (*where, "jq"), complaint)
            return ()
        return (JqStep(shape.jq, shape.timeout or DEFAULT_TIMEOUT),)
    return _function(shape, where, directory, findings)


def _function(shape: TransformShape, where: Path, directory: str, findings: Findings) -> tuple[Step, ...]:
    name, options = shape.python or "", shape.options or {}
    if directory not in sys.path:
        sys.path.append(directory)  # last: a file beside the config hides no installed module
    try:
        function = find_function(name)
    except FunctionError as error:
        findings.add(Check.TRANSFORM, (*where, "python"), str(error))
        return ()
    if complaint := options_complaint(function, options):
        findings.add(Check.TRANSFORM, (*where, "options" if options else "python"), complaint)
        return ()
    return (FunctionStep(name, function, options, shape.timeout or DEFAULT_TIMEOUT),)
