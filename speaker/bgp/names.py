"""The host's name without a question to the DNS.

ExaBGP asks for the fully qualified name of the host while it is imported, before it has read a word of its
configuration. Where the DNS does not answer (a cluster that has just lost it, often because it lives behind the very
addresses that BGP should announce) that takes 10 s and more, once for the validation and once for the daemon.
Import this module before ExaBGP.
"""

import socket


def apply() -> None:
    """Have `socket.getfqdn` answer with the host's own name; nothing that we send holds a domain."""
    socket.getfqdn = _own_name


def _own_name(name: str = "") -> str:
    return name or socket.gethostname()
