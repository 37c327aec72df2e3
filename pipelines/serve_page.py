"""The pages of the server: files that ask for nothing from anywhere, and its documentation as a page."""

import json
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any, Final

__all__ = ["FILES", "docs"]

_WEB: Final = Path(__file__).with_name("web")

FILES: Final[Mapping[str, tuple[str, bytes]]] = {
    path: (f"{kind}; charset=utf-8", (_WEB / name).read_bytes())
    for path, name, kind in (
        ("/", "index.html", "text/html"),
        ("/style.css", "style.css", "text/css"),
        ("/icon.svg", "icon.svg", "image/svg+xml"),
        *((f"/{file.name}", file.name, "text/javascript") for file in sorted(_WEB.glob("*.js"))),
    )
}
"""What is served at which path: its type and its bytes."""

_HEAD: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>fauxface: the API</title>
<link rel="icon" href="/icon.svg">
<link rel="stylesheet" href="/style.css">
</head>
<body>
<main>
<h1>The API of fauxface</h1>
<p>The same, for programs: <a href="/openapi.json">openapi.json</a>. The page for people: <a href="/">fauxface</a>.</p>
<p>A row of <code>results</code> is what <code>python cli.py score --format ndjson</code> prints. An error is
<code>{"error": {"type": ..., "message": ...}}</code>. Where the server has a token, send
<code>Authorization: Bearer TOKEN</code>.</p>
<pre tabindex="0"><code>curl --data-binary @photo.jpg -H 'Content-Type: image/jpeg' http://127.0.0.1:8000/v1/score
curl -F file=@a.jpg -F file=@b.png 'http://127.0.0.1:8000/v1/score?model=fast&amp;faces=auto'</code></pre>
"""


def docs(api: Mapping[str, Any]) -> str:
    """Write an OpenAPI description as a page without scripts."""
    parts = [
        _operation(path, method, operation) for path, ways in api["paths"].items() for method, operation in ways.items()
    ]
    return _HEAD + "\n".join(parts) + "\n</main>\n</body>\n</html>\n"


def _operation(path: str, method: str, operation: Mapping[str, Any]) -> str:
    lines = [f"<section>\n<h2><code>{method.upper()} {escape(path)}</code></h2>"]
    lines.append(f"<p>{escape(operation['summary'])}</p>")
    if kinds := operation.get("requestBody", {}).get("content"):
        lines.append(f"<p>Takes {', '.join(f'<code>{escape(kind)}</code>' for kind in kinds)}.</p>")
    if parameters := operation.get("parameters"):
        lines.append("<h3>Parameters</h3>\n" + _table(("name", "takes", "unless given"), map(_parameter, parameters)))
    answers = ((status, said["description"]) for status, said in operation["responses"].items())
    lines.append("<h3>Answers</h3>\n" + _table(("status", "means"), answers))
    return "\n".join([*lines, "</section>"])


def _parameter(parameter: Mapping[str, Any]) -> tuple[str, str, str]:
    schema = parameter["schema"]
    takes = parameter.get("description") or "a share between 0 and 1, both excluded"
    return parameter["name"], takes, json.dumps(schema.get("default")) if "default" in schema else ""


def _table(heads: tuple[str, ...], rows: "Iterator[tuple[str, ...]] | map[tuple[str, ...]]") -> str:
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>\n" for row in rows)
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>"
