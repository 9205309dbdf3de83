"""``http_client_config`` and ``headers`` of a module, as the keys of a source.

Owns: which of Prometheus' HTTP keys a source has, and what becomes of the others. Must not know: targets, metrics.
Source: Prometheus, "Configuration", ``<http_config>``; its ``common/config`` names the keys that are not documented.
"""

from __future__ import annotations

from typing import Any

from timepoint.config.names import HEADER_NAME, OWN_HEADERS
from timepoint.importing.notes import Kind
from timepoint.importing.reading import Node, text_of
from timepoint.importing.secrets import Variables, names_secret

_TLS = ("ca_file", "cert_file", "key_file", "server_name")
_KNOWN = frozenset((
    "basic_auth", "authorization", "bearer_token", "bearer_token_file", "oauth2", "tls_config", "proxy_url",
    "no_proxy", "proxy_from_environment", "proxy_connect_header", "follow_redirects", "enable_http2", "http_headers",
))  # fmt: skip


def source_keys(module: Node, variables: Variables) -> dict[str, Any]:
    """The keys of a source for a module, its ``url`` aside."""
    keys: dict[str, Any] = {}
    http = module.node("http_client_config")
    if http is not None:
        http.unknown(_KNOWN, "is no key of http_client_config")
        keys |= _credentials(http, variables)
        if tls := _tls(http):
            keys["tls_config"] = tls
        keys |= _proxy(http)
        _note_rest(http)
    headers = _plain_headers(module, variables, keys)
    headers |= _http_headers(http, variables) if http is not None else {}
    if headers:
        keys["http_headers"] = headers
    return keys


def _credentials(http: Node, variables: Variables) -> dict[str, Any]:
    if (basic := http.node("basic_auth")) is not None:
        return {"basic_auth": _basic(basic, variables)}
    if (authorization := http.node("authorization")) is not None:
        found = _one_of(authorization, "credentials", variables)
        if scheme := authorization.text("type"):
            found = {"type": scheme, **found}
        return {"authorization": found}
    if http.text("bearer_token_file"):
        return {"authorization": {"credentials_file": http.text("bearer_token_file")}}
    if http.text("bearer_token"):
        return {"authorization": {"credentials": variables.reference(http, "bearer_token")}}
    if (oauth2 := http.node("oauth2")) is not None:
        return {"oauth2": _oauth2(oauth2, variables)}
    return {}


def _one_of(node: Node, key: str, variables: Variables) -> dict[str, Any]:
    """The file of a credential, or a variable in place of its text."""
    _note_reference(node, key)
    if node.text(f"{key}_file"):
        return {f"{key}_file": node.text(f"{key}_file")}
    return {key: variables.reference(node, key)}


def _note_reference(node: Node, key: str) -> None:
    if f"{key}_ref" in node.data:
        node.note(Kind.DECIDE, "a secret of a secret manager: write it to a file, or into the variable", f"{key}_ref")


def _basic(node: Node, variables: Variables) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if node.text("username_file"):
        found["username_file"] = node.text("username_file")
    else:
        found["username"] = node.text("username")
    if "password" in node.data and not node.text("password"):
        return found | {"password": ""}
    return found | _one_of(node, "password", variables)


_OAUTH2 = frozenset((
    "client_id", "client_secret", "client_secret_file", "client_secret_ref", "token_url", "scopes", "endpoint_params",
    "tls_config", "proxy_url", "no_proxy", "proxy_from_environment", "proxy_connect_header",
))  # fmt: skip


def _oauth2(node: Node, variables: Variables) -> dict[str, Any]:
    node.unknown(_OAUTH2, "has no counterpart in oauth2 of a source")
    found: dict[str, Any] = {"client_id": node.text("client_id")}
    found |= _one_of(node, "client_secret", variables)
    found["token_url"] = node.text("token_url")
    if scopes := node.list_of_texts("scopes"):
        found["scopes"] = scopes
    if params := node.node("endpoint_params"):
        found["endpoint_params"] = {
            name: variables.reference(params, name) if names_secret(name) else params.text(name) for name in params.data
        }
    if tls := _tls(node):
        found["tls_config"] = tls
    for key in ("proxy_url", "no_proxy", "proxy_from_environment", "proxy_connect_header"):
        if node.data.get(key):
            node.note(Kind.LOST, "tokens are asked for through the proxy of the source, or through none", key)
    return found


