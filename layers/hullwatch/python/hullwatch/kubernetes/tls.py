"""TLS with a cluster: whose certificates count, and the certificate that a client shows."""

from __future__ import annotations

import base64
import ssl
import tempfile

from hullwatch.errors import ConfigurationError


def trusting(ca_data: str) -> ssl.SSLContext:
    """TLS that takes nothing but this authority's certificates, for the host that is asked.

    Not ``create_default_context``: from Python 3.13 on that asks for extensions which the authorities of
    older clusters do not have.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        pem = ca_data if "BEGIN CERTIFICATE" in ca_data else base64.b64decode(ca_data, validate=True).decode()
        context.load_verify_locations(cadata=pem)
    except (ValueError, ssl.SSLError) as error:
        raise ConfigurationError(f"the cluster's certificate authority is not readable: {error}") from None
    return context


def show_certificate(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """Have ``context`` show a client certificate (PEM, with its key in PEM) to whoever asks for one."""
    # OpenSSL reads a key from a file only. It is there for the owner alone, and for this moment.
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
        file.write(f"{certificate}\n{key}\n")
        file.flush()
        try:
            context.load_cert_chain(file.name, password="")
        except (ValueError, OSError) as error:
            raise ConfigurationError(f"the client certificate or its key is not readable: {error}") from None
