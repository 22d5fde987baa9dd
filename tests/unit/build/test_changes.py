"""`--change`, as podman reads it."""

from __future__ import annotations

from typing import Any

import pytest

from dacha.build.changes import changed, with_layer
from dacha.errors import UsageError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CMD /bin/bash -l", {"Cmd": ["/bin/sh", "-c", "/bin/bash -l"]}),
        ('CMD=["bash", "-l"]', {"Cmd": ["bash", "-l"]}),
        ('entrypoint ["tini"]', {"Entrypoint": ["tini"]}),
        ("ENTRYPOINT ", {"Entrypoint": []}),
        ("ENV A=b c", {"Env": ["A=b c"]}),
        ('ENV A="b c"', {"Env": ["A=b c"]}),
        ("ENV=A=b=c", {"Env": ["A=b=c"]}),
        ("LABEL a.b=c d", {"Labels": {"a.b": "c d"}}),
        ("EXPOSE 80", {"ExposedPorts": {"80/tcp": {}}}),
        ("EXPOSE 53/UDP", {"ExposedPorts": {"53/udp": {}}}),
        ("VOLUME /a /b", {"Volumes": {"/a": {}, "/b": {}}}),
        ('VOLUME ["/a b"]', {"Volumes": {"/a b": {}}}),
        ("USER me:us", {"User": "me:us"}),
        ("WORKDIR /srv", {"WorkingDir": "/srv"}),
        ("STOPSIGNAL SIGTERM", {"StopSignal": "15"}),
        ("STOPSIGNAL int", {"StopSignal": "2"}),
        ("ONBUILD RUN x", {"OnBuild": ["RUN x"]}),
    ],
)
def test_an_instruction(text: str, expected: dict[str, Any]) -> None:
    assert changed({}, [text]) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "FROM x",
        "RUN x",
        "ENV",
        "ENV =x",
        "LABEL x",
        "EXPOSE 0",
        "EXPOSE 65536",
        "EXPOSE 80/icmp",
        "EXPOSE x",
        "VOLUME",
        "USER ",
        "WORKDIR",
        "STOPSIGNAL 99",
        "STOPSIGNAL SIGNOTHING",
        "CMDx",
    ],
)
def test_what_is_no_instruction(text: str) -> None:
    with pytest.raises(UsageError):
        changed({}, [text])


def test_what_was_there_is_kept_or_replaced() -> None:
    old = {"Env": ["A=1", "B=2"], "Labels": {"a": "b"}, "WorkingDir": "/srv", "User": "me"}
    new = changed(old, ["ENV A=3", "LABEL c=d", "WORKDIR data", "WORKDIR .."])
    assert new == {"Env": ["B=2", "A=3"], "Labels": {"a": "b", "c": "d"}, "WorkingDir": "/srv", "User": "me"}
    assert old["Env"] == ["A=1", "B=2"]


def test_a_layer_more_has_a_line_in_the_history() -> None:
    base = {
        "architecture": "amd64",
        "rootfs": {"type": "layers", "diff_ids": ["sha256:1"]},
        "history": [{"created_by": "base"}],
    }
    new = with_layer(base, "sha256:2", [], made_by="dacha commit work", message="why")
    assert new["rootfs"]["diff_ids"] == ["sha256:1", "sha256:2"]
    assert new["history"][0] == {"created_by": "base"}
    assert {"created_by": "dacha commit work", "comment": "why"}.items() <= new["history"][1].items()
    assert new["architecture"] == "amd64"
