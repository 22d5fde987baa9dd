"""Go's text/template, as far as `--format` uses it.

`lexer` cuts the text, `parser` makes a tree of it, `evaluate` runs the tree over a value,
`functions` is what can be called, `gofmt` prints values as Go's fmt does. Source: the package
documentation of text/template and fmt; the functions that podman and docker add to them.

`define`, `template` and `block` are left out: a `--format` has no room for them.
"""

from __future__ import annotations

from dacha.template.errors import TemplateError
from dacha.template.evaluate import render
from dacha.template.parser import Template, parse
from dacha.template.values import Struct

__all__ = ["Struct", "Template", "TemplateError", "parse", "render"]
