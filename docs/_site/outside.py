"""Links of a page to files outside of docs/: on the forge they are relative paths, in the site the files come along."""

import re
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.structure.files import File, Files

LINK = re.compile(r"\]\(((?:\.\./)+[^)#\s]+)")
FOLDER = "outside"


def on_files(files: Files, config: Any) -> Files:
    """Add what any page links to beyond docs/, as a file to be copied."""
    for page in files.documentation_pages():
        for target in LINK.findall(page.content_string):
            inside = _inside(page.src_uri, target)
            if inside is not None and inside not in files.src_uris:
                source = Path(config["docs_dir"], page.src_uri).parent / target
                files.append(File.generated(config, inside, content=source.read_bytes()))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """The same links, to the copies."""
    up = "../" * page.file.src_uri.count("/")

    def moved(found: re.Match[str]) -> str:
        inside = _inside(page.file.src_uri, found[1])
        return found[0] if inside is None else f"]({up}{inside}"

    return LINK.sub(moved, markdown)


def _inside(page: str, target: str) -> str | None:
    """Where the copy lies in docs/; None for a target that is in docs/ itself. Text, so that no page is made of it."""
    ups = target.count("../")
    depth = page.count("/")
    if ups <= depth:
        return None
    path = PurePosixPath(target.replace("../", ""))
    shown = path.with_name(path.name + ".txt") if path.suffix in {".md", ".yaml"} else path
    return f"{FOLDER}/{shown}"
