import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from lb_controller.runtime.certificates import CA_LIFE, LEAF_LIFE, Certificates, renewed

NOW = datetime(2026, 11, 25, tzinfo=UTC)
NAMES = ("web.system.svc", "web.system.svc.cluster.local")


def authorities(held: Certificates) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(held.authorities)


def test_the_first_ones_are_a_ca_and_a_leaf_that_it_signed() -> None:
    made = renewed(None, NAMES, NOW)
    [authority] = authorities(made)
    leaf = x509.load_pem_x509_certificate(made.leaf)
    leaf.verify_directly_issued_by(authority)
    assert authority.not_valid_after_utc == NOW + CA_LIFE
    assert leaf.not_valid_after_utc == NOW + LEAF_LIFE


def handshake(made: Certificates, trusted: bytes, name: str, folder: Path) -> None:
    """A whole TLS handshake in memory; raises ssl.SSLError when the client does not trust the server."""
    chain = folder / "chain.pem"
    chain.write_bytes(made.chain)
    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_side.load_cert_chain(chain)
    client_side = ssl.create_default_context(cadata=trusted.decode())
    one, two = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_side.wrap_bio(one, two, server_hostname=name)
    server = server_side.wrap_bio(two, one, server_side=True)
    for side in (client, server, client, server):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue


def test_a_client_that_trusts_the_ca_accepts_the_leaf_for_each_of_its_names(tmp_path: Path) -> None:
    made = renewed(None, NAMES, datetime.now(UTC))
    for name in NAMES:
        handshake(made, made.authorities, name, tmp_path)


def test_what_is_good_is_left_as_it_is() -> None:
    made = renewed(None, NAMES, NOW)
    assert renewed(made, NAMES, NOW + timedelta(days=200)) is made


def test_an_old_leaf_is_made_anew_by_the_same_ca() -> None:
    made = renewed(None, NAMES, NOW)
    later = renewed(made, NAMES, NOW + timedelta(days=250))
    assert later.leaf != made.leaf
    assert later.authorities == made.authorities


def test_a_leaf_for_other_names_is_made_anew() -> None:
    made = renewed(None, NAMES, NOW)
    assert renewed(made, ("other.svc",), NOW).leaf != made.leaf


def test_a_new_ca_stands_beside_the_old_one_until_that_has_ended(tmp_path: Path) -> None:
    born = datetime.now(UTC) - CA_LIFE + LEAF_LIFE - timedelta(days=1)
    first = renewed(None, NAMES, born)
    second = renewed(first, NAMES, datetime.now(UTC))
    assert authorities(second)[1] == authorities(first)[0]
    old_leaf = renewed(first, NAMES, born + timedelta(days=3000))
    assert old_leaf.authorities == first.authorities
    handshake(second, second.authorities, NAMES[0], tmp_path)
    third = renewed(second, NAMES, datetime.now(UTC) + CA_LIFE - LEAF_LIFE + timedelta(days=1))
    assert len(authorities(third)) == 2
    assert authorities(first)[0] not in authorities(third)


def test_no_leaf_outlives_its_ca() -> None:
    held = renewed(None, NAMES, NOW)
    for days in range(0, 2 * CA_LIFE.days, 30):
        held = renewed(held, NAMES, NOW + timedelta(days=days))
        leaf = x509.load_pem_x509_certificate(held.leaf)
        [issuer] = [one for one in authorities(held) if one.subject == leaf.issuer]
        assert NOW + timedelta(days=days) < leaf.not_valid_after_utc <= issuer.not_valid_after_utc


def test_what_cannot_be_read_or_does_not_belong_together_is_made_anew() -> None:
    made, other = renewed(None, NAMES, NOW), renewed(None, NAMES, NOW)
    broken = [
        Certificates(b"", b"", b"", b""),
        Certificates(b"no PEM", made.authority_key, made.leaf, made.leaf_key),
        Certificates(made.authorities, made.authority_key, made.leaf, other.leaf_key),
        Certificates(made.authorities, other.authority_key, made.leaf, made.leaf_key),
        Certificates(other.authorities, other.authority_key, made.leaf, made.leaf_key),
    ]
    for held in broken:
        mended = renewed(held, NAMES, NOW)
        assert renewed(mended, NAMES, NOW) is mended
        x509.load_pem_x509_certificate(mended.leaf).verify_directly_issued_by(authorities(mended)[0])
