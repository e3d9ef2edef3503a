"""TLS towards a broker: the context from files, and what a failed handshake means in words."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

from gateway.mqtt.errors import ConnectFailed

# OpenSSL's X509_V_ERR_* numbers.
_NOT_YET_VALID, _EXPIRED = 9, 10
_UNKNOWN_ISSUER = {2, 18, 19, 20, 21}
_WRONG_NAME = {62, 63, 64}


def make_context(ca_file: Path | None, cert_file: Path | None, key_file: Path | None) -> ssl.SSLContext:
    """TLS 1.2 or newer, name and chain verified against `ca_file` or else the system's authorities. Blocks on files."""
    for key, path in (("ca_file", ca_file), ("cert_file", cert_file), ("key_file", key_file)):
        if path is not None:
            try:
                path.read_bytes()
            except OSError as error:
                raise ConnectFailed(f"{key} {path} cannot be read: {error.strerror}") from None
    try:
        context = ssl.create_default_context(cafile=ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if cert_file is not None:
            context.load_cert_chain(cert_file, key_file)
    except ssl.SSLError as error:
        files = ", ".join(str(path) for path in (ca_file, cert_file, key_file) if path is not None)
        raise ConnectFailed(f"{files}: not usable as PEM certificate and key: {error}") from None
    return context


def explain(error: OSError, host: str, port: int, is_tls: bool, ca_file: Path | None) -> ConnectFailed:
    """Why no connection came about, in one sentence."""
    is_refused = isinstance(error, ConnectionRefusedError)
    return ConnectFailed(_sentence(error, host, port, is_tls, ca_file), is_refused=is_refused)


def _sentence(error: OSError, host: str, port: int, is_tls: bool, ca_file: Path | None) -> str:
    where = f"{host}:{port}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return _explain_certificate(error, host, where, ca_file)
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or str(error)).replace("_", " ").lower()
        if "wrong version number" in reason or "record layer" in reason:
            return f"{where} does not speak TLS; use mqtt:// for it, or the port of its TLS listener"
        if "certificate required" in reason or "handshake failure" in reason or "alert" in reason:
            return f"{where} refuses our side of TLS ({reason}); does it want a certificate of ours (cert_file)?"
        return f"TLS with {where} failed: {reason}"
    if isinstance(error, socket.gaierror):
        return f"the host name {host!r} is not found; check the name and this computer's network"
    if isinstance(error, ConnectionRefusedError):
        return f"nothing listens at {where}; is the broker running?"
    if is_tls and isinstance(error, ConnectionResetError):
        return f"{where} broke off the TLS handshake; is this the port of its TLS listener?"
    return f"{where} cannot be reached: {error.strerror or error}"


def _explain_certificate(error: ssl.SSLCertVerificationError, host: str, where: str, ca_file: Path | None) -> str:
    code = error.verify_code
    if code == _EXPIRED:
        return f"the certificate of {where} has expired (or this computer's clock is wrong)"
    if code == _NOT_YET_VALID:
        return f"the certificate of {where} is not valid yet; is this computer's clock right?"
    if code in _WRONG_NAME:
        return f"the certificate of {where} is for another host name than {host!r}"
    if code in _UNKNOWN_ISSUER:
        signer = f"ca_file {ca_file}" if ca_file else "an authority this system knows; give its ca_file"
        return f"the certificate of {where} is not signed by {signer}"
    return f"the certificate of {where} is not acceptable: {error.verify_message}"
