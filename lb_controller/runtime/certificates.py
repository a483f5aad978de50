"""The certificates of a TLS server that nobody else provides for: a CA of our own and a leaf signed by it.

Pure but for the keys' randomness: the time is an argument. A leaf lasts a year and is due for renewal after two thirds
of it; a CA lasts ten years and is due a leaf's life before its end, so that no leaf outlives its CA. A new CA does not
push out the old one: `authorities` holds both until the old one has ended, so whoever trusts them accepts leaves of
either, and renewing cuts off nobody.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_LIFE = timedelta(days=3650)
LEAF_LIFE = timedelta(days=365)
_SLACK = timedelta(hours=1)  # clocks of other machines may be behind


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM texts: `authorities` (newest first) and the newest one's key; `leaf` and its key."""

    authorities: bytes
    authority_key: bytes
    leaf: bytes
    leaf_key: bytes

    @property
    def chain(self) -> bytes:
        """Leaf and key in one text, as a TLS server loads them."""
        return self.leaf + self.leaf_key


def renewed(held: Certificates | None, names: tuple[str, ...], now: datetime) -> Certificates:
    """`held` itself when it serves `names` well past `now`; otherwise with what is due made anew.

    What cannot be read, or does not belong together, counts as absent. The first name is the leaf's common name.
    """
    try:
        parts = _read(held) if held is not None else None
    except (ValueError, TypeError):  # what cryptography raises for texts that are no PEM
        parts = None
    if parts is None or held is None:
        return _all_new((), names, now)
    if now > _end(parts.authorities[0]) - LEAF_LIFE:
        return _all_new(parts.authorities, names, now)
    if now > _begin(parts.leaf) + LEAF_LIFE * 2 / 3 or _names(parts.leaf) != list(names):
        leaf, key = _make_leaf(parts.authorities[0], parts.authority_key, names, now)
        return Certificates(held.authorities, held.authority_key, leaf, key)
    return held


@dataclass(frozen=True, slots=True)
class _Parts:
    authorities: tuple[x509.Certificate, ...]
    authority_key: ec.EllipticCurvePrivateKey
    leaf: x509.Certificate


def _read(held: Certificates) -> _Parts | None:
    authorities = tuple(x509.load_pem_x509_certificates(held.authorities))
    leaf = x509.load_pem_x509_certificate(held.leaf)
    authority_key = serialization.load_pem_private_key(held.authority_key, None)
    leaf_key = serialization.load_pem_private_key(held.leaf_key, None)
    if not isinstance(authority_key, ec.EllipticCurvePrivateKey):
        return None
    pairs = ((authorities[0], authority_key.public_key()), (leaf, leaf_key.public_key()))
    if any(certificate.public_key() != key for certificate, key in pairs):
        return None
    if not any(leaf.issuer == authority.subject for authority in authorities):
        return None
    return _Parts(authorities, authority_key, leaf)


def _all_new(known: Iterable[x509.Certificate], names: tuple[str, ...], now: datetime) -> Certificates:
    key = ec.generate_private_key(ec.SECP256R1())
    serial = x509.random_serial_number()
    subject = _subject(f"{names[0]} CA {serial % 10**8:08}")
    authority = (
        _builder(subject, subject, key, now, CA_LIFE)
        .serial_number(serial)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    trusted = [authority, *(other for other in known if _end(other) > now)]
    leaf, leaf_key = _make_leaf(authority, key, names, now)
    return Certificates(b"".join(map(_pem, trusted)), _pem_key(key), leaf, leaf_key)


def _make_leaf(
    authority: x509.Certificate, authority_key: ec.EllipticCurvePrivateKey, names: tuple[str, ...], now: datetime
) -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = (
        _builder(_subject(names[0]), authority.subject, key, now, LEAF_LIFE)
        .serial_number(x509.random_serial_number())
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    return _pem(leaf), _pem_key(key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    return builder.not_valid_before(now - _SLACK).not_valid_after(now + life)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])  # the limit of X.520


def _names(leaf: x509.Certificate) -> list[str]:
    found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return found.value.get_values_for_type(x509.DNSName)


def _begin(certificate: x509.Certificate) -> datetime:
    return certificate.not_valid_before_utc


def _end(certificate: x509.Certificate) -> datetime:
    return certificate.not_valid_after_utc


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _pem_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
