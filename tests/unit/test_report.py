"""The HTML report: self-contained, escaped, complete, the same bytes each time."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from bam.data.sources import read_sources
from bam.errors import DataError
from bam.files import write_text
from bam.layout import Layout
from bam.plan import Plan, make_plan
from bam.report import build
from bam.report.build import Contents, render
from bam.report.pivots import pivots
from bam.report.tables import Words, cell_words, column_words, read_words, shown
from bam.steps import table as table_step
from bam.steps.report import inputs
from bam.study import read_study

ROOT = Path(__file__).resolve().parents[2]
NASTY = "<b>bold</b> & 'quoted' $x$ 100% <script>alert('x')</script>"
MAIN = "dataset,method,selection,needs_groups,metric,mean,std,ci95_low,ci95_high,n_seeds"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><path id="a" d="M0 0"/></svg>'
MARKDOWN = f"**Caption of {{}}.** Its rest {NASTY}\n\n| a |\n| --- |\n| shown |\n\nNote {NASTY}\n\nLast note.\n"
CONTENTS = Contents(["main", "cost"], {"worst_group_by_method": "Worst group", "sweep_x": f"Sweep {NASTY}"})


class Page(HTMLParser):
    """Collects what the tests ask about."""

    def __init__(self, html):
        super().__init__()
        self.ids, self.links, self.sources, self.tags, self.images = [], [], [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        """Note ids, links and images."""
        found = dict(attrs)
        self.tags.append(tag)
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found["href"]] if "href" in found else []
        self.sources += [found["src"]] if "src" in found else []
        self.images += [found] if tag == "img" else []


@pytest.fixture(scope="module")
def plan() -> Plan:
    return make_plan(read_study(str(ROOT / "config/digits.yaml")), read_sources(ROOT / "config/datasets.yaml"))


@pytest.fixture
def layout(tmp_path) -> Layout:
    layout = Layout(tmp_path / "data", tmp_path / "results")
    rows = [
        "colored_digits,bam,class_difference,none,worst_group_accuracy,0.71234,0.05,0.6,0.8,5",
        f"{NASTY},bam,worst_group,val,worst_group_accuracy,0.5,0.0,,,4",
    ]
    write_text(layout.table("main", "csv"), "\n".join([MAIN, *rows, ""]))
    write_text(layout.table("cost", "csv"), "dataset,method,step,n_runs,wall_s\ncolored_digits,bam,stage2,10,1.25\n")
    for name in ("main", "cost"):
        write_text(layout.table(name, "md"), MARKDOWN.format(name))
    for name in ("worst_group_by_method", "sweep_x"):
        layout.figure(name, "svg").parent.mkdir(parents=True, exist_ok=True)
        layout.figure(name, "svg").write_bytes(SVG)
        write_text(layout.figure(name, "txt"), f"Caption of {name}. {NASTY}\n")
    return layout


@pytest.fixture
def html(plan, layout) -> str:
    return render(plan, layout, CONTENTS, layout.report)


def test_nothing_outside_the_file_is_referred_to(html):
    page = Page(html)
    assert all(source.startswith("data:") for source in page.sources)
    assert all(link.startswith("#") for link in page.links)
    assert not {"script", "link", "iframe", "object", "embed"} & set(page.tags)
    assert "@import" not in html
    assert "url(" not in html


def test_user_text_is_escaped(html):
    assert "<script>" not in html
    assert "<b>bold" not in html
    assert "&lt;b&gt;bold&lt;/b&gt; &amp;" in html


def test_every_table_and_figure_is_there_and_links_lead_somewhere(html):
    page = Page(html)
    assert {"table-main", "table-cost", "figure-worst_group_by_method", "figure-sweep_x"} <= set(page.ids)
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)
    assert len(page.images) == 2
    assert all(image["alt"] for image in page.images)
    assert "Caption of sweep_x." in html


def test_ids_are_unique(html):
    ids = Page(html).ids
    assert len(ids) == len(set(ids))


def test_the_main_table_comes_first(html):
    assert re.findall(r'<h2 id="([^"]+)"', html)[0] == "main-result"
    assert "71.2" in html
    assert html.index("71.2") < html.index("<img")


def test_verdicts_on_published_numbers_are_counted_at_the_top(plan, layout, html):
    assert 'id="fidelity"' not in html, "no such table, no such section"
    write_text(layout.table("fidelity", "csv"), "dataset,published,ours,difference,ci95_low,ci95_high\nd,0.5,,,,\n")
    write_text(
        layout.table("fidelity", "md"), "**Caption.** Rest\n\n| a |\n| --- |\n| b |\n\n3 agree & so on.\n\nMore.\n"
    )
    found = render(plan, layout, Contents(["main", "fidelity"], {}), layout.report)
    page = Page(found)
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)
    assert found.index('id="main-result"') < found.index("3 agree &amp; so on. One by one") < found.index('id="study"')


def test_two_renderings_are_the_same_bytes(plan, layout, html):
    assert render(plan, layout, CONTENTS, layout.report) == html


def test_every_run_and_its_commands_are_listed(plan, html):
    for run in (*plan.stage1.values(), *plan.trainings.values()):
        assert html.count(run.name) >= 2
    for verb in ("fetch digits", "prepare", "annotate", "stage1", "error-set", "stage2", "train", "select", "evaluate"):
        assert f"python -m bam {verb} " in html
    assert "python -m bam report --study" in html
    assert "snakemake --cores all --configfile" in html


def test_a_study_given_as_json_gets_commands_with_a_shell_variable(plan, layout):
    by_json = make_plan(read_study(plan.study.json()), read_sources(ROOT / "config/datasets.yaml"))
    html = render(by_json, layout, CONTENTS, layout.report)
    assert "STUDY=&#39;{" in html
    assert "python -m bam table main cost --study &#34;$STUDY&#34;" in html


def test_captions_and_notes_of_tables_are_those_of_their_markdown(plan, layout, html):
    for name in CONTENTS.tables:
        assert read_words(layout.table(name, "md")) == Words(
            f"Caption of {name}.", f"Its rest {NASTY}", (f"Note {NASTY}", "Last note.")
        )
        below = html[html.index(f'id="table-{name}"') :]
        assert below.index("</table>") < below.index(f"<strong>Caption of {name}.</strong> Its rest &lt;b&gt;bold")
        assert below.index("Its rest") < below.index("Note &lt;b&gt;bold") < below.index("Last note.")
    assert "| shown |" not in html
    assert {layout.table(name, "md") for name in table_step.names(plan)} <= set(inputs(plan, layout))


def test_a_caption_without_rest_and_notes_is_read(tmp_path):
    write_text(tmp_path / "t.md", "**Only this**\n\n| a |\n| --- |\n| 1 |\n")
    assert read_words(tmp_path / "t.md") == Words("Only this", "", ())


def test_a_table_without_markdown_is_named(plan, layout):
    layout.table("cost", "md").unlink()
    with pytest.raises(DataError, match=r"cost\.md: cannot be read .*bam table cost"):
        render(plan, layout, CONTENTS, layout.report)


def test_differences_clear_of_zero_are_not_shown_as_zero():
    row = {"difference": "0.0003", "ci95_low": "0.0001", "ci95_high": "0.0005", "verdict": "higher"}
    words = Words("", "", ())
    assert shown("comparisons", [row], words).rows == [["0.03", "0.01", "0.05", "higher"]]
    assert shown("comparisons", [row | {"ci95_low": ""}], words).rows == [["0.0", "", "0.1", "higher"]]


def test_one_seed_has_no_mean_and_no_interval(layout):
    one = make_plan(
        read_study(str(ROOT / "config/digits.yaml")).only("colored_digits", "erm"),
        read_sources(ROOT / "config/datasets.yaml"),
    )
    assert build._about_cells(1) == "value of the one seed"
    assert "mean over 5 seeds, 95 % interval below" in render(one, layout, CONTENTS, layout.report)


def test_a_missing_table_or_figure_is_named(plan, layout):
    with pytest.raises(DataError, match=r"regret\.csv: cannot be read .*bam table regret"):
        render(plan, layout, Contents(["regret"], {}), layout.report)
    with pytest.raises(DataError, match=r"none\.svg: cannot be read .*bam figure none"):
        render(plan, layout, Contents([], {"none": "None"}), layout.report)


def test_empty_cells_stay_empty_and_oracles_are_marked():
    lines = [
        "d,bam,class_difference,none,worst_group_accuracy,0.5,,,,5",
        "d,bam,worst_group,val,worst_group_accuracy,,,,,0",
    ]
    rows = [dict(zip(MAIN.split(","), line.split(","), strict=True)) for line in lines]
    (pivot,) = pivots(rows, "worst_group_accuracy", 5)
    assert pivot.rows == [("BAM", [("50.0", "", ""), ("", "", "every setting failed")])]
    assert [oracle != "" for _, oracle in pivot.rules] == [False, True]
    assert cell_words("std", "") == ""


def test_column_names_and_numbers_are_for_people():
    assert column_words("epochs", "test_worst_group_accuracy") == "worst-group accuracy on test, %"
    assert column_words("error_sets", "minority_recall") == "minority recall, %"
    assert column_words("regret", "mean") == "mean, points"
    assert cell_words("mean", "0.81249") == "81.2"
    assert cell_words("difference", "-0.05") == "\N{MINUS SIGN}5.0"


def test_long_tables_are_folded_and_cut_with_a_note(plan, layout):
    lines = "".join(f"d,bam,stage2,{n},1.0\n" for n in range(600))
    write_text(layout.table("cost", "csv"), "dataset,method,step,n_runs,wall_s\n" + lines)
    html = render(plan, layout, Contents(["cost"], {}), layout.report)
    assert "The first 500 of 600 rows; the whole table is tables/cost.csv." in html
    assert shown("cost", [{"dataset": "d"}] * 30, Words("", "", ())).is_folded


def test_a_missing_package_is_said_to_be_missing():
    assert build._version("no-such-package-anywhere") == "not installed"
