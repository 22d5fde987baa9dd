"""Stacks of layers, seen as overlayfs would show them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from dacha.box.tree import LayerStack
from dacha.errors import DachaError
from tests.lib.trees import FIFO, WHITEOUT, Directory, Link, Program, Tree, make_tree, open_stack

MakeStack = Callable[..., LayerStack]


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[MakeStack]:
    """Makes a stack of trees, the top one first."""
    with ExitStack() as exits:

        def make(*trees: Tree) -> LayerStack:
            directories = [make_tree(tmp_path / f"layer{number}", tree) for number, tree in enumerate(trees)]
            return exits.enter_context(open_stack(*directories))

        yield make


def layer_of(stack: LayerStack, path: str) -> int | None:
    found = stack.find(path)
    return None if found is None else found.layer


def test_the_topmost_layer_that_has_a_path_wins(stack: MakeStack) -> None:
    layers = stack({"etc/top": b"1"}, {"etc/top": b"2", "etc/middle": b"3"}, {"etc/low": b"4", "var": b""})
    assert [layer_of(layers, f"etc/{name}") for name in ("top", "middle", "low", "none")] == [0, 1, 2, None]
    assert [layers.read(f"etc/{name}") for name in ("top", "middle", "low", "none")] == [
        b"1",
        b"3",
        b"4",
        None,
    ]
    assert layer_of(layers, "var") == 2


def test_a_whiteout_hides_what_is_below(stack: MakeStack) -> None:
    layers = stack({}, {"etc/motd": WHITEOUT}, {"etc/motd": b"hello", "etc/issue": b"x"})
    assert layers.find("etc/motd") is None
    assert layers.read("etc/motd") is None
    assert layers.read("etc/issue") == b"x"


def test_a_file_above_a_whiteout_is_there(stack: MakeStack) -> None:
    layers = stack({"etc/motd": b"new"}, {"etc/motd": WHITEOUT}, {"etc/motd": b"old"})
    assert layers.read("etc/motd") == b"new"


def test_a_whiteout_of_a_directory_hides_all_in_it(stack: MakeStack) -> None:
    layers = stack({"etc": WHITEOUT}, {"etc/ssh/config": b"x"})
    assert layers.find("etc/ssh/config") is None
    assert not layers.is_directory("etc")


def test_an_opaque_directory_hides_what_lower_ones_have(stack: MakeStack) -> None:
    layers = stack({"etc": Directory(is_opaque=True), "etc/new": b"1"}, {"etc/old": b"2", "var/log": b"3"})
    assert layers.read("etc/new") == b"1"
    assert layers.find("etc/old") is None
    assert layers.read("var/log") == b"3"


def test_an_opaque_directory_further_up_the_path_hides_too(stack: MakeStack) -> None:
    layers = stack({"etc": Directory(is_opaque=True), "etc/ssh": Directory()}, {"etc/ssh/config": b"x"})
    assert layers.is_directory("etc/ssh")
    assert layers.find("etc/ssh/config") is None


def test_an_opaque_directory_hides_nothing_of_layers_above_it(stack: MakeStack) -> None:
    layers = stack({"etc/new": b"1"}, {"etc": Directory(is_opaque=True), "etc/kept": b"2"}, {"etc/old": b"3"})
    assert [layer_of(layers, f"etc/{name}") for name in ("new", "kept", "old")] == [0, 1, None]


def test_a_file_hides_a_directory_below_it(stack: MakeStack) -> None:
    layers = stack({"etc": b"a file"}, {"etc/motd": b"hello"})
    assert layers.find("etc/motd") is None


def test_a_link_is_found_but_not_followed(stack: MakeStack, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("outside")
    layers = stack({"etc/motd": Link(str(tmp_path / "secret")), "etc/issue": Link("motd"), "motd": b"x"})
    assert layer_of(layers, "etc/motd") == 0
    assert layers.read("etc/motd") is None
    assert layers.read("etc/issue") is None


def test_a_path_through_a_link_is_absent(stack: MakeStack, tmp_path: Path) -> None:
    (tmp_path / "passwd").write_text("outside")
    layers = stack({"etc": Link(str(tmp_path)), "lib": Link("usr/lib"), "usr/lib/x": b"1"}, {"lib/x": b"2"})
    assert layers.find("etc/passwd") is None
    assert layers.find("lib/x") is None
    assert not layers.is_directory("lib")


def test_a_fifo_is_not_read(stack: MakeStack) -> None:
    layers = stack({"etc/passwd": FIFO})
    assert layer_of(layers, "etc/passwd") == 0
    assert layers.read("etc/passwd") is None


def test_a_huge_file_is_refused(stack: MakeStack, tmp_path: Path) -> None:
    layers = stack({"etc/passwd": b""})
    with (tmp_path / "layer0" / "etc" / "passwd").open("r+b") as file:
        file.truncate(1 << 40)
    with pytest.raises(DachaError, match="etc/passwd is larger than"):
        layers.read("etc/passwd")


def test_without_layers_there_is_nothing(stack: MakeStack) -> None:
    assert stack().find("etc") is None


@pytest.mark.parametrize(
    ("path", "end"),
    [
        ("/usr/bin/bash", "usr/bin/bash"),
        ("/bin/bash", "usr/bin/bash"),  # through a link to a directory
        ("/bin/sh", "usr/bin/bash"),  # and one to a file, relative
        ("/usr/local/shell", "usr/bin/bash"),  # absolute: to the root of the stack
        ("/deep/bash", "usr/bin/bash"),  # '..' of where a link leads to, not of where it stands
        ("/../../usr/bin/bash", "usr/bin/bash"),
        ("//usr//./bin/", "usr/bin"),
        ("/", ""),
        ("/up/usr/bin/bash", "usr/bin/bash"),  # a link out of the root stays in it
        ("/usr/bin/none", None),
        ("/dangling", None),
        ("/usr/bin/bash/more", None),
        ("/loop", None),
        ("/itself/x", None),
        ("/gone", None),
    ],
)
def test_links_are_followed_inside_the_stack(stack: MakeStack, path: str, end: str | None) -> None:
    upper: Tree = {
        "gone": WHITEOUT,
        "bin": Link("usr/bin"),
        "usr/local/shell": Link("/bin/sh"),
        "deep": Link("usr/share/doc/../../bin"),
        "up": Link("../../.."),
        "dangling": Link("/nowhere"),
        "loop": Link("pool"),
        "pool": Link("loop"),
        "itself": Link("itself"),
    }
    image: Tree = {
        "gone": b"x",
        "usr/bin/bash": Program(),
        "usr/bin/sh": Link("bash"),
        "usr/share/doc/readme": b"",
    }
    assert stack(upper, image).resolve(path) == end


def test_forty_links_are_followed_and_no_more(stack: MakeStack) -> None:
    links: Tree = {f"link{number}": Link(f"link{number + 1}") for number in range(40)}
    layers = stack({**links, "link40": b"end", "one-more": Link("link0")})
    assert layers.resolve("/link0") == "link40"
    assert layers.resolve("/one-more") is None


@pytest.mark.parametrize("target", ["x" * 300, "/".join(["d"] * 2000), "a/" * 2000])
def test_a_link_to_nonsense_leads_nowhere(stack: MakeStack, target: str) -> None:
    assert stack({"bin": Link(target), "d": Link("d"), "a": Link(".")}).resolve("/bin") in (None, "")


def test_a_path_longer_than_the_kernel_takes_is_absent(stack: MakeStack) -> None:
    layers = stack({"a/b": b""})
    assert layers.find("x" * 300) is None
    assert layers.find("a/" + "x" * 300 + "/y") is None
    assert layers.resolve("/" + "x" * 300) is None


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/bin/prog", True), ("/bin/data", False), ("/bin", False), ("/bin/fifo", False), ("/", False)],
)
def test_a_program_is_a_file_that_may_be_executed(stack: MakeStack, path: str, expected: bool) -> None:
    layers = stack(
        {"bin": Link("usr/bin"), "usr/bin/data": b""}, {"usr/bin/prog": Program(), "usr/bin/fifo": FIFO}
    )
    assert layers.is_executable(path) is expected
