"""`python -m lb_controller.runtime.sbom`: the Python packages of this environment and their licences, as CycloneDX.

The image's build writes it to /opt/heraldlb/app/sbom.cdx.json. It holds neither time nor serial number, so that the
same packages give the same bytes.
"""

import json
import re
import sys
from collections.abc import Iterable
from importlib.metadata import Distribution, distributions
from typing import Any

from lb_controller.runtime.version import VERSION

# Classifiers end in a name; these are the ones that licences of our packages have, as SPDX writes them.
_CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}


def document(found: Iterable[Distribution]) -> dict[str, Any]:
    """The bill of materials of these distributions, sorted by name."""
    components = sorted((_component(one) for one in found), key=lambda entry: str(entry["purl"]))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "name": "heraldlb",
                "version": VERSION,
                "licenses": [{"license": {"id": "MIT"}}],
            }
        },
        "components": components,
    }


def licence_of(found: Distribution) -> str:
    """What the package's metadata says: its SPDX expression, else its classifiers, else its free text, else ""."""
    if expressions := found.metadata.get_all("License-Expression"):
        return str(expressions[0])
    classifiers = [
        line.rsplit(" :: ", 1)[-1] for line in found.metadata.get_all("Classifier") or () if "License" in line
    ]
    known = [_CLASSIFIERS[name] for name in classifiers if name in _CLASSIFIERS]
    if known:
        return " OR ".join(dict.fromkeys(known))
    lines = "".join(found.metadata.get_all("License") or ()).strip().splitlines()
    return lines[0][:80] if lines else ""


def _component(found: Distribution) -> dict[str, Any]:
    name, version = found.metadata["Name"], found.version
    plain = re.sub(r"[-_.]+", "-", name).lower()
    entry: dict[str, Any] = {
        "type": "library",
        "name": name,
        "version": version,
        "purl": f"pkg:pypi/{plain}@{version}",
    }
    if licence := licence_of(found):
        entry["licenses"] = [{"license": {"name": licence}}]
    return entry


if __name__ == "__main__":
    json.dump(document(distributions()), sys.stdout, indent=1, sort_keys=True)
    print()
