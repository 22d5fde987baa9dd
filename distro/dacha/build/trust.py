"""Ask the policy (policy.json) before anything of an image is used.

Whom the policy wants a signature of, the registry is asked for it: signatures lie beside their
image, under a tag that is made of its digest (`config.sigstore`).
"""

from __future__ import annotations

from collections.abc import Collection

from dacha.config.policy import load_policy
from dacha.config.registries_d import load_signature_places
from dacha.config.sigstore import PAYLOAD_TYPE, SIGNATURE_ANNOTATION, Signature, signature_tag, verify
from dacha.registry import manifest as manifests
from dacha.registry.image_name import ImageName
from dacha.registry.remote.client import Client
from dacha.registry.remote.errors import RemoteImageNotFoundError


def check_local(transport: str, path: str) -> None:
    """See that an image may be taken from that file or directory. Raises PolicyError."""
    for requirement in load_policy().decide(transport, path):
        verify(requirement, f"{transport}:{path}", (), ())


def check_name(name: ImageName) -> None:
    """See that an image may be asked for at all. Raises PolicyError."""
    load_policy().decide("docker", str(name))


def check_remote(client: Client, name: ImageName, digests: Collection[str]) -> None:
    """See that the image with these digests, of its manifest and of the index above it, may be used.

    `name` is what the user asked for, `client` where it was found. Raises PolicyError.
    """
    requirements = load_policy().decide("docker", str(name))
    if not requirements:
        return
    signatures: list[Signature] = []
    if load_signature_places().uses_attachments(str(name)):
        signatures = [each for digest in digests for each in _signatures(client, digest)]
    for requirement in requirements:
        verify(requirement, str(name), digests, signatures)


def _signatures(client: Client, digest: str) -> list[Signature]:
    try:
        value = client.document(signature_tag(digest)).value
    except RemoteImageNotFoundError:
        return []
    found = []
    for entry in manifests.objects_of(value, "layers", "the signatures"):
        descriptor = manifests.as_descriptor(entry)
        text = manifests.as_object(entry.get("annotations") or {}).get(SIGNATURE_ANNOTATION)
        if descriptor.media_type == PAYLOAD_TYPE and isinstance(text, str):
            found.append(Signature(client.read_blob(descriptor), text))
    return found
