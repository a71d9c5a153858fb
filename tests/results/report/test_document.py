"""The report stands alone: one file, no network, and everything a reader needs in it."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

import trapbench
from results.report import document
from results.run import Run
from trapbench import cli

SECTIONS = (
    "run",
    "verdicts",
    "numbers",
    "plots",
    "exits",
    "claims",
    "validation",
    "troubles",
    "limits",
    "provenance",
)
CHROMIUM = shutil.which("chromium")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of a few cells, one of which diverges."""
    out = tmp_path_factory.mktemp("report") / "run"
    trapbench.run(
        ["hvm-ept", "hvm-shadow", "trap-and-emulate"],
        ["nano/ptemod-np-to-p", "sensitive/flags"],
        jobs=1,
        out=out,
    )
    assert cli.invoke(["report", str(out)]) == 0
    return out / "report.html"


def test_it_is_one_small_file_that_refers_to_nothing_outside(page: Path) -> None:
    text = page.read_text("utf-8")
    assert len(text) < 5_000_000
    outside = re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?(?!#)([a-z]+:)?//[^"'\s)]+""", text)
    assert outside == []
    assert "<link" not in text and "@import" not in text and "fetch(" not in text


def test_every_section_is_there_and_linked(page: Path) -> None:
    text = page.read_text("utf-8")
    assert tuple(re.findall(r'<section id="(\w+)">', text)) == SECTIONS
    assert tuple(re.findall(r'<a href="#(\w+)">', text)) == SECTIONS


class _Balance(HTMLParser):
    """Open elements must be closed in order."""

    VOID = ("meta", "input", "br")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element that closes itself is in no one's way."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_its_elements_are_balanced_and_its_names_unique(page: Path) -> None:
    balance = _Balance()
    text = page.read_text("utf-8")
    balance.feed(text)
    assert balance.open == []
    named = re.findall(r' id="([^"]+)"', text)
    assert len(named) == len(set(named))
    assert set(re.findall(r'(?:url\(|href=")#([^)"]+)[)"]', text)) <= set(named)


def test_it_says_who_wins_and_who_diverged_and_why(page: Path) -> None:
    text = " ".join(page.read_text("utf-8").split())
    assert re.search(
        r"hvm-ept is fastest, at 1\.\d\d × native \(.*?\); fastest in 100% of the samples", text
    )
    assert re.search(r"trap-and-emulate diverged: .*? from native", text)
    assert "<svg viewBox=" in text and 'aria-label="Cycles over native: nano"' in text


def test_texts_of_guests_cannot_become_markup(page: Path) -> None:
    run = Run.load(page.parent)
    run.runs = run.runs.assign(reason="<script>alert(1)</script>", status="failed")
    text = document.render(run, "nehalem", {})
    assert "<script>alert" not in text and "&lt;script&gt;alert(1)" in text


def test_the_same_run_gives_the_same_report(page: Path) -> None:
    run = Run.load(page.parent)
    assert document.render(run, "nehalem", {}) == document.render(run, "nehalem", {})


_PROBE = """
<script>addEventListener('load', () => {
  const beyond = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  const table = document.querySelector('[data-name="numbers"]');
  const names = () => [...table.querySelectorAll('tbody tr')].filter(r => !r.hidden).map(r => r.cells[0].textContent);
  table.querySelectorAll('th button')[1].click();
  const up = names();
  table.querySelectorAll('th button')[1].click();
  const down = names();
  const input = table.querySelector('input');
  input.value = 'PTEMOD np'; input.dispatchEvent(new Event('input'));
  document.body.innerHTML = '<pre id="seen">' + JSON.stringify([up, down, names(), beyond]) + '</pre>';
});</script>"""


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_sorts_and_filters_its_tables(page: Path, width: int, tmp_path: Path) -> None:
    probe = tmp_path / "probe.html"
    probe.write_text(page.read_text("utf-8").replace("</body>", _PROBE + "</body>"), "utf-8")
    command = [
        *(str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"),
        *("--no-first-run", "--disable-background-networking", "--disable-component-update"),
        *(
            "--disable-sync",
            f"--user-data-dir={tmp_path / 'profile'}",
            f"--window-size={width},900",
        ),
        *("--virtual-time-budget=4000", "--dump-dom", probe.as_uri()),
    ]
    seen = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    found = re.search(r'<pre id="seen">(.*?)</pre>', seen)
    assert found is not None
    up, down, filtered, beyond = json.loads(html.unescape(found[1]))
    assert sorted(up) == ["nano/ptemod-np-to-p", "sensitive/flags"]
    assert down == up[::-1]
    assert filtered == ["nano/ptemod-np-to-p"]
    assert beyond == 0  # nothing sticks out of the page: wide tables scroll by themselves
