"""Read YAML as nodes, checked key by key, so that an error names its file, line and key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dacha import paths
from dacha.errors import DachaError

if TYPE_CHECKING:
    from yaml.nodes import Node

_MAX_BYTES = 1 << 20


class CatalogError(DachaError):
    """A catalog file that says something we do not understand; file, line and key are named."""


class Reader:
    """Walks the nodes of one file. Its methods raise CatalogError for what is not of their kind."""

    def __init__(self, path: str) -> None:
        self.path = path

    def error(self, node: Node, text: str) -> CatalogError:
        """The failure to raise for what is wrong at `node`."""
        return CatalogError(f"{self.path}:{node.start_mark.line + 1}: {text}")

    def mapping(self, node: Node, what: str) -> dict[str, Node]:
        """The values of a mapping by their keys, none of which stands twice."""
        from yaml.nodes import MappingNode

        if not isinstance(node, MappingNode):
            raise self.error(node, f"{what} must be a mapping")
        found: dict[str, Node] = {}
        for key, value in node.value:
            name = self.text(key, "a key")
            if name in found:
                raise self.error(key, f"key '{name}' stands twice")
            found[name] = value
        return found

    def text(self, node: Node, what: str) -> str:
        """A text of one line that is not empty."""
        from yaml.nodes import ScalarNode

        if not isinstance(node, ScalarNode) or not node.value:
            raise self.error(node, f"{what} must be a text")
        text = str(node.value)
        if any(char < " " or char == "\x7f" for char in text):
            raise self.error(node, f"{what} must be one line without control characters")
        return text

    def texts(self, node: Node, what: str) -> tuple[str, ...]:
        """A list of texts."""
        from yaml.nodes import SequenceNode

        if not isinstance(node, SequenceNode):
            raise self.error(node, f"{what} must be a list")
        return tuple(self.text(each, f"an entry of {what}") for each in node.value)

    def named_texts(self, node: Node, what: str) -> dict[str, str]:
        """A mapping of texts."""
        return {
            key: self.text(value, f"'{key}' of {what}") for key, value in self.mapping(node, what).items()
        }

    def flag(self, node: Node, what: str) -> bool:
        """`true` or `false`."""
        text = self.text(node, what)
        if text not in ("true", "false"):
            raise self.error(node, f"{what} must be true or false")
        return text == "true"

    def text_of(self, found: dict[str, Node], key: str, default: str) -> str:
        """The text of a key, or `default` where the key is not there; so with the next."""
        return self.text(found[key], f"'{key}'") if key in found else default

    def flag_of(self, found: dict[str, Node], key: str, *, default: bool) -> bool:
        """The flag of a key."""
        return self.flag(found[key], f"'{key}'") if key in found else default

    def check_keys(self, found: dict[str, Node], allowed: tuple[str, ...]) -> None:
        """Refuse keys that are not among `allowed`."""
        for key, node in found.items():
            if key not in allowed:
                raise self.error(node, f"unknown key '{key}'; known are {', '.join(allowed)}")


def compose(path: str) -> Node:
    """The root node of a file. Raises CatalogError."""
    paths.find_packages()
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(_MAX_BYTES + 1)
        if len(text) > _MAX_BYTES:
            raise CatalogError(f"{path}: larger than {_MAX_BYTES} bytes")
        root: Node | None = yaml.compose(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise CatalogError(f"{path}:{line}: {error.problem}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise CatalogError(f"{path}: {error}") from error
    if root is None:
        raise CatalogError(f"{path}:1: the file is empty")
    return root
