"""Which proxy is asked for which address."""

from __future__ import annotations

import pytest

from dacha.registry.remote.proxies import proxy_for

PROXY = {"https_proxy": "http://proxy.example:3128", "HTTP_PROXY": "other.example:80"}


@pytest.mark.parametrize(
    ("host", "exceptions", "is_asked"),
    [
        ("registry.example", "", True),
        ("localhost", "", False),
        ("127.0.0.7", "", False),
        ("::1", "", False),
        ("registry.example", "*", False),
        ("registry.example", "example", False),
        ("registry.example", "registry.example", False),
        ("a.registry.example", "registry.example", False),
        ("a.registry.example", ".registry.example", False),
        ("a.registry.example", "*.registry.example", False),
        ("notregistry.example", "registry.example", True),
        ("registry.example", "other, REGISTRY.example", False),
        ("registry.example", "registry.example:443", False),
        ("registry.example", "registry.example:5000", True),
        ("10.1.2.3", "10.0.0.0/8", False),
        ("11.1.2.3", "10.0.0.0/8", True),
        ("10.1.2.3", "10.1.2.3", False),
        ("10.1.2.3", "1.2.3", True),
        ("fd00::1", "fd00::/8", False),
    ],
)
def test_no_proxy_is_read_as_by_other_tools(host: str, exceptions: str, is_asked: bool) -> None:
    environment = {**PROXY, "NO_PROXY": exceptions}
    assert bool(proxy_for("https", host, 443, environment)) == is_asked


def test_the_scheme_chooses_and_small_letters_win() -> None:
    assert proxy_for("https", "a.example", 443, PROXY) == "http://proxy.example:3128"
    assert proxy_for("http", "a.example", 80, PROXY) == "http://other.example:80"
    both = {"https_proxy": "http://small", "HTTPS_PROXY": "http://large"}
    assert proxy_for("https", "a.example", 443, both) == "http://small"
    assert proxy_for("https", "a.example", 443, {"ALL_PROXY": "http://all"}) == "http://all"
    assert proxy_for("https", "a.example", 443, {}) == ""
