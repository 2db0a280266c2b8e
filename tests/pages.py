"""The pages of the documentation and the fenced blocks in them."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r" *```(.*)")


@dataclass(frozen=True)
class Block:
    """One fenced block. line: of its first fence."""

    page: str
    line: int
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks_of(page: str, kind: str | None = None) -> list[Block]:
    """The blocks of a page in order, or those of one kind."""
    found, begun, lines = list[Block](), None, list[str]()
    for number, line in enumerate(text_of(page).splitlines(), 1):
        fence = FENCE.fullmatch(line)
        if fence and begun is None:
            begun, lines = (number, fence[1].strip()), []
        elif fence and begun is not None:
            assert not fence[1], f"{page}:{number}: a block begins within the one of line {begun[0]}"
            found.append(Block(page, begun[0], begun[1], "\n".join(lines) + "\n"))
            begun = None
        else:
            lines.append(line)
    assert begun is None, f"{page}: the block of line {begun and begun[0]} does not end"
    return [block for block in found if kind in (None, block.kind)]


def every_block(kind: str | None = None) -> list[Block]:
    return [block for page in PAGES for block in blocks_of(page, kind)]
