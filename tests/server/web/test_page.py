"""What docs/web.md shows is what the program takes."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest
import yaml

from tests.server.web.certificates import Authority
from timepoint.webconfig import load_web_config

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "web.md").read_text("utf-8")
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
FILES = [block for block in BLOCKS if "tls_server_config" in block]


@pytest.mark.parametrize("text", FILES, ids=range(len(FILES)))
def test_every_web_config_of_the_page_can_be_used(tmp_path: Path, text: str) -> None:
    """Each loads with certificates in the place of those that it names, without a warning."""
    Authority(tmp_path).issue("exporter")
    path = tmp_path / "web.yaml"
    path.write_text(text)
    loaded = load_web_config(path)

    assert loaded.context is not None
    assert not loaded.warnings


def test_the_probe_of_the_page_sends_what_it_says() -> None:
    """The header is the user and the password of the comment."""
    (block,) = [block for block in BLOCKS if "livenessProbe" in block]
    (header,) = yaml.safe_load(block)["livenessProbe"]["httpGet"]["httpHeaders"]

    assert base64.b64decode(header["value"].removeprefix("Basic ")) == b"kubelet:probe"


def test_the_table_of_keys_is_whole() -> None:
    """Each key that the reader knows stands on the page."""
    from timepoint import webconfig

    missing = [key for key in webconfig._TLS_KEYS if f"`{key}`" not in PAGE]
    assert missing == []
    assert [name for name in webconfig.HEADERS if f"`{name}`" not in PAGE] == []
