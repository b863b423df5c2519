"""ContextDocumentPruner inside Haystack: pipelines, saved ones, both ways to run, a deadline."""

from __future__ import annotations

import asyncio
import copy
import inspect
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import datapruner as dp
from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.integrations.documents import OPTIONS

# Before the import, which is when Haystack reads it.
os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"

pytest.importorskip("haystack", reason='pip install "datapruner[haystack]"')

from haystack import Document, Pipeline
from haystack.components.builders import PromptBuilder
from haystack.core.errors import DeserializationError

from datapruner.integrations.haystack import ContextDocumentPruner

QUERY = "What is the capital of France?"


def documents() -> list[Document]:
    return [
        Document(id="it", content="Rome is the capital of Italy. It lies on the Tiber.", score=0.9),
        Document(
            id="fr",
            content="Paris is the capital of France. It lies on the Seine.",
            meta={"source": {"page": 7}},
            score=0.5,
            embedding=[1.0, 0.0],
        ),
        Document(id="cats", content="Cats purr."),
    ]


def pruner(**options: Any) -> ContextDocumentPruner:
    return ContextDocumentPruner(**{"budget": "8 tokens", "method": "lexical", **options})


def run(made: ContextDocumentPruner, given: list[Document], how: str, **more: Any) -> Any:
    if how == "sync":
        return made.run(QUERY, given, **more)["documents"]
    return asyncio.run(made.run_async(QUERY, given, **more))["documents"]


def piped(made: ContextDocumentPruner) -> Pipeline:
    pipeline = Pipeline()
    pipeline.add_component("pruner", made)
    template = "{% for d in documents %}{{ d.content }}{% endfor %}"
    pipeline.add_component("prompt", PromptBuilder(template, required_variables="*"))
    pipeline.connect("pruner.documents", "prompt.documents")
    return pipeline


def prompt(pipeline: Pipeline) -> str:
    made = pipeline.run({"pruner": {"query": QUERY, "documents": documents()}})
    return str(made["prompt"]["prompt"])


both = pytest.mark.parametrize("how", ["sync", "async"])


@both
def test_documents_keep_id_meta_and_embedding_and_gain_a_score(how: str) -> None:
    [made] = run(pruner(), documents(), how)
    direct = dp.prune_chunks(
        QUERY, [d.content for d in documents()], budget="8 tokens", method="lexical"
    )
    assert made.content == direct.text
    assert (made.id, made.embedding, made.meta["source"]) == ("fr", [1.0, 0.0], {"page": 7})
    assert type(made.score) is float
    assert made.score == direct.chunks[1].score
    assert made.meta["datapruner"]["spans"] == [[0, 32]]


@both
@pytest.mark.parametrize("deadline", [None, 30.0])
def test_what_comes_in_stays_as_it_is(how: str, deadline: float | None) -> None:
    given = documents()
    before = copy.deepcopy(given)
    made = run(pruner(drop_empty=False, deadline=deadline), given, how)
    assert given == before
    assert [d.id for d in made] == ["it", "fr", "cats"]


@both
def test_documents_without_content_pass(how: str) -> None:
    nothing = Document(id="image", meta={"file": "cat.png"})
    given = [nothing, *documents()]
    made = run(pruner(), given, how)
    assert [d.id for d in made] == ["image", "fr"]
    assert made[0] is nothing


def test_an_empty_content_is_one_of_which_nothing_is_left() -> None:
    given = [Document(id="empty", content=""), *documents()]
    assert [d.id for d in run(pruner(), given, "sync")] == ["fr"]
    kept = run(pruner(drop_empty=False), given, "sync")
    assert kept[0].meta["datapruner"]["total"] == 0


def test_titles_come_from_the_meta() -> None:
    given = [
        Document(content="It is there. Cats purr.", meta={"title": "Rome"}),
        Document(content="It is there.", meta={"name": "Paris"}),
    ]
    seen: list[Any] = []

    def scorer(items: Items, *, query: str | None = None, seed: int = 0) -> Scores:
        seen.append(list(items.feature("title", "titles")))
        return Scores(np.ones(items.n), items, "told", "told")

    run(pruner(method=scorer), given, "sync")
    run(pruner(method=scorer, title_key="name"), given, "sync")
    assert seen == [["Rome", "Rome", ""], ["", "", "Paris"]]


def test_details_are_those_of_the_last_run() -> None:
    [once] = run(pruner(), documents(), "sync")
    [made] = run(pruner(), [once], "sync")
    assert (once.meta["datapruner"]["total"], made.meta["datapruner"]["total"]) == (2, 1)


@both
def test_limits_of_one_run_hold_for_that_run(how: str) -> None:
    made = pruner(on_empty="empty")
    assert len(run(made, documents(), how, budget="100% of tokens")) == 3
    assert run(made, documents(), how, threshold=1e9) == []
    assert len(run(made, documents(), how)) == 1


def test_an_empty_query_leaves_the_scores_alone() -> None:
    made = pruner(budget=None, threshold=0.0).run("", documents())["documents"]
    assert [(d.content, d.score) for d in made] == [(d.content, d.score) for d in documents()]


