"""Memory that is given back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import dacha
from dacha.linux.memory import unchanged_files

_SMAPS = b"""\
00400000-0041f000 r--p 00000000 fe:00 260811                             /usr/bin/python 3
Size:                124 kB
Rss:                 124 kB
Pss:                  31 kB
Anonymous:             0 kB
VmFlags: rd mr mw me sd
0041f000-006d2000 r-xp 0001f000 fe:00 260811                             /usr/bin/python 3
Rss:                   0 kB
Anonymous:             0 kB
00945000-00946000 r--p 00544000 fe:00 260811                             /usr/bin/python 3
Rss:                   4 kB
Anonymous:             4 kB
00946000-00a85000 rw-p 00545000 fe:00 260811                             /usr/bin/python 3
Rss:                1276 kB
Anonymous:             0 kB
35eab000-35f39000 r--p 00000000 00:00 0                                  [vvar]
Rss:                  12 kB
Anonymous:             0 kB
7f0a195eb000-7f0a1965f000 r-xp 00010000 fe:00 339704                     /usr/lib/libm.so.6
Rss:                 101 kB
Anonymous:             0 kB
"""


def test_only_what_the_file_can_bring_back_is_given_up() -> None:
    """Not what may be written to, what the loader has changed, what is no file, and what is not there."""
    assert unchanged_files(_SMAPS) == [(0x400000, 0x1F000), (0x7F0A195EB000, 0x74000)]


def test_a_python_lives_on_with_less() -> None:
    code = """
import sys
sys.path.insert(0, sys.argv[1])
from dacha.linux import memory

def files():
    with open("/proc/self/smaps") as file:
        text = file.read()
    sizes, is_file = [], False
    for line in text.splitlines():
        words = line.split()
        if not words[0].endswith(":"):
            is_file = words[4] != "0"
        elif words[0] == "Rss:" and is_file:
            sizes.append(int(words[1]))
    return sum(sizes)

before = files()
memory.release_files(memory.open_mappings())
after = files()
import json, re  # it can still find and run all of it
assert json.loads("[1]") == [1] and re.match("a+", "aab").end() == 2
print(before, after)
"""
    sources = str(Path(dacha.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, sources], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    before, after = map(int, done.stdout.split())
    assert after < 0.75 * before
