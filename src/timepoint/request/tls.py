"""The TLS side of a source.

Owns: the client's TLS context, built anew when one of its files changes. Must not know: HTTP.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from timepoint.errors import SourceError
from timepoint.request.spec import TlsSpec

_VERIFY = ssl.VERIFY_X509_TRUSTED_FIRST | ssl.VERIFY_X509_PARTIAL_CHAIN
"""What every Python asks of a chain of certificates, and Go, so Prometheus, with it.

The defaults of Python changed with 3.13. VERIFY_X509_STRICT refuses private authorities that have served for years,
for the want of an Authority Key Identifier say: an upgrade of Python is no reason to lose an API. PARTIAL_CHAIN lets
``ca_file`` hold an authority that another one has signed; what is trusted is what stands in the file.
"""

_Stamp = tuple[tuple[str, int, int, int], ...]


class TlsContext:
    """The context of a source, kept until its files change: a renewed certificate needs no restart."""

    def __init__(self, spec: TlsSpec) -> None:
        self._spec = spec
        self._stamp: _Stamp | None = None
        self._context: ssl.SSLContext | None = None

    def current(self) -> ssl.SSLContext:
        """Raises SourceError("secret", ...) if a file cannot be used."""
        stamp = self._look()
        if self._context is None or stamp != self._stamp:
            self._context = self._build()
            self._stamp = stamp
        return self._context

    def _look(self) -> _Stamp:
        spec = self._spec
        stamps = []
        for path in (spec.ca_file, spec.cert_file, spec.key_file):
            if path is not None:
                try:
                    status = path.stat()
                except OSError as error:
                    raise SourceError("secret", f"the TLS file {path} cannot be read: {error.strerror}") from error
                stamps.append((str(path), status.st_mtime_ns, status.st_size, status.st_ino))
        return tuple(stamps)

    def _build(self) -> ssl.SSLContext:
        spec = self._spec
        context = _trusting(spec.ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if spec.cert_file is not None:
            try:
                # A password, so that an encrypted key is an error and not a question on the terminal.
                context.load_cert_chain(spec.cert_file, spec.key_file, password="")
            except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
                files = f"{spec.cert_file} and {spec.key_file}" if spec.key_file is not None else f"{spec.cert_file}"
                raise SourceError(
                    "secret", f"the TLS certificate and key in {files} cannot be used: {error}"
                ) from error
        if spec.insecure_skip_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def _trusting(ca_file: Path | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # ssl.SSLError is an OSError
        raise SourceError("secret", f"the CA file {ca_file} cannot be used: {error}") from error
    context.verify_flags = ssl.VerifyFlags(_VERIFY)
    return context
