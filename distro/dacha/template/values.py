"""Values as Go sees them: a dict is a map, in which a missing key is nothing; a Struct has fields.

A field that a struct does not have is a mistake of the template's. Field names are found
whatever their case, since JSON spells many of them otherwise than Go does (Id, ID).
"""

from __future__ import annotations

from typing import Any

from dacha.template.errors import TemplateError


class Struct(dict[str, Any]):
    """Named fields, in their order."""

    def field(self, name: str) -> Any:
        """The field of that name. Raises TemplateError."""
        if name in self:
            return self[name]
        lower = name.lower()
        for key, value in self.items():
            if key.lower() == lower:
                return value
        raise TemplateError(f"there is no field {name}; there are {', '.join(self)}")


class NoValue:
    """What a map gives for a key that it does not have."""

    def __bool__(self) -> bool:
        return False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NoValue)

    def __hash__(self) -> int:
        return 0


NO_VALUE = NoValue()


def field_of(value: Any, name: str) -> Any:
    """`.Name` of a value. Raises TemplateError."""
    if isinstance(value, Struct):
        return value.field(name)
    if isinstance(value, dict):
        return value.get(name, NO_VALUE)
    if value is None or isinstance(value, NoValue):
        raise TemplateError(f"nothing has no field {name}")
    raise TemplateError(f"a {type_name(value)} has no field {name}")


def is_true(value: Any) -> bool:
    """Whether `if` takes the value for true: all but zero, nothing and what is empty; a struct always."""
    return isinstance(value, Struct) or bool(value)


def type_name(value: Any) -> str:
    """Go's name for the type of a value."""
    if value is None or isinstance(value, NoValue):
        return "nil"
    if isinstance(value, Struct):
        return "struct"
    for kind, name in ((bool, "bool"), (int, "int"), (float, "float64"), (str, "string"), (dict, "map")):
        if isinstance(value, kind):
            return name
    return "list"