def _tls(http: Node) -> dict[str, Any]:
    tls = http.node("tls_config")
    if tls is None:
        return {}
    found: dict[str, Any] = {key: tls.text(key) for key in _TLS if tls.text(key)}
    if tls.flag("insecure_skip_verify", default=False):
        found["insecure_skip_verify"] = True
    for key in ("ca", "cert", "key"):
        if tls.data.get(key):
            tls.note(Kind.DECIDE, f"write what stands here to a file, and name it in {key}_file", key)
        if tls.data.get(f"{key}_ref"):
            tls.note(Kind.DECIDE, f"a secret of a secret manager: write it to a file, and name it in {key}_file")
    for key in ("min_version", "max_version"):
        if tls.data.get(key):
            tls.note(Kind.LOST, "versions of TLS cannot be chosen: TLS 1.2 and 1.3 are spoken", key)
    known = {*_TLS, "insecure_skip_verify", "ca", "cert", "key", "ca_ref", "cert_ref", "key_ref"}
    tls.unknown(frozenset({*known, "min_version", "max_version"}), "is no key of tls_config")
    return found


def _proxy(http: Node) -> dict[str, Any]:
    url = http.text("proxy_url")
    if http.flag("proxy_from_environment", default=False):
        http.note(
            Kind.DECIDE, "the environment is not asked for a proxy: name it in proxy_url", "proxy_from_environment"
        )
    if http.text("no_proxy"):
        http.note(Kind.DECIDE, "leave out proxy_url of the sources that are reached without it", "no_proxy")
    if http.data.get("proxy_connect_header"):
        http.note(Kind.LOST, "a proxy is sent no headers", "proxy_connect_header")
    if not url:
        return {}
    if not url.startswith("http://") or "@" in url:
        http.note(Kind.LOST, "a proxy is reached by http:// and without credentials", "proxy_url")
        return {}
    return {"proxy_url": url}


def _note_rest(http: Node) -> None:
    if http.flag("follow_redirects", default=True) is False:
        text = "redirects to the same scheme, host and port are followed"
        http.note(Kind.CHANGED, text, "follow_redirects")


def _plain_headers(module: Node, variables: Variables, keys: dict[str, Any]) -> dict[str, Any]:
    """``headers`` of a module; one that is a credential goes where credentials are kept."""
    found: dict[str, Any] = {}
    node = module.node("headers")
    if node is None:
        return found
    for name in node.data:
        value = node.text(name)
        rest = value.partition(" ")[2]
        if name.lower() in OWN_HEADERS:
            node.note(Kind.LOST, "is set by the exporter itself", name)
        elif HEADER_NAME.fullmatch(name) is None:
            node.note(Kind.LOST, "is no name of a header, so json_exporter asked nothing", name)
        elif name.lower() == "authorization" and rest:
            _authorization_header(node, name, variables, keys, found)
        elif names_secret(name):
            found[name] = {"secrets": [variables.reference(node, name)]}
        elif value:
            found[name] = {"values": [value]}
    return found


def _authorization_header(
    node: Node, name: str, variables: Variables, keys: dict[str, Any], found: dict[str, Any]
) -> None:
    """A header ``Authorization``, which wins over all other ways."""
    scheme = node.text(name).partition(" ")[0]
    for way in [key for key in keys if key in ("basic_auth", "authorization", "oauth2")]:
        node.note(Kind.CHANGED, f"the header won over {way}, which is left out", name)
        del keys[way]
    if scheme.lower() == "basic":
        found[name] = {"secrets": [variables.reference(node, name)]}
    else:
        keys["authorization"] = {"type": scheme, "credentials": variables.reference(node, name)}
        node.note(Kind.CHANGED, f"the variable holds what stands behind the word {scheme}", name)


def _http_headers(http: Node, variables: Variables) -> dict[str, Any]:
    """``http_headers`` of Prometheus' own: name to ``values``, ``secrets`` and ``files``."""
    found: dict[str, Any] = {}
    node = http.node("http_headers")
    if node is None:
        return found
    for name in node.data:
        header = node.node(name)
        if header is None:
            continue
        given = [(kind, place) for kind in ("values", "secrets", "files") for place in _places(header, kind)]
        if len(given) > 1:
            header.note(Kind.LOST, "a header is sent once: the first value is kept")
        for kind, place in given[:1]:
            value = text_of(header.data[kind][place]) or ""
            text = variables.reference(header, kind, place, name=name) if kind == "secrets" else value
            found[name] = {kind: [text]}
    return found


def _places(header: Node, kind: str) -> range:
    value = header.data.get(kind)
    return range(len(value)) if isinstance(value, list) else range(0)
