"""WWW-Authenticate: what registries write, and what nobody should."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dacha.registry.remote.challenge import Challenge, parse


@pytest.mark.parametrize(
    ("header", "challenges"),
    [
        ('Basic realm="x"', [Challenge("basic", {"realm": "x"})]),
        (
            'Bearer realm="https://a.example/token",service="r",scope="repository:a/b:pull,push"',
            [
                Challenge(
                    "bearer",
                    {
                        "realm": "https://a.example/token",
                        "service": "r",
                        "scope": "repository:a/b:pull,push",
                    },
                )
            ],
        ),
        (
            'Negotiate, Basic realm="a, b=c", Bearer realm=plain ,  service = "s"',
            [
                Challenge("negotiate", {}),
                Challenge("basic", {"realm": "a, b=c"}),
                Challenge("bearer", {"realm": "plain", "service": "s"}),
            ],
        ),
        ("NTLM abc==, Basic realm=x", [Challenge("ntlm", {}), Challenge("basic", {"realm": "x"})]),
        (r'Basic realm="a \"b\" \\"', [Challenge("basic", {"realm": r'a "b" \\'.replace(r"\\", "\\")})]),
        ("", []),
        ('"', []),
    ],
)
def test_challenges_are_read(header: str, challenges: list[Challenge]) -> None:
    assert parse(header) == challenges


@given(st.text(alphabet='abB=", \\;\t~', max_size=60))
def test_whatever_comes_is_read_to_some_end(header: str) -> None:
    for each in parse(header):
        assert each.scheme == each.scheme.lower()
