"""`python -m speaker.bgp.validate CONFIGURATION`: ExaBGP's own `exabgp validate`, without its question to the DNS."""

import sys

from speaker.bgp import names


def main(path: str) -> int:
    """Exit status of `exabgp validate`; what it complains of goes to standard output and standard error."""
    names.apply()
    # Imported late: ExaBGP asks while it is imported.
    from exabgp.application.main import main as exabgp  # noqa: PLC0415

    sys.argv = ["exabgp", "validate", path]
    return int(exabgp() or 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
