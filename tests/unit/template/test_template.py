"""Go templates: what they make of values, and what is refused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dacha.template import Struct, TemplateError, parse, render
from dacha.template.gofmt import quote
from tests.lib.templates import ALIKE, REFUSED, VERSION

CONTAINER = Struct(
    ID="0123abcd",
    State=Struct(Status="running", Pid=42),
    Config=Struct(Labels={"manager": "distrobox", "b": "2"}, Env=["HOME=/home/ada", "A=b"]),
    Names=["web", "www"],
    Size=1.5,
    Mounts=[],
)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{.ID}} {{.Id}}", "0123abcd 0123abcd"),
        ('{{index .Config.Labels "manager"}}', "distrobox"),
        ('{{index .Config.Labels "none"}}|{{.Config.Labels.none}}', "<no value>|<no value>"),
        ("{{.Config.Labels}}", "map[b:2 manager:distrobox]"),
        ("{{.Names}} {{.State}} {{.Mounts}}", "[web www] {running 42} []"),
        ('{{printf "%+v" .State}}', "{Status:running Pid:42}"),
        ("{{json .Names}} {{json .State}}", '["web","www"] {"Status":"running","Pid":42}'),
        ("{{range .Names}}{{.}},{{end}}{{range .Mounts}}x{{else}}no mounts{{end}}", "web,www,no mounts"),
        ("{{range $k, $v := .Config.Labels}}{{$k}}={{$v}} {{end}}", "b=2 manager=distrobox "),
        (
            '{{range .Config.Env}}{{if and (ge (len .) 5) (eq (slice . 0 5) "HOME=")}}'
            '{{slice . 5 | printf "%q"}}{{end}}{{end}}',
            '"/home/ada"',
        ),
        ("{{.Size}} {{range $i := 3}}{{$i}}{{end}}", "1.5 012"),
        ("{{.ID}}|{{.Names}}\n{{- with .State}}{{.Status}}{{end}}", "0123abcd|[web www]running"),
    ],
)
def test_what_scripts_ask_containers(template: str, text: str) -> None:
    assert render(parse(template), CONTAINER) == text


@pytest.mark.parametrize("template", ALIKE)
def test_what_go_renders_is_rendered(template: str) -> None:
    render(parse(template), VERSION)


@pytest.mark.parametrize("template", REFUSED)
def test_what_go_refuses_is_refused(template: str) -> None:
    with pytest.raises(TemplateError):
        render(parse(template), VERSION)


def test_errors_say_where() -> None:
    with pytest.raises(TemplateError, match=r"at character 4: .*no function foo"):
        parse("a{{ foo }}".replace(" ", ""))
    with pytest.raises(TemplateError, match=r"character 7: there is no field Nope; there are ID, State"):
        render(parse("abcd{{.Nope}}"), CONTAINER)
    with pytest.raises(TemplateError, match="define"):
        parse('{{define "x"}}{{end}}')


def test_deep_nesting_is_an_error_and_no_crash() -> None:
    with pytest.raises(TemplateError, match="deeply"):
        parse("{{if true}}" * 5000)
    with pytest.raises(TemplateError, match="deeply"):
        parse("{{" + "(" * 5000 + "}}")


@given(st.text(alphabet='{}.$|()"`abe ndifrngw:=-0123\\', max_size=40))
def test_no_text_makes_anything_but_a_text_or_a_template_error(text: str) -> None:
    with contextlib.suppress(TemplateError):
        assert isinstance(render(parse(text), VERSION), str)


@given(st.text())
def test_a_literal_comes_out_as_it_went_in(text: str) -> None:
    if "\x7f" not in text and "\x00" not in text and text.isprintable():
        assert render(parse("{{" + quote(text) + "}}"), None) == text
