"""The verbs of `dacha image`."""

from __future__ import annotations

from dacha.cli.nouns.options import PLATFORM, PROGRESS, QUIET, REGISTRY
from dacha.fast.grammar import FLAG, LIST, TEXT, Option, Verb

SUMMARY = "Images: in the store, and to make boxes of."

_MANY = 1 << 16
_JSON = Option("--json", FLAG, "As JSON.")

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
        "pull",
        "Pull images from registries and print their ids.",
        "dacha.cli.remote:pull_images",
        (
            Option("-a --all-tags", FLAG, "All images of the repository."),
            PLATFORM,
            QUIET,
            PROGRESS,
            *REGISTRY,
        ),
        operand="NAME...",
        least=1,
        most=_MANY,
        examples=(
            "dacha image pull docker.io/library/alpine:3.22",
            "dacha image pull --creds ada:secret registry.example/team/tools",
        ),
    ),
    Verb(
        "push",
        "Push an image to a registry, or into files, and print its digest.",
        "dacha.cli.transfer:push_image",
        (QUIET, PROGRESS, *REGISTRY),
        operand="IMAGE [DESTINATION]",
        least=1,
        most=2,
        examples=(
            "dacha image push registry.example/team/tools:2",
            "dacha image push mine registry.example/team/mine:1",
            "dacha image push debian oci-archive:debian.tar:latest",
        ),
    ),
    Verb(
        "copy",
        "Copy an image between registries and files, and print its digest.",
        "dacha.cli.transfer:copy_image",
        (PLATFORM, QUIET, PROGRESS, *REGISTRY),
        operand="SOURCE DESTINATION",
        least=2,
        most=2,
        examples=("dacha image copy docker://docker.io/library/alpine oci:alpine:latest",),
    ),
    Verb(
        "inspect",
        "Show all that is known of images, as JSON.",
        "dacha.cli.transfer:inspect_images",
        (Option("--remote", FLAG, "As the registry has it; nothing is downloaded."), PLATFORM, *REGISTRY),
        operand="IMAGE...",
        least=1,
        most=_MANY,
        examples=("dacha image inspect debian", "dacha image inspect --remote docker.io/library/alpine"),
    ),
    Verb(
        "load",
        "Bring an image into the store and print its id.",
        "dacha.cli.images:load_image",
        (
            Option("-n --name", TEXT, "What to call it (default: as REF says).", "NAME"),
            PLATFORM,
            QUIET,
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
        "import-podman",
        "Take images over from podman's store, without a registry, and print their ids.",
        "dacha.cli.podman:import_podman",
        (
            Option("-a --all", FLAG, "All images that have a name there."),
            Option("--root", TEXT, "The graph root of another store (default: as storage.conf says).", "DIR"),
            _JSON,
            QUIET,
        ),
        operand="NAME...",
        most=_MANY,
        examples=(
            "dacha image import-podman --all",
            "dacha image import-podman fedora quay.io/toolbx/arch-toolbox",
            "dacha image import-podman --all --root /mnt/old/containers/storage",
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
        "tag",
        "Give an image more names; one that another image has moves.",
        "dacha.cli.image_names:tag_image",
        operand="IMAGE NAME...",
        least=2,
        most=_MANY,
        examples=("dacha image tag debian work work:1",),
    ),
    Verb(
        "untag",
        "Take names away from an image, all of them if none is given. The image stays.",
        "dacha.cli.image_names:untag_image",
        operand="IMAGE NAME...",
        least=1,
        most=_MANY,
        examples=("dacha image untag debian work:1", "dacha image untag debian"),
    ),
    Verb(
        "history",
        "Show how an image came to be, the last step first.",
        "dacha.cli.image_history:show_history",
        (
            _JSON,
            Option("--no-trunc", FLAG, "Show ids and commands in full."),
            Option("-q --quiet", FLAG, "Only the ids."),
        ),
        least=1,
        operand="IMAGE",
        examples=("dacha image history debian", "dacha image history --no-trunc debian"),
    ),
    Verb(
        "tree",
        "Show the layers of an image, and which other images share them.",
        "dacha.cli.image_history:show_tree",
        (_JSON,),
        operand="IMAGE",
        least=1,
        examples=("dacha image tree debian",),
    ),
    Verb(
        "prune",
        "Remove images that have no name, or with --all all that no box uses.",
        "dacha.cli.prune:prune_images",
        (
            Option("-a --all", FLAG, "Also images with names."),
            Option("-f --force", FLAG, "Do not ask."),
            Option(
                "--filter",
                LIST,
                "Only images with label=KEY[=VALUE], without it (label!=), or older than until=24h.",
                "FILTER",
            ),
            _JSON,
        ),
        most=0,
        examples=("dacha image prune", "dacha image prune --all --filter until=720h"),
    ),
    Verb(
        "import",
        "Make an image of the tar of a root file system, and print its id.",
        "dacha.cli.archives:import_image",
        (
            Option(
                "-c --change", LIST, "Set CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, USER, WORKDIR and the like."
            ),
            Option("-m --message", TEXT, "A line for the image's history."),
            QUIET,
        ),
        operand="FILE NAME",
        least=1,
        most=2,
        examples=(
            "dacha image import rootfs.tar.xz mine -c 'CMD bash'",
            "dacha tar work | dacha image import - work",
        ),
    ),
    Verb(
        "mount",
        "Mount an image, read-only, in dacha unshare, and print where; or list what is mounted.",
        "dacha.cli.unshare:mount_image",
        operand="IMAGE",
        examples=("dacha unshare sh -c 'ls $(dacha image mount debian)'",),
    ),
    Verb(
        "unmount",
        "Take mounts of images away, in dacha unshare.",
        "dacha.cli.unshare:unmount_image",
        (Option("-a --all", FLAG, "All of them."),),
        operand="IMAGE...",
        most=_MANY,
        examples=("dacha image unmount debian",),
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
        "Search the catalog, or a registry.",
        "dacha.cli.catalog:search_catalog",
        (_JSON, Option("--registry", TEXT, "Search in a registry instead.", "HOST"), *REGISTRY),
        operand="TERM",
        least=1,
        examples=("dacha image search suse", "dacha image search --registry quay.io toolbox"),
    ),
    Verb(
        "tags",
        "List the tags that a registry has of an image.",
        "dacha.cli.remote:list_tags",
        (_JSON, *REGISTRY),
        least=1,
        examples=("dacha image tags docker.io/library/alpine",),
    ),
)
