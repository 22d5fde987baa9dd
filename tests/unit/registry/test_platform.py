"""Platforms: what people and images write, read into one form."""

from __future__ import annotations

import os

import pytest

from dacha.errors import UsageError
from dacha.registry.platform import (
    Platform,
    PlatformNotFoundError,
    choose,
    host_platform,
    listing,
    of_fields,
    parse,
)

ARM64 = Platform("linux", "arm64")
ARMV6 = Platform("linux", "arm", "v6")
ARMV7 = Platform("linux", "arm", "v7")


@pytest.mark.parametrize(
    ("text", "form", "machine"),
    [
        ("linux/arm64", "linux/arm64", "aarch64"),
        ("linux/arm64/v8", "linux/arm64", "aarch64"),
        ("arm64", "linux/arm64", "aarch64"),
        ("AARCH64", "linux/arm64", "aarch64"),
        ("linux/aarch64", "linux/arm64", "aarch64"),
        ("arm64/v9", "linux/arm64/v9", "aarch64"),
        ("linux/arm/v7", "linux/arm/v7", "armv7l"),
        ("arm", "linux/arm/v7", "armv7l"),
        ("armhf", "linux/arm/v7", "armv7l"),
        ("arm/6", "linux/arm/v6", "armv7l"),
        ("x86_64", "linux/amd64", "x86_64"),
        ("linux/amd64", "linux/amd64", "x86_64"),
        ("amd64/v1", "linux/amd64", "x86_64"),
        ("amd64/v3", "linux/amd64/v3", "x86_64"),
        ("i386", "linux/386", "i686"),
        ("riscv64", "linux/riscv64", "riscv64"),
        ("ppc64le", "linux/ppc64le", "ppc64le"),
        ("ppc64el", "linux/ppc64le", "ppc64le"),
        ("s390x", "linux/s390x", "s390x"),
        ("loongarch64", "linux/loong64", "loongarch64"),
    ],
)
def test_what_people_write_has_one_form(text: str, form: str, machine: str) -> None:
    assert str(parse(text)) == form
    assert parse(text).machine == machine
    assert parse(form) == parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "linux",
        "linux/",
        "arm65",
        "windows/amd64",
        "linux/arm64/v8/x",
        "arm/",
        "arm/v 7",
        "arm64,amd64",
    ],
)
def test_what_is_no_platform_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no platform") as caught:
        parse(text)
    assert "linux/arm64" in caught.value.hint


@pytest.mark.parametrize("fields", [("", ""), (None, None), ("linux", 7), ("linux", ["arm64"])])
def test_fields_that_name_nothing_are_no_platform(fields: tuple[object, object]) -> None:
    assert of_fields(*fields) is None


def test_fields_of_an_image_are_taken_as_they_are() -> None:
    assert of_fields("linux", "arm64", "8") == ARM64
    assert of_fields("linux", "arm64", None) == ARM64
    assert of_fields("windows", "amd64") == Platform("windows", "amd64")
    assert of_fields(None, "hexagon", "z9") == Platform("linux", "hexagon", "z9")


def test_a_machine_runs_its_own_and_older_variants() -> None:
    assert ARMV6.serves(ARMV7)
    assert not ARMV7.serves(ARMV6)
    assert not ARM64.serves(ARMV7)
    assert not parse("amd64/v3").serves(parse("amd64"))
    assert parse("amd64").serves(parse("amd64/v3"))
    assert parse("arm64/v8.2").serves(parse("arm64/v9"))
    assert not Platform("windows", "arm64").serves(ARM64)


def test_the_newest_variant_that_runs_is_chosen() -> None:
    assert choose([ARM64, ARMV6, ARMV7], ARMV7) == 2
    assert choose([ARM64, ARMV6, ARMV7], ARMV6) == 1
    assert choose([parse("amd64/v3"), parse("amd64"), parse("amd64")], parse("amd64")) == 1
    assert choose([ARMV7, None], ARM64) == 1
    assert choose([None, ARM64], ARM64) == 1


@pytest.mark.parametrize("offered", [[ARMV7, ARMV6], []])
def test_what_is_not_offered_cannot_be_chosen(offered: list[Platform]) -> None:
    with pytest.raises(PlatformNotFoundError, match="nothing for linux/arm64") as caught:
        choose(offered, ARM64)
    assert caught.value.hint == f"it is for {listing(offered)}"


def test_platforms_are_listed_once_and_attestations_not() -> None:
    attestation = of_fields("unknown", "unknown")
    assert listing([ARM64, ARM64, attestation, None, ARMV7]) == "linux/arm64, linux/arm/v7"
    assert listing([None]) == "none that is named"


@pytest.mark.parametrize(("machine", "form"), [("aarch64", "linux/arm64"), ("hexagon", "linux/hexagon")])
def test_the_host_is_what_its_kernel_says(monkeypatch: pytest.MonkeyPatch, machine: str, form: str) -> None:
    fields = os.uname()
    told = os.uname_result((*fields[:4], machine))
    monkeypatch.setattr(os, "uname", lambda: told)
    assert str(host_platform()) == form
