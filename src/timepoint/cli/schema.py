"""``timepoint schema``: the JSON Schema of a config.

Owns: printing it. Must not know: what is in it.
"""

from __future__ import annotations

import json

import click


@click.command()
def schema() -> None:
    """Print the JSON Schema of a config, for editors.

    \b
    Example: completion and checks while you write, in any editor with a YAML language server
      timepoint schema > timepoint.schema.json
      then begin the config with
      # yaml-language-server: $schema=timepoint.schema.json
    """  # noqa: D301 - \b is click's mark for a paragraph that is not to be wrapped
    from timepoint.config import json_schema

    click.echo(json.dumps(json_schema(), indent=2))
