"""The site of docs/: its order, its links, what it takes from the code; built without a warning and without the net."""

import importlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator import cli_reference
from tests.pages import PAGES, ROOT, text_of

LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")


def site() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "mkdocs.yml").read_text()))


def pages_of(nav: Any) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    parts = nav.values() if isinstance(nav, dict) else nav
    return [page for part in parts for page in pages_of(part)]


def test_the_order_of_the_site_has_every_page_once() -> None:
    listed = pages_of(site()["nav"])
    there = [page.removeprefix("docs/") for page in PAGES if page.startswith("docs/")]
    assert sorted(set(there) - set(listed)) == [], "add these pages to `nav` in mkdocs.yml"
    assert sorted(set(listed) - set(there)) == [], "`nav` in mkdocs.yml names pages that are not there"
    assert len(listed) == len(set(listed))


def test_the_readme_leads_to_every_page() -> None:
    """But to the worked example, to which the page about extending leads."""
    linked = {target for target, _ in LINK.findall(text_of("README.md"))}
    assert [
        page for page in PAGES if page.startswith("docs/") and page not in linked and "/examples/" not in page
    ] == []


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target, anchor in LINK.findall(_prose(page)):
            file = (ROOT / page).parent / target if target else ROOT / page
            assert file.exists(), (page, target)
            if anchor:
                assert anchor in _anchors(file), (page, target, anchor)


def _prose(page: str) -> str:
    return re.sub(r"^ *```.*?^ *```$", "", text_of(page), flags=re.DOTALL | re.MULTILINE)


def _anchors(file: Path) -> set[str]:
    """Of the headings, as the forge and the site make them."""
    headings = re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE)
    return {re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings}


def test_the_page_of_the_command_is_its_help() -> None:
    assert text_of("docs/cli.md").strip() == cli_reference.page().strip(), "run `make reference`"


def test_the_page_of_the_command_has_every_verb_and_option() -> None:
    from tests.orchestrator.test_help import VERBS

    page = text_of("docs/cli.md")
    for verb, one in VERBS.items():
        section = page.split(f"\n## `coherence {' '.join(verb)}`\n")[1].split("\n## ")[0]
        for parameter in one.params:
            assert parameter.name == "help" or f"`{parameter.opts[0]}`" in section or parameter.metavar, parameter.name


def test_the_page_of_the_api_names_what_is_there_and_documented() -> None:
    named = re.findall(r"^::: (\S+)\n(?: {4}options:\n {6}members: \[(.*)\])?", text_of("docs/api.md"), re.MULTILINE)
    assert len(named) > 30
    for name, members in named:
        one = _found(name)
        assert (one.__doc__ or "").strip(), name
        for member in filter(None, members.split(", ")):
            assert (getattr(one, member).__doc__ or "").strip(), (name, member)


def _found(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        module, _, attribute = name.rpartition(".")
        return getattr(importlib.import_module(module), attribute)


def _ratios(page: str, method: str) -> list[float]:
    """The numbers of a row of a table, without what is in brackets."""
    [row] = re.findall(rf"^\| {re.escape(method)} \|(.*)\|$", text_of(page), re.MULTILINE)[:1]
    return [float(cell.split()[0]) for cell in row.split("|") if cell.strip()]


@pytest.mark.parametrize("method", ["fused", "exact", "Opacus ghost"])
def test_the_comparison_quotes_the_engine_as_measured(method: str) -> None:
    found = _ratios("docs/engine.md", method)
    assert f"{min(found):.2f} to {max(found):.2f}" in text_of("docs/comparison.md")


def test_the_comparison_quotes_the_other_tables_as_measured() -> None:
    page, measured = text_of("docs/comparison.md"), text_of("docs/performance.md")
    for method, count in (("winsorized", 2), ("Opacus + sort, winsorized", 2)):
        [row] = re.findall(rf"^\| {re.escape(method)} \|(.*)\|$", measured, re.MULTILINE)
        ratios = [cell.split()[0] for cell in row.split("|")[2:] if "(" in cell][:count]
        assert " and ".join(ratios) in page, method
    for way in ("this project on Ray", "plain Tune, default loggers, actors used again"):
        [row] = re.findall(rf"^\| {re.escape(way)} \|(.*)\|$", measured, re.MULTILINE)
        assert row.split("|")[1].strip() in page, way


def test_the_batch_norm_page_quotes_what_was_measured() -> None:
    page = text_of("docs/batch-norm.md")
    contradiction = text_of("docs/contradiction.md")
    for row in ("batch normalisation, evaluation over training | real", "labels, real over random | "):
        [value] = re.findall(rf"^\| {re.escape(row)} \| ([^|]+) \|", contradiction, re.MULTILINE)
        assert value in page, row
    evaluated, grouped = re.findall(r"^\| 20 \| (\S+) \| (\S+) \|", text_of("docs/validation.md"), re.MULTILINE)[0]
    assert f"reads {evaluated} where groups of ten read {grouped}" in page


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_loads_nothing_from_outside(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    pytest.importorskip("material")
    pytest.importorskip("mkdocstrings")
    built = tmp_path / "site"
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(built)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (built / "outside/cluster.yaml.txt").read_text() == (ROOT / "cluster.yaml").read_text()
    loaded = re.compile(r'<(?:script|img|iframe|source)\b[^>]*\bsrc="?(https?:)?//|<link\b[^>]*href="?(https?:)?//')
    for page in built.rglob("*.html"):
        assert not [found for found in loaded.findall(page.read_text()) if found], page
    for sheet in built.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//|@import", sheet.read_text()), sheet
