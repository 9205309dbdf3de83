"""The Containerfile, without a program that builds it: what it copies is there, what it installs is locked, no root."""

from __future__ import annotations

import json
import re
import shlex
import tomllib

import pytest
from packaging.requirements import Requirement

from tests.deploy.rendering import ROOT
from tests.docs.test_docs import is_known

TEXT = (ROOT / "deploy" / "container" / "Containerfile").read_text("utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]


def instructions() -> list[tuple[str, str]]:
    """Every instruction, with its lines joined, in the order of the file."""
    joined = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", TEXT, flags=re.MULTILINE))
    words = [line.partition(" ") for line in joined.splitlines() if line.strip()]
    return [(word, rest.strip()) for word, _, rest in words]


BUILD = " ".join(rest for word, rest in instructions() if word == "RUN")


def final() -> list[tuple[str, str]]:
    """The instructions of the last stage: those of the image."""
    last = max(at for at, (word, _) in enumerate(instructions()) if word == "FROM")
    return instructions()[last:]


def told(word: str) -> list[str]:
    """What an instruction of the image says."""
    return [rest for found, rest in final() if found == word]


def test_the_base_has_a_tag() -> None:
    """Each stage begins with an image whose version is named, and nothing is taken from ``latest``."""
    bases = [rest.split()[0] for word, rest in instructions() if word == "FROM"]
    assert bases == ["${PYTHON_IMAGE}"] * 2
    (default,) = [rest for word, rest in instructions() if word == "ARG" and rest.startswith("PYTHON_IMAGE=")]
    assert re.fullmatch(r"PYTHON_IMAGE=python:3\.\d+-slim-\w+", default)


def test_the_base_is_a_python_that_the_project_takes() -> None:
    """The image's Python is one of those that pyproject.toml names."""
    (version,) = re.findall(r"PYTHON_IMAGE=python:(3\.\d+)", TEXT)
    assert f"Programming Language :: Python :: {version}" in PROJECT["project"]["classifiers"]


def test_the_user_is_a_number_and_not_root() -> None:
    """Kubernetes' ``runAsNonRoot`` can tell from a number alone, and nothing changes the user after that (A39)."""
    assert told("USER") == ["65532:65532"]
    after = [word for word, _ in final()[[word for word, _ in final()].index("USER") :]]
    assert not {"RUN", "COPY", "ADD"} & set(after)


def test_what_starts_is_a_command_of_timepoint() -> None:
    """The first process is timepoint itself, in exec form, and its arguments are those of a command."""
    assert [json.loads(text) for text in told("ENTRYPOINT")] == [["timepoint"]]
    (command,) = (json.loads(text) for text in told("CMD"))
    assert is_known(command)
    (volume,) = (json.loads(text) for text in told("VOLUME"))
    assert command[command.index("--data-dir") + 1].startswith(f"{volume[0]}/")


def test_health_is_asked_at_the_port_that_is_exposed() -> None:
    """The health check is an exec form that asks ``/-/healthy`` at the exposed port."""
    (check,) = told("HEALTHCHECK")
    command = json.loads(check[check.index("CMD ") + 4 :])
    assert f"http://127.0.0.1:{told('EXPOSE')[0]}/-/healthy" in command[-1]
    compile(command[-1], "HEALTHCHECK", "exec")


def test_everything_that_is_installed_is_locked() -> None:
    """Pip installs with hashes, from wheels, or the project alone; no address of a registry is named (A38)."""
    installs = re.findall(r"pip install ([^;&]+)", " ".join(rest for word, rest in instructions() if word == "RUN"))
    assert len(installs) == 2
    locked, own = (shlex.split(text) for text in installs)
    assert {"--require-hashes", "--only-binary"} <= set(locked)
    assert {"--no-deps", "--no-build-isolation", "."} <= set(own)
    assert re.findall(r"https?://(?!127\.0\.0\.1)|index-url|trusted-host", TEXT) == []


def test_no_secret_can_be_baked_in() -> None:
    """Neither arguments nor variables of the image are credentials, and the context is a list of what is meant.

    Faults: A18.
    """
    named = re.findall(r"^(?:ARG|ENV) (.+)$", TEXT, re.MULTILINE)
    assert [name for name in named if re.search(r"(?i)token|secret|password|key", name)] == []
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert next(line for line in ignored if not line.startswith("#")) == "*"


def test_what_is_copied_is_there_and_in_the_context() -> None:
    """Each path that the build copies exists and is let through by .dockerignore; so is what the wheel is made of."""
    copied = [rest.split()[:-1] for word, rest in instructions() if word == "COPY" and "--from" not in rest]
    paths = {path.rstrip("/") for paths in copied for path in paths}
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert paths == {line[1:] for line in lines if line.startswith("!")}
    assert all((ROOT / path).exists() for path in paths)
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]
    assert {path.partition("/")[0] for path in wheel} <= paths
    assert {PROJECT["project"]["readme"], *PROJECT["project"]["license-files"]} <= paths


def pins(name: str) -> dict[str, str]:
    """The versions that a file of requirements pins; one package may have several, for several Pythons."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text("utf-8")
    return dict(re.findall(r"^([\w.-]+)==([\w.]+)", text, re.MULTILINE))


def test_the_lock_has_every_dependency() -> None:
    """requirements/run.txt pins each dependency of the project, and what builds it, in a version that it takes.

    Faults: A38.
    """
    build = (ROOT / "requirements" / "build.in").read_text("utf-8").splitlines()
    texts = [*PROJECT["project"]["dependencies"], *(line for line in build if line and not line.startswith("#"))]
    pinned = pins("run")
    wanted = [Requirement(text) for text in texts]
    assert [str(want) for want in wanted if not want.specifier.contains(pinned.get(want.name, "0"))] == []
    assert {want.name for want in wanted} <= set(pinned)


def test_what_builds_alone_is_taken_out_of_the_image() -> None:
    """Every package of run.txt that no package of the program asked for is among those that the build uninstalls."""
    text = (ROOT / "requirements" / "run.txt").read_text("utf-8")
    entries = re.findall(r"^([\w.-]+)==.*\n(?:    --hash.*\n)*((?:    #.*\n?)+)", text, re.MULTILINE)
    assert {name for name, _ in entries} == set(pins("run"))
    askers = {name: set(re.findall(r"(?:via|#  ) +(?!via)(\S.*)", told)) for name, told in entries}
    (removed,) = re.findall(r"pip uninstall --quiet --yes --requirement requirements/build.in([^&]*)", BUILD)
    gone = {"editables", "hatchling", "pip", *removed.split()}
    assert gone - {"setuptools"} <= set(askers)
    assert {name for name, told in askers.items() if told <= gone | {"-r requirements/build.in"}} == gone - {
        "setuptools"
    }


@pytest.mark.parametrize("extra", EXTRAS)
def test_each_extra_has_its_lock(extra: str) -> None:
    """requirements/EXTRA.txt pins what the extra wants, with hashes, in the versions of run.txt where both have one.

    ``scripts/lock`` writes the files anew.

    Faults: A38.
    """
    pinned = pins(extra)
    wanted = [Requirement(text) for text in EXTRAS[extra]]
    assert [str(want) for want in wanted if not want.specifier.contains(pinned.get(want.name, "0"))] == []
    assert {name: version for name, version in pinned.items() if pins("run").get(name, version) != version} == {}
    text = (ROOT / "requirements" / f"{extra}.txt").read_text("utf-8")
    assert len(pinned) <= len(re.findall(r"--hash=sha256:", text))
