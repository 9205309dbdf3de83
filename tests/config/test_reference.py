"""The reference page of the config file."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

from timepoint.config import load_config
from timepoint.config.shape import all_shapes, keys_of

ROOT = Path(__file__).resolve().parents[2]


def config_reference() -> ModuleType:
    """The script that writes the page."""
    spec = importlib.util.spec_from_file_location("config_reference", ROOT / "scripts" / "config_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_page_is_current() -> None:
    """docs/reference/config.md is written by scripts/config_reference.py; call it after a change."""
    module = config_reference()
    assert module.PAGE.read_text(encoding="utf-8") == module.reference()


def test_example_loads(tmp_path: Path) -> None:
    """The config at the beginning of the page is good."""
    page = config_reference().PAGE.read_text(encoding="utf-8")
    (example,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    path = tmp_path / "config.yaml"
    path.write_text(example)
    config = load_config(path, {})
    assert [job.name for job in config.jobs] == ["pod_energy"]


def test_every_key_is_told() -> None:
    """Each key of each shape stands in the page."""
    page = config_reference().PAGE.read_text(encoding="utf-8")
    keys = {key for shape in all_shapes() for key in keys_of(shape)}
    assert [key for key in sorted(keys) if f"- **`{key}`** (" not in page] == []
