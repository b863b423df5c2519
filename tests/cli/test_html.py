"""``datapruner html``: files or stdin in, a valid page on stdout, nothing ever fetched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli.shell import Inside, Shell

PAGE = (
    "<html><body><nav>Home About</nav><h2>Prices</h2><table><tr><th>Item<th>Price<tr><td>Kettle"
    "<td>14 euros<tr><td>Toaster<td>21 euros</table><p hidden>Buy now</p></body></html>"
)


@pytest.fixture
def page(tmp_path: Path) -> Path:
    file = tmp_path / "page.html"
    file.write_text(PAGE, encoding="utf-8")
    return file


def test_a_page_is_pruned_onto_stdout(shell: Inside, page: Path) -> None:
    done = shell.ok(
        "html", page.name, "--query", "toaster", "--budget", "70 tokens", "--block-tokens", "3"
    )
    assert "<td>21 euros</td>" in done.out
    assert "Kettle" not in done.out
    assert "of 1 page; 1 hidden parts taken out" in done.err


@pytest.mark.parametrize(
    ("to", "expected"), [("markdown", "| Toaster | 21 euros |"), ("text", "Toaster\t21 euros")]
)
def test_other_formats(shell: Inside, page: Path, to: str, expected: str) -> None:
    done = shell.ok("html", page.name, "--budget", "everything", "--to", to, "--query", "toaster")
    assert expected in done.out


def test_several_pages_share_the_budget(shell: Inside, page: Path, tmp_path: Path) -> None:
    (tmp_path / "other.html").write_bytes(b"<p>Toasters brown bread.</p>")
    done = shell.ok(
        "html", page.name, "other.html", "-q", "--query", "bread", "--budget", "34 tokens"
    )
    assert done.out.startswith('<section data-source="other.html"><p>Toasters brown bread.</p>')
    assert done.err == ""


def test_json_and_explain_tell_of_every_block(shell: Inside, page: Path) -> None:
    done = shell.ok("html", page.name, "--budget", "everything", "--json", "--explain")
    told = json.loads(done.out)
    assert told["removed"][0]["text"] == "Buy now"
    assert told["kept"]
    assert "hidden: /html/body/p (hidden attribute)" in done.err


def test_a_file_is_written_and_not_written_over(shell: Inside, page: Path, tmp_path: Path) -> None:
    shell.ok("html", page.name, "--budget", "everything", "--out", "out.html")
    assert (tmp_path / "out.html").read_text(encoding="utf-8").startswith("<nav>")
    assert "out.html" in shell.refused("html", page.name, "--out", "out.html")
    shell.ok("html", page.name, "--out", "out.html", "--overwrite")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["https://example.org/x"], "is an address, and datapruner opens none"),
        (["."], "is a folder"),
        (["-", "-"], "only one stdin"),
        (["page.html", "--out", "page.html"], "is what is read"),
        (["none.html"], "none.html"),
        (["page.html", "--to", "pdf"], "to is 'pdf'"),
        (["page.html", "--keep", "color"], "color"),
        (["page.html", "--model", "minilm"], "reads the question, but there is none"),
        (["page.html", "--query", "x", "--model", "m"], "'lexical' reads with no model"),
        (
            ["page.html", "--query", "x", "--method", "semantic > paths", "--model", "m"],
            "'semantic' and 'paths' all read with a model",
        ),
        (
            ["page.html", "--query", "x", "--method", "lexical > paths", "--model", "nowhere"],
            "'nowhere' is no folder and no .gguf file here",
        ),
    ],
)
def test_what_the_user_can_mend_is_one_line(
    shell: Inside, page: Path, arguments: list[str], told: str
) -> None:
    assert told in shell.refused("html", *arguments)


def test_a_scorer_that_warns_is_told_on_stderr(
    shell: Inside, page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datapruner.scorers.passages import Passages

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(Passages, "__call__", broken)
    done = shell.ok("html", page.name, "--query", "x", "--budget", "everything")
    assert "warning: the scorer failed" in done.err


def test_stdin_is_a_page_too(process: Shell) -> None:
    done = process.ok("html", "-", "--query", "toaster", "--budget", "everything", stdin=PAGE)
    assert "<td>21 euros</td>" in done.out


def test_what_stands_in_navigation_can_be_put_down(shell: Inside, page: Path) -> None:
    asked = ("html", page.name, "--query", "home", "--budget", "4 words", "--to", "text")
    assert "Home" in shell.ok(*asked).out
    assert "Home" not in shell.ok(*asked, "--prior", "1").out
    assert "prior is 2.0" in shell.refused(*asked, "--prior", "2")


def test_a_method_reads_with_the_model_that_is_named(shell: Inside, page: Path) -> None:
    asked = ("html", page.name, "--query", "What does the toaster cost?", "--to", "text")
    asked = (*asked, "--budget", "8 words", "--method", "lexical > semantic", "--json")
    # The words-only embedder comes with the package; a name that is none says that it was used.
    assert json.loads(shell.ok(*asked, "--model", "offline").out)["text"]
    assert "no-such-model" in shell.refused(*asked, "--model", "no-such-model")
