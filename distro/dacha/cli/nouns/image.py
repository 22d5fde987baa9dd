"""The verbs of `dacha image`."""

from __future__ import annotations

from dacha.fast.grammar import FLAG, TEXT, Option, Verb

SUMMARY = "Images: in the store, and to make boxes of."

_MANY = 1 << 16
_JSON = Option("--json", FLAG, "As JSON.")
_QUIET = Option("-q --quiet", FLAG, "Show no progress.")

VERBS = (
    Verb(
        "list",
        "List the images in the store.",
        "dacha.cli.images:list_images",
        (_JSON, Option("-q --quiet", FLAG, "Only the ids.")),
        most=0,
        examples=("dacha image list", "dacha image list --json"),
    ),
    Verb(
        "load",
        "Bring an image into the store and print its id.",
        "dacha.cli.images:load_image",
        (
            Option("-n --name", TEXT, "What to call it (default: as REF says).", "NAME"),
            Option(
                "--platform",
                TEXT,
                "Which of several: linux/arm64 (default: this machine's).",
                "PLATFORM",
            ),
            _QUIET,
        ),
        operand="REF",
        least=1,
        examples=(
            "dacha image load tar:rootfs.tar.xz --name mine",
            "dacha image load oci-archive:fedora.tar",
            "dacha image load bootstrap:fedora",
            "dacha image load oci:fedora --platform linux/arm64",
            "podman save alpine | dacha image load - --name alpine",
        ),
    ),
    Verb(
        "rm",
        "Remove images, and the layers that no other image needs.",
        "dacha.cli.images:remove_images",
        (
            Option("-a --all", FLAG, "All images that no box uses."),
            Option("-f --force", FLAG, "A missing image is no failure."),
        ),
        operand="IMAGE...",
        most=_MANY,
        examples=("dacha image rm debian:trixie",),
    ),
    Verb(
        "catalog",
        "Show all distributions of the catalog.",
        "dacha.cli.catalog:list_catalog",
        (_JSON,),
        most=0,
        examples=("dacha image catalog",),
    ),
    Verb(
        "search",
        "Search the catalog.",
        "dacha.cli.catalog:search_catalog",
        (_JSON,),
        operand="TERM",
        least=1,
        examples=("dacha image search suse",),
    ),
)
