"""Call functions of the C library, with errno kept.

`ctypes` would do the same for 2 ms more at import, on a path that has 15 in all;
its C core `_ctypes` is enough for calls that take numbers, bytes and None.
Only this module knows that.
"""

from __future__ import annotations

import os
from _ctypes import FUNCFLAG_CDECL, FUNCFLAG_USE_ERRNO, CFuncPtr, _SimpleCData, dlopen, dlsym, get_errno


class c_long(_SimpleCData):  # type: ignore[type-arg]  # noqa: N801  (the C name; no subscript in 3.11)
    """A number as wide as a register; a bare Python int would be passed as a C int."""

    _type_ = "l"


class _Function(CFuncPtr):
    _flags_ = FUNCFLAG_CDECL | FUNCFLAG_USE_ERRNO
    _restype_ = c_long


_handle = dlopen(None, 0)  # type: ignore[arg-type]  # None is this program, as in dlopen(3)


class Call:
    """One function of the C library, which returns -1 and sets errno on failure."""

    __slots__ = ("_function", "_name")

    def __init__(self, name: str, *, label: str = "") -> None:
        self._name = label or name
        self._function = _Function(dlsym(_handle, name))

    def __call__(self, *args: int | bytes | None, path: str | bytes | None = None) -> int:
        """Call it. Numbers are passed 64 bits wide.

        Raises OSError with errno, the function's name and `path`, where one is given.
        """
        wide = [c_long(arg) if isinstance(arg, int) else arg for arg in args]
        result = int(self._function(*wide))
        if result == -1:
            number = get_errno()
            text = f"{self._name}: {os.strerror(number)}"
            raise OSError(number, text) if path is None else OSError(number, text, os.fsdecode(path))
        return result


syscall = Call("syscall")
