"""Short names of images, such as `alpine`: which full names they stand for, and who decides that.

registries.conf has aliases, and registries to search. Where several could be meant, a person
chooses; what was chosen is remembered once it was pulled (containers-registries.conf(5), "short-name-mode").
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dacha.config import aliases, names
from dacha.config.registries import ShortNameError, load_registries
from dacha.registry import image_name
from dacha.registry.image_name import ImageName

Choose = Callable[[str, Sequence[str]], str]  # a short name and what it may be; the answer is one of these


def candidates(short_name: str, choose: Choose | None) -> list[ImageName]:
    """The images that a short name may stand for, in the order to try them.

    Raises ShortNameError where there are none, or nobody to choose.
    """
    found = load_registries().candidates(short_name)
    if found.is_ambiguous and choose is not None:
        return [image_name.parse(choose(short_name, found.names))]
    if found.is_ambiguous and not found.may_try_all:
        raise ShortNameError(
            f"'{short_name}' may be any of {', '.join(found.names)}", hint="give one of these full names"
        )
    return [image_name.parse(name) for name in found.names]


def remember(short_name: str, pulled: str, asked: Sequence[ImageName]) -> None:
    """Keep what a person chose; what was not chosen is not kept."""
    bare = names.split_version(short_name)[0]
    settings = load_registries()
    if len(asked) == 1 and bare not in settings.aliases and len(settings.search) > 1:
        aliases.remember_alias(bare, image_name.parse(pulled).repository)
