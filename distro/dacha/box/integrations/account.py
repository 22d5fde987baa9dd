"""You: the user's entries in passwd(5), group(5), shadow(5) and gshadow(5)."""

from __future__ import annotations

from dacha.box.edits import Edit
from dacha.box.integrations.base import Context, Integration
from dacha.userns import mapping

# Below are groups of the distribution itself: their names mean something in it.
_FIRST_USER_ID = 1000
_SHELLS = ("/bin/bash", "/bin/sh")


def with_entry(text: bytes, entry: bytes, *, number_field: int | None = None) -> bytes:
    """`text` with `entry` at its end, and without the entries of the same name or number.

    Lines that are no entries (comments, NIS marks) stay as they are.
    """
    fields = entry.split(b":")
    kept = []
    for line in text.splitlines():
        if line.startswith((b"#", b"+", b"-")):
            kept.append(line)
            continue
        found = line.split(b":")
        is_same_name = len(found) > 1 and found[0] == fields[0]
        is_same_number = (
            number_field is not None
            and len(found) > number_field
            and found[number_field] == fields[number_field]
        )
        if not (is_same_name or is_same_number):
            kept.append(line)
    return b"\n".join([*kept, entry, b""])


def choose_shell(context: Context) -> str:
    """The user's shell if the box has it, else one that it has."""
    for shell in (context.account.shell, *_SHELLS):
        if context.stack.is_executable(shell):
            return shell
    return _SHELLS[-1]


class AccountIntegration(Integration):
    """The user with the same name, number and home; an image's own user of that number makes way."""

    def edits(self, context: Context) -> list[Edit]:
        """Whole files, also where the box has changed them since."""
        account = context.account
        if account.uid == 0:
            return []
        name, uid, gid = account.name, str(account.uid), str(account.gid)
        shell = choose_shell(context)
        passwd = ":".join([name, "x", uid, gid, account.gecos, account.home, shell])
        edits = [self._edit(context, "etc/passwd", passwd, number_field=2)]
        if self._needs_group(context):
            edits.append(self._edit(context, "etc/group", f"{account.group}:x:{gid}:", number_field=2))
            edits.append(self._edit(context, "etc/gshadow", f"{account.group}:!::", must_exist=True))
        # No password fits '*', and without an entry PAM takes the account for expired.
        edits.append(self._edit(context, "etc/shadow", f"{name}:*:19000:0:99999:7:::", must_exist=True))
        return [edit for edit in edits if edit is not None]

    def _needs_group(self, context: Context) -> bool:
        groups = (context.stack.read("etc/group") or b"").splitlines()
        found = [line.split(b":") for line in groups]
        names = {fields[0]: fields[2] for fields in found if len(fields) > 2}
        gid = str(context.account.gid).encode()
        if context.account.gid < _FIRST_USER_ID and gid in names.values():
            return False
        taken = names.get(context.account.group.encode(), gid)
        # Ten digits hold every id; an image may have more.
        return taken == gid or (taken.isdigit() and int(taken[:10]) >= _FIRST_USER_ID)

    def _edit(
        self,
        context: Context,
        path: str,
        entry: str,
        *,
        number_field: int | None = None,
        must_exist: bool = False,
    ) -> Edit | None:
        text = context.stack.read(path)
        if text is None and must_exist:
            return None
        found = context.stack.find(path)
        mode, group = 0o644, -1
        if found is not None:
            mode, group = found.status.st_mode & 0o7777, found.status.st_gid
            if mapping.to_inside(context.maps.box_gids(context.account.gid), group) is None:
                group = -1
        data = with_entry(text or b"", entry.encode(errors="surrogateescape"), number_field=number_field)
        return Edit(path, data, mode=mode, group=group, into_upper=True)
