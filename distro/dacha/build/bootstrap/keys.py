"""Read the keys that a recipe names."""

from __future__ import annotations

import os

from dacha.build.bootstrap.errors import BootstrapError
from dacha.build.bootstrap.plan import File
from dacha.build.recipe import Recipe

_MAX_BYTES = 8 << 20  # Arch's keyring has 1


def read_keys(recipe: Recipe) -> tuple[File, ...]:
    """The keys by their file names. Raises BootstrapError."""
    return tuple(read_key(path, recipe) for path in recipe.keys)


def read_key(path: str, recipe: Recipe) -> File:
    """A file of keys, or of what is to be known about them. Raises BootstrapError."""
    try:
        with open(path, "rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        hint = "see `keys` in the recipe"
        if recipe.keys_from:
            hint = (
                f"the package {recipe.keys_from} has it; or name another in `keys` of a catalog file of yours"
            )
        raise BootstrapError(f"cannot read the key {path}: {error.strerror}", hint=hint) from error
    if not data or len(data) > _MAX_BYTES:
        raise BootstrapError(f"{path} is no key", hint="see `keys` in the recipe")
    return File(os.path.basename(path), data)
