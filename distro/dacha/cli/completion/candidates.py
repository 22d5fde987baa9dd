"""What a word may become: for each metavar of the grammar, where its values are found."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:  # a tenth of the whole time
    from collections.abc import Callable

# A candidate and what it is.
Candidate = tuple[str, str]

# Who completes the word.
WORDS, FILES, DIRECTORIES, COMMAND = "words", "files", "directories", "command"


class Offer:
    """Candidates, or (`action`) files or directories below `prefix`, which the shell knows best."""

    __slots__ = ("action", "candidates", "prefix")

    def __init__(self, action: str, candidates: list[Candidate], prefix: str = "") -> None:
        self.action = action
        self.candidates = candidates
        self.prefix = prefix


# What `registry.reference` reads: a layout and two of ours are directories, the others files.
TRANSPORTS = {
    "oci": "an image layout in a directory",
    "oci-archive": "an image layout in a tar",
    "docker-archive": "what docker save writes",
    "dir": "what skopeo writes to a directory",
    "tar": "a root file system in a tar",
    "rootfs": "a root file system in a directory",
    "containers-storage": "an image in podman's store",
}
_OF_DIRECTORIES = ("oci", "dir", "rootfs")


def boxes(_typed: str) -> Offer:
    """The boxes, with what they are made of."""
    from dacha.engine import state
    from dacha.storage import names

    return Offer(
        WORDS,
        [
            (name, f"{'running' if state.is_running(name) else 'stopped'}, of {image}")
            for name, image in names.boxes()
        ],
    )


def boxes_or_catalog(typed: str) -> Offer:
    """`enter` makes a box that is missing: the catalog, where no box begins like that."""
    found = boxes(typed)
    if typed and not any(name.startswith(typed) for name, _ in found.candidates):
        return catalog(typed)
    return found


def images(_typed: str) -> Offer:
    """The images in the store."""
    from dacha.storage import names

    return Offer(WORDS, [(name, f"in the store, from {source}") for name, source in names.images()])


def boxes_and_images(typed: str) -> Offer:
    """The boxes, and the images in the store."""
    return Offer(WORDS, [*boxes(typed).candidates, *images(typed).candidates])


def catalog(typed: str) -> Offer:
    """The catalog: bare names, and their versions when there is no doubt which distribution is meant."""
    from dacha.build import catalog_names

    fitting = [(name, text) for name, text in catalog_names.titles().items() if name.startswith(typed)]
    bare = [(name, text) for name, text in fitting if ":" not in name]
    is_decided = len(bare) < 2 or any(name == typed for name, _ in bare)
    return Offer(WORDS, fitting if is_decided else bare)


def references(typed: str) -> Offer:
    """All that `--image` takes: names of the store and the catalog, transports, paths."""
    transport, colon, _ = typed.partition(":")
    if colon and transport == "containers-storage":
        return Offer(WORDS, [])  # its records are podman's, and long to read
    if colon and transport in TRANSPORTS:
        return Offer(DIRECTORIES if transport in _OF_DIRECTORIES else FILES, [], f"{transport}:")
    if typed.startswith((".", "/", "~")):
        return Offer(FILES, [])
    found = images(typed).candidates
    known = {name for name, _ in found}
    found += [candidate for candidate in catalog(typed).candidates if candidate[0] not in known]
    found += [(f"{name}:", text) for name, text in TRANSPORTS.items()]
    if typed and not any(name.startswith(typed) for name, _ in found):
        return Offer(FILES, [])
    return Offer(WORDS, found)


def files(_typed: str) -> Offer:
    """Files and directories."""
    return Offer(FILES, [])


def volumes(_typed: str) -> Offer:
    """The volumes in the store."""
    from dacha.storage import names

    return Offer(WORDS, names.volumes())


def mounts(typed: str) -> Offer:
    """HOST:BOX or VOLUME:BOX, and options. What is in the box we do not look up; it often is the same."""
    source, colon, rest = typed.partition(":")
    target, second, _ = rest.partition(":")
    if second:
        start = f"{source}:{target}:"
        return Offer(WORDS, [(f"{start}ro", "read only"), (f"{start}rw", "read and write (the default)")])
    if not colon and not typed.startswith(("/", ".", "~")):
        named = volumes(typed).candidates
        if any(name.startswith(typed) for name, _ in named):
            return Offer(WORDS, [(f"{name}:", text) for name, text in named])
    return Offer(FILES, [], f"{source}:" if colon else "")


def platforms(_typed: str) -> Offer:
    """Those that images are made for, as they write them."""
    from dacha.registry import platform

    return Offer(WORDS, [(str(each), each.machine) for each in platform.known()])


def shells(_typed: str) -> Offer:
    """The shells that there is completion for."""
    return Offer(WORDS, [("bash", ""), ("zsh", ""), ("fish", "")])


def security_modules(_typed: str) -> Offer:
    """Those that there is a policy for."""
    return Offer(WORDS, [("apparmor", ""), ("selinux", "")])


def directories(_typed: str) -> Offer:
    """Directories."""
    return Offer(DIRECTORIES, [])


def switches(_typed: str) -> Offer:
    """Yes or no."""
    return Offer(WORDS, [("true", ""), ("false", "")])


def progress_kinds(_typed: str) -> Offer:
    """How progress can be shown."""
    return Offer(
        WORDS, [("auto", ""), ("plain", "a line for each step"), ("json", "for programs"), ("none", "")]
    )


def manifest_lists(_typed: str) -> Offer:
    """The manifest lists."""
    from dacha.storage import names

    return Offer(WORDS, names.manifest_lists())


def filters(_typed: str) -> Offer:
    """What images can be chosen by."""
    kinds = (("label=", "with that label"), ("label!=", "without it"), ("until=", "made before"))
    return Offer(WORDS, list(kinds))


def verbs(_typed: str) -> Offer:
    """All verbs and nouns."""
    from dacha.cli.nouns import NOUNS
    from dacha.fast.verbs import VERBS

    found = [(verb.name, verb.summary) for verb in VERBS.values()]
    return Offer(WORDS, [*found, *((noun, summary) for noun, (summary, _) in NOUNS.items())])


def nothing(_typed: str) -> Offer:
    """What only the user can know."""
    return Offer(WORDS, [])


# By metavar, of options and operands. A new metavar needs a line here, as a test says.
BY_METAVAR: dict[str, Callable[[str], Offer]] = {
    "ARCH": nothing,
    "BOOL": switches,
    "BOX": boxes,
    "COMMAND": nothing,
    "COUNT": nothing,
    "DESTINATION": references,
    "DIR": directories,
    "FILE": files,
    "FILTER": filters,
    "HOST": nothing,
    "BOX|IMAGE": boxes_and_images,
    "DRIVER": nothing,
    "IMAGE": images,
    "KEY=VALUE": nothing,
    "KIND": progress_kinds,
    "LIST": manifest_lists,
    "LABEL": nothing,
    "MODULE": security_modules,
    "MOUNT": mounts,
    "NAME": nothing,
    "OS": nothing,
    "PLATFORM": platforms,
    "OPTION": nothing,
    "REF": references,
    "REGISTRY": nothing,
    "SECONDS": nothing,
    "SHELL": shells,
    "SOURCE": references,
    "TEMPLATE": nothing,
    "TERM": nothing,
    "USER:PASSWORD": nothing,
    "VARIANT": nothing,
    "TEXT": nothing,
    "VERB": verbs,
    "VOLUME": volumes,
}
# Where a verb wants something else than the metavar says.
BY_VERB: dict[str, Callable[[str], Offer]] = {"enter": boxes_or_catalog, "create": catalog}
