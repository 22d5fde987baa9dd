"""Unpack one layer into dacha's store, and print how many seconds that took.

    usage: python -IS unpack.py SOURCES ARCHIVE

What `dacha image load` does beside it (its own start, digests of the configuration, names)
is not in the figure: it is to be compared with `tar --extract` in the same namespace. The
interpreter is one that the launcher of dacha would take.
"""

import sys
import time

sys.path.insert(0, sys.argv[1])

from dacha.linux import account
from dacha.storage import database, unpack
from dacha.userns import outer

connection = database.open_database()
maps = outer.outer_maps(account.calling_account())
with open(sys.argv[2], "rb", buffering=0) as archive:  # noqa: PTH123  (pathlib costs time to import)
    begin = time.perf_counter()
    unpack.add_layer(connection, maps, archive)
    print(time.perf_counter() - begin)
connection.close()
