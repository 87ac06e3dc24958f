"""What a container registry holds, asked over its API; stands for ECR's own knowledge of its images."""

import contextlib
import io
import json
import tarfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

_MANIFESTS = ", ".join(
    (
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    )
)
_SECONDS = 10


@dataclass(frozen=True)
class Image:
    """`config` is what its Dockerfile set: User, Volumes, Env, Cmd …"""

    digest: str
    architecture: str
    config: dict[str, Any]
    layers: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Registry:
    """`host` is `localhost:5000`."""

    host: str

    def image(self, repository: str, reference: str) -> Image | None:
        """By tag or digest; of an index, the first image."""
        found = self._manifest(repository, reference)
        if found is None:
            return None
        digest, manifest = found
        if "manifests" in manifest:
            inner = self._manifest(repository, manifest["manifests"][0]["digest"])
            assert inner is not None
            manifest = inner[1]
        config = json.loads(self._get(f"{repository}/blobs/{manifest['config']['digest']}").read())
        layers = [layer["digest"] for layer in manifest["layers"]]
        return Image(digest, config["architecture"], config.get("config") or {}, layers)

    def tags(self, repository: str) -> dict[str, str]:
        """By tag, the digest."""
        try:
            names = json.loads(self._get(f"{repository}/tags/list").read())["tags"] or []
        except urllib.error.HTTPError:
            return {}
        found = {name: self._manifest(repository, name) for name in names}
        return {name: manifest[0] for name, manifest in found.items() if manifest}

    def delete(self, repository: str, digest: str) -> None:
        self._get(f"{repository}/manifests/{digest}", "DELETE").close()

    def has_file(self, repository: str, image: Image, path: str) -> bool:
        """Whether the last layer that speaks of it has it."""
        wanted, gone = path.lstrip("/"), _whiteout(path)
        for layer in reversed(image.layers):
            names = set(self._names(repository, layer))
            if wanted in names:
                return True
            if gone in names:
                return False
        return False

    def _names(self, repository: str, layer: str) -> Iterator[str]:
        content = io.BytesIO(self._get(f"{repository}/blobs/{layer}").read())
        with tarfile.open(fileobj=content) as archive:
            for member in archive:
                yield member.name.removeprefix("./")

    def _manifest(self, repository: str, reference: str) -> tuple[str, dict[str, Any]] | None:
        try:
            with self._get(f"{repository}/manifests/{reference}") as answer:
                return str(answer.headers["Docker-Content-Digest"]), json.loads(answer.read())
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def _get(self, path: str, method: str = "GET") -> Any:
        headers = {"Accept": _MANIFESTS}
        request = urllib.request.Request(f"http://{self.host}/v2/{path}", headers=headers, method=method)
        return urllib.request.urlopen(request, timeout=_SECONDS)


def _whiteout(path: str) -> str:
    folder, _, name = path.lstrip("/").rpartition("/")
    return f"{folder}/.wh.{name}".lstrip("/")


def delete_all(registry: Registry, repository: str) -> None:
    """What force_delete does; an image that is gone already is none to delete."""
    for digest in set(registry.tags(repository).values()):
        with contextlib.suppress(urllib.error.HTTPError):
            registry.delete(repository, digest)