@both
def test_no_documents_are_no_documents(how: str) -> None:
    assert run(pruner(), [], how) == []


@both
def test_a_slow_scorer_fails_open_with_a_flag(how: str) -> None:
    go = threading.Event()

    def slow(items: Items, *, query: str | None = None, seed: int = 0) -> Scores:
        assert go.wait(30)
        return Scores(np.ones(items.n), items, "slow", "slow")

    made = run(pruner(method=slow, deadline=0.05), documents(), how)
    go.set()
    assert [(d.content, d.score) for d in made] == [(d.content, d.score) for d in documents()]
    assert [d.meta["datapruner"]["flags"] for d in made] == [["deadline"]] * 3


def test_it_stands_in_a_pipeline() -> None:
    assert prompt(piped(pruner())).strip() == "Paris is the capital of France."


def test_it_stands_in_an_asynchronous_pipeline() -> None:
    pipeline = piped(pruner())
    if not hasattr(pipeline, "run_async"):
        from haystack import AsyncPipeline

        pipeline = AsyncPipeline()
        pipeline.add_component("pruner", pruner())
    made = asyncio.run(
        pipeline.run_async(
            {"pruner": {"query": QUERY, "documents": documents()}}, include_outputs_from={"pruner"}
        )
    )
    assert [d.id for d in made["pruner"]["documents"]] == ["fr"]


def test_both_ways_to_run_have_one_signature() -> None:
    ways = [
        inspect.signature(way)
        for way in (ContextDocumentPruner.run, ContextDocumentPruner.run_async)
    ]
    assert ways[0] == ways[1]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"budget": dp.Budget(cost=8, unit="tokens", per_group=2)},
        {"pins": ("title", "numbers"), "deadline": 2.5, "drop_empty": False, "title_key": None},
        {"budget": 0.5, "threshold": 0.1, "order": "edges", "neighbours": 1},
    ],
)
def test_it_is_saved_and_read_as_plain_values(options: dict[str, Any]) -> None:
    made = pruner(**options)
    told = made.to_dict()
    assert told["type"] == "datapruner.integrations.haystack.ContextDocumentPruner"
    assert json.loads(json.dumps(told)) == told
    again = ContextDocumentPruner.from_dict(json.loads(json.dumps(told)))
    assert again.to_dict() == told
    assert run(again, documents(), "sync") == run(made, documents(), "sync")


def test_a_saved_pipeline_comes_back_where_we_are_allowed() -> None:
    pipeline = piped(pruner())
    saved = pipeline.dumps()
    if "allowed_modules" in inspect.signature(Pipeline.loads).parameters:
        with pytest.raises(DeserializationError, match="allowlist"):
            Pipeline.loads(saved)
        again = Pipeline.loads(saved, allowed_modules=["datapruner.*"])
    else:
        again = Pipeline.loads(saved)
    assert prompt(again) == prompt(pipeline)


def test_objects_cannot_be_saved_and_paths_can() -> None:
    with pytest.raises(dp.InputError, match=r"method is .* no file can hold"):
        pruner(method=lambda items, **more: None).to_dict()
    told = pruner(counter=Path("models") / "tokenizer.json").to_dict()
    assert told["init_parameters"]["counter"] == str(Path("models") / "tokenizer.json")


def test_making_one_is_light_and_warming_up_reads_the_settings() -> None:
    made = pruner(budget="8 bananas")
    with pytest.raises(dp.BudgetError, match="bananas"):
        made.warm_up()
    fine = pruner()
    fine.warm_up()
    fine.warm_up()
    assert len(run(fine, documents(), "sync")) == 1


def test_the_arguments_are_the_options_of_the_pruner() -> None:
    arguments = inspect.signature(ContextDocumentPruner.__init__).parameters
    defaults = {name: a.default for name, a in arguments.items() if name != "self"}
    others = {"deadline": None, "drop_empty": True, "title_key": "title"}
    assert defaults == {**OPTIONS, **others}
    assert set(ContextDocumentPruner().to_dict()["init_parameters"]) == set(defaults)


def test_every_argument_reaches_the_pruner_and_the_file() -> None:
    # Each a value of its own, which nothing reads before warming up.
    given = {name: f"the {name}" for name in OPTIONS}
    made = ContextDocumentPruner(**given, title_key="name")
    assert made.to_dict()["init_parameters"] == {
        **given,
        **{"deadline": None, "drop_empty": True, "title_key": "name"},
    }
    assert made._pruner._options == given


def test_sets_are_saved_as_lists() -> None:
    for kind in (set, frozenset):
        told = pruner(pins=kind(["numbers"])).to_dict()
        assert told["init_parameters"]["pins"] == ["numbers"]


def test_the_example_shows_the_sentence_that_answers() -> None:
    script = Path(__file__).parents[3] / "examples" / "haystack_chunks.py"
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "The capital of France is Paris." in done.stdout
    assert "Tiber" not in done.stdout
