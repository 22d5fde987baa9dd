"""The box verbs: distrobox's names for the flags that distrobox has."""

from __future__ import annotations

from dacha.fast.grammar import AFTER_DASHES, FLAG, LIST, REST, TEXT, Option, Verb

_MANY = 1 << 16

_YES = Option("-Y --yes", FLAG, "Answer yes to every question.")
_NO_TTY = Option("-T -H --no-tty", FLAG, "Do not give the command a terminal.")
_NO_WORKDIR = Option("-nw --no-workdir", FLAG, "Start in the home rather than in the current directory.")
_ALL = Option("-a --all", FLAG, "All boxes.")
_TIME = Option(
    "-t --time", TEXT, "Seconds that programs have to end before they are killed (default: 3).", "SECONDS"
)

ENTER = Verb(
    "enter",
    "Open a shell in a box, or run a command there on your terminal.",
    "dacha.fast.enter:enter",
    (
        Option("-n --name", TEXT, "The box (the same as the operand).", "BOX"),
        Option("-i --image", TEXT, "What to make the box of, should it be missing.", "REF"),
        _YES,
        _NO_TTY,
        _NO_WORKDIR,
    ),
    command=AFTER_DASHES,
    examples=("dacha enter debian", "dacha enter debian -- make -j4", "dacha enter -Y debian:trixie"),
)
RUN = Verb(
    "run",
    "Run a command in a box, for scripts: no terminal, no question, exact exit codes.",
    "dacha.fast.enter:run",
    (Option("-t --tty", FLAG, "Give the command a terminal."), _NO_WORKDIR),
    least=1,
    command=REST,
    examples=("dacha run debian -- cat /etc/os-release", "tar c . | dacha run debian -- tar t"),
)
CREATE = Verb(
    "create",
    "Create a box.",
    "dacha.cli.create:create",
    (
        Option("-n --name", TEXT, "The box's name (the same as the operand).", "NAME"),
        Option("-i --image", TEXT, "A catalog name, a path such as ./rootfs.tar, or TRANSPORT:PATH.", "REF"),
        Option(
            "--platform",
            TEXT,
            "For another machine, such as linux/arm64; qemu runs it.",
            "PLATFORM",
        ),
        Option("--hostname", TEXT, "The box's host name (default: the host's).", "NAME"),
        Option(
            "--volume",
            LIST,
            "Show a path of the host or a volume: /host:/box[:ro], NAME:/box, /box.",
            "MOUNT",
        ),
        Option("-d --dry-run", FLAG, "Only say what would be created."),
        _YES,
        Option("-q --quiet", FLAG, "Show no progress."),
    ),
    operand="NAME",
    examples=(
        "dacha create debian",
        "dacha create work --image debian:trixie",
        "dacha create old --image tar:rootfs.tar.gz --volume /srv/data:/data:ro",
        "dacha create pi --image oci-archive:debian.tar --platform linux/arm64",
    ),
)
LIST_BOXES = Verb(
    "list",
    "List the boxes.",
    "dacha.cli.listing:list_boxes",
    (Option("--json", FLAG, "As JSON."), Option("-q --quiet", FLAG, "Only the names.")),
    most=0,
    examples=("dacha list", "dacha list --json"),
)
START = Verb(
    "start",
    "Start boxes.",
    "dacha.cli.lifecycle:start",
    (_ALL,),
    operand="BOX...",
    most=_MANY,
    examples=("dacha start debian",),
)
STOP = Verb(
    "stop",
    "Stop boxes: everything in them ends.",
    "dacha.cli.lifecycle:stop",
    (_ALL, _YES, _TIME),
    operand="BOX...",
    most=_MANY,
    examples=("dacha stop debian", "dacha stop --all"),
)
RESTART = Verb(
    "restart",
    "Stop boxes and start them again.",
    "dacha.cli.lifecycle:restart",
    (_ALL, _TIME),
    operand="BOX...",
    most=_MANY,
    examples=("dacha restart debian",),
)
REMOVE = Verb(
    "rm",
    "Remove boxes. Your home is never touched.",
    "dacha.cli.lifecycle:remove",
    (_ALL, Option("-f --force", FLAG, "Also boxes that run."), _YES),
    operand="BOX...",
    most=_MANY,
    examples=("dacha rm debian", "dacha rm --force --all"),
)
INSPECT = Verb(
    "inspect",
    "Show all that is known of boxes, as JSON.",
    "dacha.cli.listing:inspect",
    (),
    operand="BOX...",
    least=1,
    most=_MANY,
    examples=("dacha inspect debian",),
)
DIFF = Verb(
    "diff",
    "Show what a box has changed in its image, or the top layer of an image in those below it.",
    "dacha.cli.changes:diff",
    (Option("--json", FLAG, "As JSON."),),
    operand="BOX|IMAGE",
    least=1,
    examples=("dacha diff debian", "dacha diff --json debian:trixie"),
)
COMMIT = Verb(
    "commit",
    "Make an image of a box: what it has changed becomes a layer on those of its image.",
    "dacha.cli.changes:commit",
    (
        Option("-a --author", TEXT, "Who made it."),
        Option("-m --message", TEXT, "A line for the image's history."),
        Option("-c --change", LIST, "Set CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, USER, WORKDIR and the like."),
        Option("-q --quiet", FLAG, "Show no progress."),
    ),
    operand="BOX NAME",
    least=2,
    most=2,
    examples=(
        "dacha commit work my-tools",
        "dacha commit work my-tools:2 -m 'with gcc' --change 'CMD [\"bash\"]'",
    ),
)
TAR = Verb(
    "tar",
    "Write a box's whole root file system as a tar: what image import makes an image of.",
    "dacha.cli.archives:write_box",
    (Option("-o --output", TEXT, "The file (default: standard output).", "FILE"),),
    least=1,
    examples=("dacha tar debian -o debian.tar", "dacha tar debian | zstd >debian.tar.zst"),
)
UNSHARE = Verb(
    "unshare",
    "Run a command, or a shell, where your boxes' files can be reached: in your user namespace.",
    "dacha.cli.unshare:unshare",
    operand="COMMAND",
    command=REST,
    examples=("dacha unshare", "dacha unshare du -sh ~/.local/share/containers/dacha"),
)
DOCTOR = Verb(
    "doctor",
    "Check this host and, if one is named, a box: what works, what does not, and what mends it.",
    "dacha.cli.doctor:doctor",
    (Option("--json", FLAG, "As JSON."),),
    examples=("dacha doctor", "dacha doctor debian", "dacha doctor --json"),
)
_AUTHFILE = Option(
    "--authfile", TEXT, "File with the logins (default: as containers-auth.json(5) says).", "FILE"
)
LOGIN = Verb(
    "login",
    "Log in to a registry: the login is checked, and kept where podman and skopeo have theirs.",
    "dacha.cli.login:login",
    (
        Option("-u --username", TEXT, "Who logs in (default: asked).", "NAME"),
        Option("--password-stdin", FLAG, "Read the password from standard input (default: asked)."),
        Option("--get-login", FLAG, "Only say who is logged in."),
        _AUTHFILE,
        Option("--tls-verify", TEXT, "false: plain HTTP and any certificate will do.", "BOOL"),
        Option("--cert-dir", TEXT, "Directory with the registry's certificates, as certs.d has them.", "DIR"),
    ),
    operand="REGISTRY",
    examples=(
        "dacha login registry.example.com",
        "pass show hub | dacha login -u ada --password-stdin docker.io",
    ),
)
LOGOUT = Verb(
    "logout",
    "Forget the login to a registry.",
    "dacha.cli.login:logout",
    (Option("-a --all", FLAG, "All registries."), _AUTHFILE),
    operand="REGISTRY",
    examples=("dacha logout registry.example.com", "dacha logout --all"),
)
COMPLETION = Verb(
    "completion",
    "Print the script that completes dacha's command line in bash, zsh or fish.",
    "dacha.cli.completion.scripts:print_script",
    operand="SHELL",
    least=1,
    examples=(
        'eval "$(dacha completion bash)"      # in ~/.bashrc',
        'eval "$(dacha completion zsh)"       # in ~/.zshrc, after compinit',
        "dacha completion fish >~/.config/fish/completions/dacha.fish",
    ),
)
HELP = Verb(
    "help",
    "Show the help of a verb, or what verbs there are.",
    "dacha.cli.help:show",
    operand="VERB...",
    most=_MANY,
    examples=("dacha help enter", "dacha help image load"),
)
VERSION = Verb(
    "version", "Show the version.", "dacha.cli.listing:version", (), most=0, examples=("dacha version",)
)

VERBS = {
    verb.name: verb
    for verb in (
        *(ENTER, RUN, CREATE, LIST_BOXES, START, STOP, RESTART, REMOVE, INSPECT),
        *(DIFF, COMMIT, TAR, UNSHARE, LOGIN, LOGOUT, DOCTOR, COMPLETION, HELP, VERSION),
    )
}
ALIASES = {"ls": "list"}
