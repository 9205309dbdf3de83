"""The list of all checks of a config.

Owns: one word per check. The corpus of bad configs proves each of them: a check without a bad file fails a test.
Must not know: how a check is done.
"""

from __future__ import annotations

from enum import StrEnum


class Check(StrEnum):
    """What can be wrong with a config. The words are internal: users read messages, tests read these."""

    # the file
    FILE = "file"
    FILE_SIZE = "file_size"
    FILE_ENCODING = "file_encoding"
    FILE_EMPTY = "file_empty"

    # YAML
    YAML_SYNTAX = "yaml_syntax"
    YAML_QUOTES = "yaml_quotes"
    YAML_DOCUMENTS = "yaml_documents"
    YAML_DEPTH = "yaml_depth"
    YAML_KEY = "yaml_key"
    YAML_DUPLICATE_KEY = "yaml_duplicate_key"
    YAML_TAG = "yaml_tag"
    YAML_ALIAS = "yaml_alias"
    YAML_EXPANSION = "yaml_expansion"
    YAML_MERGE = "yaml_merge"

    # environment
    ENV_MISSING = "env_missing"
    ENV_SYNTAX = "env_syntax"

    # shape
    UNKNOWN_KEY = "unknown_key"
    MISSING_KEY = "missing_key"
    WRONG_KIND = "wrong_kind"
    BAD_CHOICE = "bad_choice"
    OUT_OF_RANGE = "out_of_range"
    EMPTY = "empty"
    NAME = "name"
    DURATION = "duration"
    SIZE = "size"
    NOT_JSON = "not_json"
    ONE_OF = "one_of"
    ORDER = "order"

    # sources
    URL = "url"
    URL_CREDENTIALS = "url_credentials"
    PROXY = "proxy"
    CREDENTIAL = "credential"
    CREDENTIAL_CONFLICT = "credential_conflict"
    HEADER = "header"
    TLS_PAIR = "tls_pair"
    MIN_INTERVAL = "min_interval"
    LIMIT = "limit"

    # receivers
    RECEIVER = "receiver"

    # jobs
    UNKNOWN_SOURCE = "unknown_source"
    CRON = "cron"
    ZONE = "zone"
    SCHEDULE = "schedule"
    REQUEST = "request"
    TEMPLATE = "template"
    TRANSFORM = "transform"
    PAGING = "paging"
    REPORT = "report"
    EACH = "each"
    LANES = "lanes"
    WINDOW = "window"
    WINDOW_GRID = "window_grid"
    MAPPING = "mapping"

    # metrics
    METRIC_NAME = "metric_name"
    METRIC_RESERVED = "metric_reserved"
    METRIC_SUFFIX = "metric_suffix"
    UNIT_SUFFIX = "unit_suffix"
    HELP = "help"
    TEMPORALITY = "temporality"
    KEY_FOR_TYPE = "key_for_type"
    LITERAL = "literal"
    LABEL_NAME = "label_name"
    LABEL_RESERVED = "label_reserved"
    FAMILY_CLASH = "family_clash"
    FAMILY_DISAGREES = "family_disagrees"
    DELIVER = "deliver"
    UNKNOWN_RECEIVER = "unknown_receiver"
    BOTH_WAYS = "both_ways"
    RECEIVER_WINDOW = "receiver_window"

    # warnings
    UNUSED_SOURCE = "unused_source"
    MISSING_FILE = "missing_file"
    REFRESH_TOKEN = "refresh_token"  # noqa: S105 - a word for a check
    CLEARTEXT = "cleartext"
    UNVERIFIED = "unverified"
    PLAIN_CREDENTIAL = "plain_credential"
    TIMEOUT = "timeout"
    WINDOW_UNUSED = "window_unused"
    TEMPLATE_DOUBT = "template_doubt"
    LITERAL_DOUBT = "literal_doubt"
    MAX_AGE = "max_age"
    NO_EFFECT = "no_effect"
    QUOTA = "quota"
    UNUSED_RECEIVER = "unused_receiver"
    ZONE_DOUBT = "zone_doubt"

    @property
    def is_warning(self) -> bool:
        """Whether a config with this finding can still be used."""
        return self in _WARNINGS


_WARNINGS = frozenset(
    (
        Check.UNUSED_SOURCE,
        Check.MISSING_FILE,
        Check.REFRESH_TOKEN,
        Check.CLEARTEXT,
        Check.UNVERIFIED,
        Check.PLAIN_CREDENTIAL,
        Check.TIMEOUT,
        Check.WINDOW_UNUSED,
        Check.TEMPLATE_DOUBT,
        Check.LITERAL_DOUBT,
        Check.MAX_AGE,
        Check.NO_EFFECT,
        Check.QUOTA,
        Check.UNUSED_RECEIVER,
        Check.ZONE_DOUBT,
    )
)
