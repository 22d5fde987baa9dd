"""containers-registries.d(5): whether the signatures of a repository are looked for beside its images."""

from __future__ import annotations

from typing import Any, NamedTuple

from dacha.config import places
from dacha.config.names import enclosing, split_version, wildcards
from dacha.config.reading import ConfigError, read_bytes
from dacha.config.table import Table
from dacha.paths import find_packages

_OPTION = "use-sigstore-attachments"
_SECTION_KEYS = ("lookaside", "lookaside-staging", "sigstore", "sigstore-staging")  # of GPG signatures


class SignaturePlaces(NamedTuple):
    """What the files say: by default, and by scope. None is "does not say"."""

    default: bool | None
    scopes: dict[str, bool | None]

    def uses_attachments(self, name: str) -> bool:
        """Whether sigstore signatures count for a full name, with its tag or digest.

        The nearest scope that says something decides. Without any, they do not count.
        """
        repository, _ = split_version(name)
        scopes = (name, *enclosing(repository), *wildcards(repository.partition("/")[0]))
        said = (self.scopes[each] for each in scopes if self.scopes.get(each) is not None)
        return bool(next(said, self.default))


def load_signature_places() -> SignaturePlaces:
    """Read all files. Raises ConfigError, also where two say something of one scope."""
    default: bool | None = None
    default_file = ""
    scopes: dict[str, bool | None] = {}
    files: dict[str, str] = {}
    for file in places.registries_d():
        top = _read_yaml(file)
        if "default-docker" in top:
            if default_file:
                raise top.wrong("default-docker", f"is also in {default_file}")
            default, default_file = _option(top.table("default-docker")), file
        sections = top.table("docker")
        for scope in sections.names():
            if scope in files:
                raise sections.wrong(scope, f"is also in {files[scope]}")
            scopes[scope], files[scope] = _option(sections.table(scope)), file
    return SignaturePlaces(default, scopes)


def _option(section: Table) -> bool | None:
    section.ignore(*_SECTION_KEYS)
    return section.flag(_OPTION)


def _read_yaml(file: str) -> Table:
    find_packages()
    import yaml

    data = read_bytes(file) or b""
    try:
        content: Any = yaml.safe_load(data)
    except yaml.MarkedYAMLError as error:
        line = f" (line {error.problem_mark.line + 1})" if error.problem_mark else ""
        raise ConfigError(file, f"is not YAML: {error.problem}{line}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ConfigError(file, "is not YAML") from error
    if content is None:
        content = {}
    if not isinstance(content, dict) or any(not isinstance(key, str) for key in content):
        raise ConfigError(file, "must hold a mapping")
    return Table(file, content)
