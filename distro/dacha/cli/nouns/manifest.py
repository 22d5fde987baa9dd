"""The verbs of `dacha manifest`."""

from __future__ import annotations

from dacha.cli.nouns.options import PLATFORM, PROGRESS, QUIET, REGISTRY
from dacha.fast.grammar import FLAG, LIST, TEXT, Option, Verb

SUMMARY = "Lists of images for several platforms, pushed under one name."

_MANY = 1 << 16
_ALL = Option("-a --all", FLAG, "All images of an index, not only the one for this machine.")
_WISH = (
    Option("--os", TEXT, "Operating system (default: the image's).", "OS"),
    Option("--arch", TEXT, "Architecture (default: the image's).", "ARCH"),
    Option("--variant", TEXT, "Variant of the architecture (default: the image's).", "VARIANT"),
    Option("--annotation", LIST, "An annotation of the image in the list.", "KEY=VALUE"),
)

VERBS = (
    Verb(
        "create",
        "Create a list and print its name.",
        "dacha.cli.manifests:create_list",
        (_ALL, Option("--amend", FLAG, "In place of one of that name."), PLATFORM, *REGISTRY),
        operand="LIST [IMAGE...]",
        least=1,
        most=_MANY,
        examples=("dacha manifest create registry.example/team/tools:1 tools-amd64 tools-arm64",),
    ),
    Verb(
        "add",
        "Put images into a list: of the store, or of registries.",
        "dacha.cli.manifests:add_images",
        (_ALL, *_WISH, PLATFORM, *REGISTRY),
        operand="LIST IMAGE...",
        least=2,
        most=_MANY,
        examples=("dacha manifest add --arch arm64 tools:1 tools-arm",),
    ),
    Verb(
        "annotate",
        "Change what a list says of one of its images.",
        "dacha.cli.manifests:annotate_image",
        _WISH,
        operand="LIST IMAGE",
        least=2,
        most=2,
        examples=("dacha manifest annotate --variant v7 tools:1 sha256:0123abcd",),
    ),
    Verb(
        "inspect",
        "Show a list, as JSON.",
        "dacha.cli.manifests:inspect_list",
        operand="LIST",
        least=1,
        examples=("dacha manifest inspect tools:1",),
    ),
    Verb(
        "list", "List the lists.", "dacha.cli.manifests:list_lists", most=0, examples=("dacha manifest list",)
    ),
    Verb(
        "push",
        "Push a list and all its images, and print the digest of the index.",
        "dacha.cli.manifests:push_list",
        (Option("--rm", FLAG, "Remove the list afterwards."), QUIET, PROGRESS, *REGISTRY),
        operand="LIST [NAME]",
        least=1,
        most=2,
        examples=("dacha manifest push tools:1 registry.example/team/tools:1",),
    ),
    Verb(
        "rm",
        "Remove lists, or an image from one.",
        "dacha.cli.manifests:remove_lists",
        (Option("--image", TEXT, "Only take this image out.", "IMAGE"),),
        operand="LIST...",
        least=1,
        most=_MANY,
        examples=("dacha manifest rm tools:1", "dacha manifest rm tools:1 --image sha256:0123abcd"),
    ),
)
