"""Options that verbs of several nouns share."""

from __future__ import annotations

from dacha.fast.grammar import FLAG, TEXT, Option

QUIET = Option("-q --quiet", FLAG, "Show no progress.")
PROGRESS = Option("--progress", TEXT, "How progress is shown: auto, plain, json or none.", "KIND")
PLATFORM = Option("--platform", TEXT, "Which of several: linux/arm64 (default: this machine's).", "PLATFORM")
REGISTRY = (
    Option("--authfile", TEXT, "File with the logins (default: as containers-auth.json(5) says).", "FILE"),
    Option("--creds", TEXT, "Login for this time.", "USER:PASSWORD"),
    Option("--tls-verify", TEXT, "false: plain HTTP and any certificate will do.", "BOOL"),
    Option("--cert-dir", TEXT, "Directory of .crt, .cert and .key files.", "DIR"),
    Option("--retry", TEXT, "How often to try again (default: 3).", "COUNT"),
    Option("--retry-delay", TEXT, "Time before the first of these; it doubles (default: 1s).", "SECONDS"),
)
