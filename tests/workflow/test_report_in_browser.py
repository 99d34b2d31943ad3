"""The report is opened in a real browser that may load nothing but the file itself."""

import os
import shutil

import pytest

BROWSER = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")


@pytest.fixture(scope="module")
def page():
    if BROWSER is None:
        if os.environ.get("BAM_REQUIRE_BROWSER"):
            pytest.fail("BAM_REQUIRE_BROWSER is set and there is no chromium")
        pytest.skip("no chromium on PATH; .ci/run installs one")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=BROWSER,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
        )
        yield browser.new_page(viewport={"width": 1280, "height": 900})
        browser.close()


def test_the_report_opens_offline_with_every_table_and_figure_in_view(finished, page):
    requests, errors = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.context.set_offline(True)
    page.goto((finished.results / "report.html").as_uri())
    assert errors == []
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
    images = page.eval_on_selector_all("img", "nodes => nodes.map(n => [n.complete, n.naturalWidth, n.alt])")
    figures = sorted(p.stem for p in (finished.results / "figures").glob("*.svg"))
    assert len(images) == len(figures) > 0
    assert all(complete and width > 100 and alt for complete, width, alt in images)
    assert page.locator("h1").inner_text()
    text = page.locator("body").inner_text()
    assert "Group-DRO" in text
    assert page.locator("table").count() >= len(list((finished.results / "tables").glob("*.csv"))) - 2
    # No sideways scrolling of the page itself, on a desktop and on a phone.
    for width in (1280, 400):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_report_holds_the_settings_and_the_command_of_every_run(finished):
    text = (finished.results / "report.html").read_text()
    runs = [p.parent.name for p in (finished.results / "predictions").glob("*/*/record.json")]
    assert len(runs) == 12
    for run in runs:
        assert run in text
    assert "python -m bam stage2" in text
    assert "snakemake" in text
