"""What a page is made of beside its text: its style, its scripts, the data they draw, and the policy that lets nothing
else run or load."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from dumo_bench.storage.files import sha256_of
from dumo_bench.texts import plain

#: what a page that is a file may load: nothing but what stands in it
POLICY = (
    "default-src 'none'; script-src {scripts}; style-src {styles}; style-src-attr 'none'; img-src {images}; "
    "base-uri 'none'; form-action 'none'"
)
_ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}  # JSON that ends no element and begins no comment


@dataclass(frozen=True, slots=True)
class Gallery:
    """The pictures of a page. data: as `pictures.of` has them; thumbs: base64 of WebP, in the order of their keys;
    None: they are served beside the page. left_out: pictures that there was no room for."""

    data: Mapping[str, Any]
    keys: Sequence[str]
    thumbs: Sequence[str] | None = None
    left_out: int = 0

    @property
    def served(self) -> bool:
        return self.thumbs is None


@dataclass(frozen=True, slots=True)
class Parts:
    """style and scripts: their text, whose hashes the policy names; data: JSON by the id of its element."""

    style: str
    scripts: Sequence[str]
    policy: str
    gallery: Gallery | None
    data: Mapping[str, str] = field(default_factory=dict)


def parts(charts: Sequence[Sequence[Mapping[str, Any]]], shown: Gallery | None) -> Parts:
    """The parts of a page. charts: of each section its views."""
    drawn = any(charts)
    scripts = [
        *([_vega()] if drawn else []),
        *(_asset(name) for name in ("page.js", *(["gallery.js"] if shown else []))),
    ]
    style = _asset("page.css")
    data = {"charts": _json(charts)} if drawn else {}
    if shown:
        told = {**shown.data, "keys": shown.keys, "served": shown.served}
        data |= {"pictures": _json(told), **({} if shown.thumbs is None else {"thumbs": _json(shown.thumbs)})}
    policy = POLICY.format(
        scripts=" ".join(map(_hash, scripts)),
        styles=_hash(style),
        images="'self' data:" if shown and shown.served else "data:",
    )
    return Parts(style, scripts, policy, shown, data)


def _hash(text: str) -> str:
    digest = bytes.fromhex(sha256_of([text.encode()]))
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _json(value: Any) -> str:
    """JSON for an element of the page; no text in it acts."""
    text = plain(json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False))
    for sign, escaped in _ESCAPED.items():
        text = text.replace(sign, escaped)
    return text


def _plain(value: Any) -> Any:
    """The value with `plain` texts: what JSON escapes would come back otherwise."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, Mapping):
        return {plain(str(key)): _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, (list, tuple)) else value


def _asset(name: str) -> str:
    return files("dumo_bench.report").joinpath("assets", name).read_text(encoding="utf-8")


@cache
def _vega() -> str:
    """Vega, Vega-Lite and Vega-Embed as one module, of the version that Altair's charts are checked against."""
    import altair as alt
    import vl_convert

    version = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
    found: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", version)
    return found
