"""registries.conf(5): the examples of its manual page, and the rules around them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dacha.config import places
from dacha.config.aliases import remember_alias
from dacha.config.names import expand
from dacha.config.reading import ConfigError
from dacha.config.registries import (
    BlockedRegistryError,
    Endpoint,
    Registries,
    Registry,
    ShortNameError,
    load_registries,
    match_prefix,
)
from tests.unit.config.conftest import Host

SHA = "sha256:" + "b" * 64
MANUAL = """
unqualified-search-registries = ["example.com"]

[[registry]]
prefix = "example.com/foo"
insecure = false
blocked = false
location = "internal-registry-for-example.com/bar"

[[registry.mirror]]
location = "example-mirror-0.local/mirror-for-foo"

[[registry.mirror]]
location = "example-mirror-1.local/mirrors/foo"
insecure = true

[[registry]]
location = "registry.com"

[[registry.mirror]]
location = "mirror.registry.com"
"""


def load(host: Host, text: str) -> Registries:
    host.write(host.user / "registries.conf", text)
    return load_registries()


def test_the_example_of_the_manual_page(host: Host) -> None:
    found = load(host, MANUAL)
    assert found.resolve("example.com/foo/image:latest") == (
        Endpoint("example-mirror-0.local/mirror-for-foo/image", False, True, ":latest"),
        Endpoint("example-mirror-1.local/mirrors/foo/image", True, True, ":latest"),
        Endpoint("internal-registry-for-example.com/bar/image", False, False, ":latest"),
    )
    assert [each.location for each in found.resolve("registry.com/image:1")] == [
        "mirror.registry.com/image",
        "registry.com/image",
    ]
    assert found.resolve("example.com/food:1") == (Endpoint("example.com/food", False, False, ":1"),)
    assert found.unknown == ()


def test_without_files_a_name_is_asked_for_where_it_says(host: Host) -> None:
    assert load_registries().resolve(f"q.io/a@{SHA}") == (Endpoint("q.io/a", False, False, f"@{SHA}"),)


def test_mirrors_for_digests_and_for_tags(host: Host) -> None:
    found = load(
        host,
        """
        [[registry]]
        location = "q.io"
        mirror = [
          {location = "d.io", pull-from-mirror = "digest-only"},
          {location = "t.io", pull-from-mirror = "tag-only"},
          {location = "a.io", pull-from-mirror = "all"},
        ]
        [[registry]]
        location = "r.io"
        mirror-by-digest-only = true
        mirror = [{location = "m.io"}]
        """,
    )
    assert [each.location for each in found.resolve("q.io/x:1")] == ["t.io/x", "a.io/x", "q.io/x"]
    assert [each.location for each in found.resolve(f"q.io/x@{SHA}")] == ["d.io/x", "a.io/x", "q.io/x"]
    assert [each.location for each in found.resolve("r.io/x:1")] == ["r.io/x"]
    assert [each.location for each in found.resolve(f"r.io/x@{SHA}")] == ["m.io/x", "r.io/x"]


def test_the_longest_prefix_wins_and_may_unblock(host: Host) -> None:
    found = load(
        host,
        """
        [[registry]]
        location = "q.io"
        blocked = true
        [[registry]]
        prefix = "q.io/good"
        location = "other.io/better"
        """,
    )
    assert found.resolve("q.io/good/app:1")[0].location == "other.io/better/app"
    with pytest.raises(BlockedRegistryError, match=r"registries\.conf blocks 'q\.io'"):
        found.resolve("q.io/goods:1")


def test_a_single_image_can_be_rewritten_with_its_tag(host: Host) -> None:
    found = load(host, '[[registry]]\nprefix = "q.io/a:1"\nlocation = "r.io/b:2"\n')
    assert found.resolve("q.io/a:1") == (Endpoint("r.io/b", False, False, ":2"),)
    assert found.resolve("q.io/a:11")[0].location == "q.io/a"


def test_wildcards_stand_for_any_depth_of_subdomains(host: Host) -> None:
    found = load(
        host,
        """
        [[registry]]
        prefix = "*.example.com"
        insecure = true
        [[registry]]
        prefix = "*.corp.com"
        location = "cache.corp.com/all"
        """,
    )
    for name in ("a.example.com/x", "b.a.example.com:5000/x", "a.example.com.example.com/x"):
        assert found.resolve(f"{name}:1") == (Endpoint(name, True, False, ":1"),)
    for name in ("example.com/x", "anexample.com/x", "a.example.com.org/x", "q.io/a.example.com/x"):
        assert not found.resolve(f"{name}:1")[0].insecure
    assert found.resolve("x.corp.com/a/b:1")[0].location == "cache.corp.com/all/a/b"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[registries.search]\nregistries = ['a.com']", "version 1"),
        ("[[registry]]\nblocked = true", "needs a prefix or a location"),
        ("[[registry]]\nprefix = 'a.com'", "is missing for the prefix 'a.com'"),
        ("[[registry]]\nlocation = 'https://a.com'", "must not be a URL"),
        ("[[registry]]\nprefix = '*.a.com/b'", "a wildcard stands for hosts only"),
        ("[[registry]]\nprefix = 'a.*.com'\nlocation='b.io'", "only stand at the beginning"),
        ("[[registry]]\nlocation = 'a.com'\npull-from-mirror = 'all'", r"belongs into a \[\[registry.mirror"),
        (
            "[[registry]]\nlocation = 'a.com'\nmirror = [{insecure = true}]",
            r"mirror\[1\]\.location: is missing",
        ),
        (
            "[[registry]]\nlocation='a.com'\nmirror=[{location='b.io', pull-from-mirror='x'}]",
            "'x' is none of",
        ),
        (
            "[[registry]]\nlocation='a.com'\nmirror-by-digest-only=true\n"
            "mirror=[{location='b.io', pull-from-mirror='all'}]",
            "cannot be set together",
        ),
        (
            "[[registry]]\nlocation = 'a.com'\ninsecure = 'true'",
            r"registry\[1\]\.insecure: must be true or false",
        ),
        ("unqualified-search-registries = ['a.com/b']", "'a.com/b' is no HOST"),
        ("short-name-mode = 'strict'", "'strict' is none of enforcing, permissive, disabled"),
        ("[aliases]\n'a:1' = 'q.io/a'", "is no short name"),
        ("[aliases]\n'q.io/a' = 'q.io/b'", "is no short name"),
        ("[aliases]\na = 'q.io/a:1'", "is no full name without tag"),
        ("[aliases]\na = 'b'", "is no full name without tag"),
    ],
)
def test_mistakes_are_said_with_their_place(host: Host, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load(host, text)
    assert str(host.user / "registries.conf") in str(caught.value)


def test_unknown_keys_are_returned(host: Host) -> None:
    found = load(host, "[[registry]]\nlocation = 'a.com'\nblockd = true\n")
    assert found.unknown == (f"{host.user}/registries.conf: registry[1].blockd",)


def test_drop_ins_override_in_order(host: Host) -> None:
    host.write(host.system / "registries.conf", MANUAL)
    drop_ins = host.system / "registries.conf.d"
    host.write(
        drop_ins / "20.conf",
        "unqualified-search-registries = ['b.io']\n[aliases]\nx = 'q.io/x'\ny = 'q.io/y'",
    )
    host.write(drop_ins / "10.conf", "unqualified-search-registries = ['a.io']\n[aliases]\nx = 'q.io/old'")
    host.write(drop_ins / "30.txt", "unqualified-search-registries = ['c.io']")
    host.write(drop_ins / "40.conf/50.conf", "unqualified-search-registries = ['d.io']")
    host.write(
        host.user / "registries.conf.d/10.conf",
        "[[registry]]\nlocation = 'registry.com'\nblocked = true\n[aliases]\ny = ''",
    )
    found = load_registries()
    assert found.search == ("b.io",)
    assert found.search_file.endswith("20.conf")
    assert found.candidates("x:2").names == ("q.io/x:2",)
    assert found.candidates("y").names == ("b.io/y",)  # an empty value takes an alias away
    with pytest.raises(BlockedRegistryError):
        found.resolve("registry.com/image:1")
    assert len(found.resolve("example.com/foo/image:1")) == 3


def test_an_own_file_hides_the_administrators(host: Host) -> None:
    host.write(host.system / "registries.conf.d/a.conf", "[[registry]]\nlocation = 'a.com'\nblocked = true")
    host.write(host.user / "registries.conf.d/b.conf", "unqualified-search-registries = ['b.io']")
    assert load(host, "").search == ("b.io",)
    assert load_registries().resolve("a.com/x:1")


def test_a_file_named_by_a_variable_must_be_there(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(host.home / "none"))
    with pytest.raises(ConfigError, match=r"\$CONTAINERS_REGISTRIES_CONF names it"):
        load_registries()
    named = host.write(host.home / "my.conf", "unqualified-search-registries = ['my.io']")
    host.write(host.user / "registries.conf", "unqualified-search-registries = ['b.io']")
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(named))
    assert load_registries().search == ("my.io",)


@pytest.mark.parametrize(
    ("mode", "is_ambiguous", "may_try_all"),
    [("enforcing", True, False), ("permissive", True, True), ("", True, True), ("disabled", False, True)],
)
def test_modes_of_short_names(host: Host, mode: str, is_ambiguous: bool, may_try_all: bool) -> None:
    found = load(host, f"short-name-mode = '{mode}'\nunqualified-search-registries = ['a.io', 'docker.io']")
    candidates = found.candidates("debian:12")
    assert candidates.names == ("a.io/debian:12", "docker.io/library/debian:12")
    assert (candidates.is_ambiguous, candidates.may_try_all) == (is_ambiguous, may_try_all)
    one = found._replace(search=("a.io",)).candidates("debian")
    assert one.names == ("a.io/debian",)
    assert not one.is_ambiguous
    assert one.may_try_all


def test_a_full_name_is_its_own_candidate(host: Host) -> None:
    assert load_registries().candidates("docker.io/alpine:3").names == ("docker.io/library/alpine:3",)
    assert load_registries().candidates("localhost/mine").names == ("localhost/mine",)


def test_a_short_name_that_nothing_knows_says_the_way_out(host: Host) -> None:
    with pytest.raises(ShortNameError) as caught:
        load_registries().candidates("thing:1")
    assert "docker.io/library/thing:1" in caught.value.hint


def test_a_choice_is_remembered_and_goes_first(host: Host) -> None:
    host.write(
        host.user / "registries.conf",
        "unqualified-search-registries = ['a.io', 'b.io']\n[aliases]\nold = 'a.io/old'",
    )
    file = remember_alias("debian", "docker.io/debian")
    remember_alias("old", "b.io/team/old")
    remember_alias("team/app", "b.io/team/app")
    found = load_registries()
    assert found.candidates("debian:12").names == ("docker.io/library/debian:12",)
    assert found.candidates("old").names == ("b.io/team/old",)
    assert found.candidates("team/app").origin == file == places.short_name_aliases()
    assert Path(file).stat().st_mode & 0o777 == 0o600


HOSTS = st.from_regex(r"[a-z]{1,3}(\.[a-z]{1,3}){0,3}(:[0-9]{2})?", fullmatch=True)
PATHS = st.lists(st.from_regex(r"[a-z]{1,3}", fullmatch=True), min_size=1, max_size=4).map("/".join)


@given(HOSTS, PATHS, st.integers(1, 5))
def test_a_name_has_each_of_its_beginnings_as_prefix(registry: str, path: str, length: int) -> None:
    prefix = "/".join(f"{registry}/{path}".split("/")[:length])
    assert match_prefix(f"{registry}/{path}:1", prefix) == len(prefix)
    assert match_prefix(f"{registry}/{path}:1", prefix + "x") is None
    assert match_prefix(f"{registry}/{path}:1", prefix[:-1] + "~") is None


@given(HOSTS, HOSTS, PATHS)
def test_a_wildcard_stands_for_hosts_below_it_and_no_others(registry: str, other: str, path: str) -> None:
    bare, domain = registry.partition(":")[0], other.partition(":")[0]
    matches = match_prefix(f"{registry}/{path}:1", f"*.{domain}")
    assert (matches is not None) == bare.endswith(f".{domain}")
    assert matches in (None, len(bare))


@given(HOSTS, PATHS, HOSTS, PATHS)
def test_rewriting_keeps_what_follows_the_prefix(registry: str, path: str, target: str, rest: str) -> None:
    table = Registry(f"{registry}/{path}", f"{target}/x", False, False, (), "f")
    endpoint = Registries((table,)).resolve(f"{registry}/{path}/{rest}:1")[-1]
    assert endpoint == (f"{target}/x/{rest}", False, False, ":1")


@given(st.sampled_from(["a", "a/b"]), HOSTS)
def test_expanded_names_stay_what_they_are(path: str, registry: str) -> None:
    name = expand(f"{registry}/{path}:1")
    assert expand(str(name)) == name
