"""Image archives for the nodes: whole for a node's first import, thin afterwards.

buildah can only push a whole image, and reads and compresses every layer anew for a changed line of Python: some 20 s.
So the layers are read where buildah's store keeps them, as folders: each is packed once, and a thin archive has only
the layers that the nodes do not hold yet. Layers stay uncompressed, because the nodes are on this machine.
"""

import base64
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab.shell import LabError, run

LAYER = "application/vnd.oci.image.layer.v1.tar"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIGURATION = "application/vnd.oci.image.config.v1+json"


@dataclass(frozen=True, slots=True)
class Layer:
    """A packed layer."""

    digest: str
    path: Path


@dataclass(frozen=True, slots=True)
class Image:
    """An image in buildah's store: its configuration (OCI), and its layers from the lowest to the topmost."""

    name: str
    configuration: dict[str, Any]
    layers: tuple[Layer, ...]

    @classmethod
    def read(cls, name: str, store: Path) -> "Image":
        """The image of that name; packs the layers that were never packed. Raises LabError."""
        storage = store / "storage"
        entry = stored(storage, name)
        if entry is None:
            raise LabError(f"buildah's store {storage} has no image {name}")
        coded = base64.b64encode(f"sha256:{entry['id']}".encode()).decode()
        configuration = json.loads((storage / "overlay-images" / entry["id"] / f"={coded}").read_text())
        known = {layer["id"]: layer for layer in json.loads((storage / "overlay-layers" / "layers.json").read_text())}
        chain: list[str] = []
        identity: str | None = entry["layer"]
        while identity:
            chain.insert(0, identity)
            identity = known[identity].get("parent")
        layers = tuple(_pack(storage, store / "layers", identity) for identity in chain)
        configuration["rootfs"] = {"type": "layers", "diff_ids": [layer.digest for layer in layers]}
        return cls(name, configuration, layers)

    def digests(self) -> set[str]:
        return {layer.digest for layer in self.layers}

    def write(self, out: Path, held: set[str]) -> None:
        """An archive for nodes that hold the layers `held` already: those are left out."""
        blobs: dict[str, bytes] = {}
        configuration = _descriptor(CONFIGURATION, json.dumps(self.configuration).encode(), blobs)
        layers = [
            {"mediaType": LAYER, "digest": layer.digest, "size": layer.path.stat().st_size} for layer in self.layers
        ]
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": configuration, "layers": layers}
        described = _descriptor(MANIFEST, json.dumps(manifest).encode(), blobs)
        described["annotations"] = {
            "io.containerd.image.name": self.name,
            "org.opencontainers.image.ref.name": self.name,
        }
        with tarfile.open(out, "w") as tar:
            _add(tar, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
            _add(tar, "index.json", json.dumps({"schemaVersion": 2, "manifests": [described]}).encode())
            for digest, content in blobs.items():
                _add(tar, _blob(digest), content)
            for layer in self.layers:
                if layer.digest not in held:
                    tar.add(layer.path, arcname=_blob(layer.digest))


def stored(storage: Path, name: str) -> dict[str, Any] | None:
    """What buildah's store says about the image of that name, if it has one."""
    index = storage / "overlay-images" / "images.json"
    entries: list[dict[str, Any]] = json.loads(index.read_text()) if index.exists() else []
    return next((entry for entry in entries if name in (entry.get("names") or ())), None)


def _pack(storage: Path, folder: Path, identity: str) -> Layer:
    path, record = folder / f"{identity}.tar", folder / f"{identity}.digest"
    if not record.exists():
        source = storage / "overlay" / identity / "diff"
        # overlayfs says "deleted" by a character device 0:0
        if deleted := [path for path in run(["find", source, "-type", "c"]).split() if Path(path).stat().st_rdev == 0]:
            raise LabError(f"the image deletes a file of a lower layer, which no archive here can say: {deleted[0]}")
        folder.mkdir(parents=True, exist_ok=True)
        run(["tar", "--numeric-owner", "--sort=name", "-C", source, "-cf", path, "."], timeout=300)
        with path.open("rb") as content:
            record.write_text(f"sha256:{hashlib.file_digest(content, 'sha256').hexdigest()}")
    return Layer(record.read_text(), path)


def _descriptor(media_type: str, content: bytes, blobs: dict[str, bytes]) -> dict[str, Any]:
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    blobs[digest] = content
    return {"mediaType": media_type, "digest": digest, "size": len(content)}


def _blob(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))
