"""The OpenAPI document as a page for people: one HTML text without scripts, fonts or anything from elsewhere."""

import base64
import hashlib
import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any, Final

from opencognit.http.schemas import Json

STYLE: Final = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --link: light-dark(#0b57d0, #8ab4f8); }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 62rem; padding: 1rem; }
a { color: var(--link); }
code, pre { font-family: ui-monospace, monospace; font-size: .9em; }
pre { background: var(--soft); padding: .6rem; overflow-x: auto; }
nav ul { columns: 14rem; padding-left: 1.2rem; }
h2 { border-bottom: 1px solid var(--line); margin-top: 2.5rem; }
h4 { margin: 1rem 0 .3rem; }
details { border: 1px solid var(--line); border-radius: .4rem; margin: .4rem 0; padding: 0 .8rem; }
summary { cursor: pointer; padding: .4rem 0; }
summary b { display: inline-block; min-width: 4.2rem; }
table { border-collapse: collapse; width: 100%; }
td { border-top: 1px solid var(--line); padding: .25rem .8rem .25rem 0; vertical-align: top; }
td:first-child { white-space: nowrap; }
"""

POLICY: Final = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; style-src 'sha256-"
    f"{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'"
)
"""The page's `Content-Security-Policy`: nothing but its own style."""

_CODE = re.compile(r"`([^`]+)`")


def docs_page(document: Json) -> str:
    """The page of a document that `openapi.document` has made."""
    info, tags = document["info"], document["tags"]
    title = f"{escape(info['title'])} {escape(info['version'])}"
    links = "".join(f'<li><a href="#{tag["name"]}">{tag["name"]}</a></li>' for tag in tags)
    return "".join(
        (
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<style>{STYLE}</style></head><body><h1>{title}</h1>{_prose(info['description'])}",
            '<p>For programs: <a href="/api/openapi.json">openapi.json</a>.</p>',
            f'<nav><ul>{links}<li><a href="#schemas">schemas</a></li></ul></nav><main>',
            *(part for tag in tags for part in _section(tag, document)),
            '<h2 id="schemas">schemas</h2>',
            *(_schema(name, schema) for name, schema in sorted(document["components"]["schemas"].items())),
            "</main></body></html>",
        )
    )


def _section(tag: Json, document: Json) -> Iterator[str]:
    yield f'<h2 id="{tag["name"]}">{tag["name"]}</h2>{_prose(tag["description"])}'
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if tag["name"] in operation["tags"]:
                yield _operation(path, method.upper(), operation, document["components"])


def _operation(path: str, method: str, operation: Json, components: Json) -> str:
    head = f"<b>{method}</b> <code>{escape(path)}</code> {_words(operation['summary'])}"
    parameters = [_resolved(parameter, "parameters", components) for parameter in operation["parameters"]]
    rows = [
        (f"<code>{escape(one['name'])}</code>", one["in"], _kind(one["schema"]), _words(one.get("description", "")))
        for one in parameters
    ]
    answers = [
        (f"<code>{status}</code>", *_answer(_resolved(answer, "responses", components)))
        for status, answer in operation["responses"].items()
    ]
    return (
        f'<details><summary>{head}</summary><div id="{operation["operationId"]}">'
        f"{_prose(operation['description'])}{_table('Parameters', rows)}{_body(operation)}"
        f"<h4>Try it</h4><pre>{escape(_curl(path, method, operation))}</pre>"
        f"{_table('Answers', answers)}</div></details>"
    )


def _body(operation: Json) -> str:
    if "requestBody" not in operation:
        return ""
    content = operation["requestBody"]["content"]["application/json"]
    example = json.dumps(_example(operation), indent=2, ensure_ascii=False)
    return f"<h4>Body</h4><p>{_kind(content['schema'])}, such as</p><pre>{escape(example)}</pre>"


def _example(operation: Json) -> Any:
    return operation["requestBody"]["content"]["application/json"]["examples"]["usual"]["value"]


def _curl(path: str, method: str, operation: Json) -> str:
    """The request as a line of a shell, with what it names as variables."""
    words = ["curl"] if method == "GET" else ["curl", "-X", method]
    words.append('"$SERVER' + re.sub(r"\{(\w+)\}", lambda found: f"${found[1].upper()}", path) + '"')
    if operation["security"]:
        words.append('-H "Authorization: Bearer $TOKEN"')
    if "requestBody" in operation:
        body = json.dumps(_example(operation), ensure_ascii=False)
        words += ['-H "Content-Type: application/json"', f"-d {shlex.quote(body)}"]
    return " ".join(words)


def _answer(answer: Json) -> tuple[str, str]:
    (content,) = answer.get("content", {"": {}}).values()
    codes = ", ".join(f"<code>{escape(code)}</code>" for code in content.get("examples", ()))
    return codes or _kind(content.get("schema", {})), _words(answer["description"])


def _schema(name: str, schema: Json) -> str:
    required = schema.get("required", ())
    rows = [
        (f"<code>{escape(field)}</code>", "required" if field in required else "", _kind(kind), _words(words))
        for field, kind in schema.get("properties", {}).items()
        for words in (kind.get("description", ""),)
    ]
    form = _table("Fields", rows) if rows else f"<p>{_kind(schema)}</p>"
    return (
        f"<details><summary><code>{escape(name)}</code></summary>"
        f'<div id="schema-{escape(name)}">{_prose(schema.get("description", ""))}{form}</div></details>'
    )


def _kind(schema: Mapping[str, Any]) -> str:
    """What a value may be, in words."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#schema-{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_kind(part) for part in schema["anyOf"])
    if "enum" in schema:
        return " ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    bounds = [
        f"{word} {schema[key]}"
        for key, word in (("minimum", "from"), ("maximum", "to"), ("minLength", "at least"), ("maxLength", "at most"))
        if key in schema
    ]
    return escape(" ".join([schema.get("format") or schema.get("type", "anything"), *bounds]))


def _table(title: str, rows: Sequence[tuple[str, ...]]) -> str:
    if not rows:
        return ""
    cells = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<h4>{title}</h4><table>{cells}</table>"


def _prose(text: str) -> str:
    return "".join(f"<p>{_words(paragraph)}</p>" for paragraph in text.split("\n\n") if paragraph)


def _words(text: str) -> str:
    return _CODE.sub(r"<code>\1</code>", escape(text))


def _resolved(part: Json, kind: str, components: Json) -> Json:
    """What a reference to a component stands for."""
    found: Json = components[kind][part["$ref"].rpartition("/")[2]] if "$ref" in part else part
    return found
