"""`dacha manifest`: images for several platforms under one name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lib.dacha import Dacha
from tests.lib.oci import Entry, write_layout
from tests.lib.registry import Registry, skopeo

INSECURE = ("--tls-verify=false",)


@pytest.fixture(autouse=True)
def _empty(pulling: Dacha) -> Iterator[None]:
    yield
    pulling.run("image", "rm", "--all", "--force", check=True)
    for name in pulling.run("manifest", "list", check=True).stdout.decode().split():
        pulling.run("manifest", "rm", name, check=True)


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    """Images for two machines."""
    for architecture in ("amd64", "arm64"):
        layer = [Entry("arch", data=architecture.encode())]
        write_layout(tmp_path / "oci", [layer], tags=[architecture], architecture=architecture)
    return tmp_path / "oci"


def test_a_list_of_the_stores_and_a_registrys_images_is_pushed(
    pulling: Dacha, registry: Registry, layout: Path
) -> None:
    pulling.run("image", "load", f"oci:{layout}:amd64", "--name", "mine-amd64", check=True)
    there = registry.copy_layout(layout, "arm64", "list/arm:1")  # the only one there: for any machine
    pulling.run("manifest", "create", "tools:1", "mine-amd64", check=True)
    pulling.run("manifest", "add", *INSECURE, "--annotation", "note=x", "tools:1", there, check=True)
    value = json.loads(pulling.run("manifest", "inspect", "tools:1", check=True).stdout)
    assert [entry["platform"]["architecture"] for entry in value["manifests"]] == ["amd64", "arm64"]
    name = f"{registry.host}/list/tools:1"
    done = pulling.run("manifest", "push", *INSECURE, "--rm", "tools:1", name, check=True)
    index = json.loads(skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{name}"))
    assert index["manifests"][1]["annotations"] == {"note": "x"}
    for architecture in ("amd64", "arm64"):
        options = ("--override-arch", architecture, "--config", "--tls-verify=false")
        config = json.loads(skopeo("inspect", *options, f"docker://{name}"))
        assert config["architecture"] == architecture
        pulling.run("image", "pull", *INSECURE, "--platform", architecture, name, check=True)
    assert done.stdout.startswith(b"sha256:")
    assert pulling.run("manifest", "list").stdout == b""


def test_all_of_an_index_is_taken_over(pulling: Dacha, registry: Registry, layout: Path) -> None:
    for architecture in ("amd64", "arm64"):
        registry.copy_layout(layout, architecture, f"list/source:{architecture}")
    base = f"{registry.host}/list/source"
    names = [f"{base}:amd64", f"{base}:arm64"]
    pulling.run("manifest", "create", *INSECURE, "first:1", *names, check=True)
    pulling.run("manifest", "push", *INSECURE, "first:1", f"{base}:both", check=True)
    pulling.run("manifest", "create", *INSECURE, "--all", "second:1", f"{base}:both", check=True)
    value = json.loads(pulling.run("manifest", "inspect", "second:1", check=True).stdout)
    assert len(value["manifests"]) == 2
    digest = value["manifests"][1]["digest"]
    pulling.run("manifest", "annotate", "--variant", "v8", "second:1", digest, check=True)
    pulling.run("manifest", "rm", "second:1", "--image", value["manifests"][0]["digest"], check=True)
    (entry,) = json.loads(pulling.run("manifest", "inspect", "second:1", check=True).stdout)["manifests"]
    assert entry["platform"] == {"os": "linux", "architecture": "arm64", "variant": "v8"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("add", "nothing:1", "x"), "no manifest list 'nothing:1'"),
        (("inspect", "nothing:1"), "dacha manifest create"),
        (("rm", "nothing:1"), "no manifest list"),
        (("create", "Bad Name"), "is no name of an image"),
        (("create", "there:1"), "there is a manifest list"),
        (("push", "there:1"), "names no registry"),
        (("push", "there:1", "127.0.0.1:1/x:1"), "is empty"),
        (("annotate", "there:1", "sha256:0000"), "is none of the list"),
    ],
)
def test_what_does_not_go_is_said(pulling: Dacha, words: tuple[str, ...], said: str) -> None:
    pulling.run("manifest", "create", "there:1", check=True)
    done = pulling.run("manifest", *words)
    assert done.returncode == 125
    assert said in done.stderr.decode()
