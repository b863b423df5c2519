"""ContextPostprocessor inside LlamaIndex: nodes, metadata, engines, and a deadline."""

from __future__ import annotations

import asyncio
import copy
import json
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

pytest.importorskip("llama_index.core", reason='pip install "datapruner[llama-index]"')

from llama_index.core.callbacks import CallbackManager
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.response_synthesizers import BaseSynthesizer
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import (
    BaseNode,
    Document,
    ImageNode,
    IndexNode,
    MediaResource,
    MetadataMode,
    Node,
    NodeRelationship,
    NodeWithScore,
    QueryBundle,
    RelatedNodeInfo,
    TextNode,
)

from datapruner.integrations.llama_index import ContextPostprocessor

QUERY = "What is the capital of France?"


def nodes() -> list[NodeWithScore]:
    rome = TextNode(text="Rome is the capital of Italy. It lies on the Tiber.", id_="it")
    paris = TextNode(
        text="Paris is the capital of France. It lies on the Seine.",
        id_="fr",
        metadata={"source": {"page": 7}},
        excluded_llm_metadata_keys=["source"],
        relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id="atlas")},
        start_char_idx=100,
        end_char_idx=153,
        embedding=[1.0, 0.0],
    )
    cats = TextNode(text="Cats purr.", id_="cats")
    return [
        NodeWithScore(node=rome, score=0.9),
        NodeWithScore(node=paris, score=0.5),
        NodeWithScore(node=cats),
    ]


def postprocessor(**options: Any) -> ContextPostprocessor:
    return ContextPostprocessor(**{"budget": "8 tokens", "method": "lexical", **options})


def process(made: ContextPostprocessor, given: list[NodeWithScore], how: str) -> Any:
    if how == "sync":
        return made.postprocess_nodes(given, query_str=QUERY)
    return asyncio.run(made.apostprocess_nodes(given, query_str=QUERY))


def text(found: NodeWithScore) -> str:
    return str(found.node.get_content(metadata_mode=MetadataMode.NONE))


both = pytest.mark.parametrize("how", ["sync", "async"])


@both
def test_nodes_keep_everything_but_their_text(how: str) -> None:
    [made] = process(postprocessor(), nodes(), how)
    old = nodes()[1]
    assert text(made) == "Paris is the capital of France. "
    assert (made.node.node_id, made.score) == ("fr", 0.5)
    for name in ("relationships", "start_char_idx", "end_char_idx", "embedding"):
        assert getattr(made.node, name) == getattr(old.node, name)
    assert made.node.metadata["source"] == {"page": 7}
    assert made.node.metadata["datapruner"]["spans"] == [[0, 32]]
    assert set(made.node.metadata) == {"source", "datapruner"}


def test_no_model_gets_to_see_our_metadata() -> None:
    [made] = process(postprocessor(order="score"), nodes(), "sync")
    for mode in (MetadataMode.LLM, MetadataMode.EMBED):
        shown = made.node.get_content(metadata_mode=mode)
        assert "datapruner" not in shown
        assert "retrieval_score" not in shown
    assert made.node.excluded_llm_metadata_keys == ["source", "datapruner", "retrieval_score"]
    [again] = process(postprocessor(order="score"), [made], "sync")
    assert again.node.metadata["datapruner"]["total"] == 1
    assert again.node.excluded_embed_metadata_keys == ["datapruner", "retrieval_score"]
    assert again.node.excluded_llm_metadata_keys == made.node.excluded_llm_metadata_keys


def test_metadata_is_no_part_of_the_text_that_is_pruned() -> None:
    node = TextNode(text="Cats purr. Dogs bark.", metadata={"about": QUERY})
    [made] = process(
        postprocessor(budget="100% of tokens"), [NodeWithScore(node=node, score=1.0)], "sync"
    )
    assert text(made) == "Cats purr. Dogs bark."
    assert made.node.metadata["datapruner"]["total"] == 2


@both
@pytest.mark.parametrize("deadline", [None, 30.0])
def test_what_comes_in_stays_as_it_is(how: str, deadline: float | None) -> None:
    given = nodes()
    before = copy.deepcopy(given)
    options = {"order": "score", "drop_empty": False, "deadline": deadline}
    made = process(postprocessor(**options), given, how)
    assert given == before
    assert [n.node.metadata for n in given] == [n.node.metadata for n in before]
    assert given[1].node.excluded_llm_metadata_keys == ["source"]
    assert len(made) == 3


def test_scores_are_the_retrievers_unless_another_order_is_asked_for() -> None:
    every = {"budget": "100% of tokens"}
    assert [n.score for n in process(postprocessor(**every), nodes(), "sync")] == [0.9, 0.5, None]
    best = process(postprocessor(order="score", **every), nodes(), "sync")
    assert [n.node.node_id for n in best] == ["fr", "it", "cats"]
    assert all(type(n.score) is float for n in best)
    assert [n.score for n in best] == sorted((n.score for n in best), reverse=True)
    assert [n.node.metadata["retrieval_score"] for n in best] == [0.5, 0.9, None]


def test_titles_come_from_the_metadata() -> None:
    given = [
        NodeWithScore(node=TextNode(text="It is there. Cats purr.", metadata={"title": "Rome"})),
        NodeWithScore(node=TextNode(text="It is there.", metadata={"name": "Paris"})),
    ]
    seen: list[Any] = []

    def scorer(items: Items, *, query: str | None = None, seed: int = 0) -> Scores:
        seen.append(list(items.feature("title", "titles")))
        return Scores(np.ones(items.n), items, "told", "told")

    process(postprocessor(method=scorer), given, "sync")
    process(postprocessor(method=scorer, title_key="name"), given, "sync")
    assert seen == [["Rome", "Rome", ""], ["", "", "Paris"]]


def test_an_empty_text_is_a_text_of_which_nothing_is_left() -> None:
    given = [NodeWithScore(node=TextNode(text="")), *nodes()]
    assert [n.node.node_id for n in process(postprocessor(), given, "sync")] == ["fr"]
    kept = process(postprocessor(drop_empty=False), given, "sync")
    assert [text(n) != "" for n in kept] == [False, False, True, False]
    assert kept[0].node.metadata["datapruner"]["total"] == 0


@both
def test_nodes_without_a_text_pass(how: str) -> None:
    image = ImageNode(image_url="https://example.org/cat.png", text="a caption of Paris, France")
    picture = Node(image_resource=MediaResource(url="https://example.org/dog.png"))
    given = [NodeWithScore(node=image), *nodes(), NodeWithScore(node=picture)]
    made = process(postprocessor(), given, how)
    assert [n.node.node_id for n in made] == [image.node_id, "fr", picture.node_id]
    assert made[0] is given[0]
    assert made[2] is given[4]


@pytest.mark.parametrize(
    "node",
    [
        Document(text="Paris is the capital of France. Cats purr."),
        Node(text_resource=MediaResource(text="Paris is the capital of France. Cats purr.")),
        IndexNode(text="Paris is the capital of France. Cats purr.", index_id="other"),
    ],
    ids=lambda node: type(node).__name__,
)
def test_all_kinds_of_text_are_pruned(node: BaseNode) -> None:
    [made] = process(postprocessor(), [NodeWithScore(node=node, score=1.0)], "sync")
    assert text(made) == "Paris is the capital of France. "
    assert type(made.node) is type(node)


@both
def test_without_a_query_nodes_come_back_unchanged(how: str) -> None:
    given = nodes()
    made = postprocessor()
    if how == "sync":
        assert made.postprocess_nodes(given) == given
    else:
        assert asyncio.run(made.apostprocess_nodes(given)) == given


@both
def test_no_nodes_are_no_nodes(how: str) -> None:
    assert process(postprocessor(), [], how) == []


@both
def test_a_slow_scorer_fails_open_with_a_flag(how: str) -> None:
    go = threading.Event()

    def slow(items: Items, *, query: str | None = None, seed: int = 0) -> Scores:
        assert go.wait(30)
        return Scores(np.ones(items.n), items, "slow", "slow")

    made = process(postprocessor(method=slow, deadline=0.05, order="score"), nodes(), how)
    go.set()
    assert [text(n) for n in made] == [text(n) for n in nodes()]
    assert [n.score for n in made] == [0.9, 0.5, None]
    assert [n.node.metadata["datapruner"]["flags"] for n in made] == [["deadline"]] * 3


class Fixed(BaseRetriever):
    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return nodes()


class Echo(BaseSynthesizer):
    """Answers with the texts it was given."""

    def __init__(self) -> None:
        from llama_index.core.llms import MockLLM

        super().__init__(llm=MockLLM(), callback_manager=CallbackManager())

    def _get_prompts(self) -> dict[str, Any]:
        return {}

    def _update_prompts(self, prompts: Any) -> None: ...

    def get_response(self, query_str: str, text_chunks: Any, **more: Any) -> str:
        return "|".join(text_chunks)

    async def aget_response(self, query_str: str, text_chunks: Any, **more: Any) -> str:
        return "|".join(text_chunks)


def test_a_query_engine_reads_the_pruned_text() -> None:
    engine = RetrieverQueryEngine(Fixed(), Echo(), node_postprocessors=[postprocessor()])
    expected = "Paris is the capital of France."
    assert str(engine.query(QUERY)).strip() == expected
    assert str(asyncio.run(engine.aquery(QUERY))).strip() == expected


def test_it_is_a_postprocessor_that_is_saved_and_read() -> None:
    made = postprocessor(deadline=2.5, order="score")
    assert isinstance(made, BaseNodePostprocessor)
    assert made.class_name() == "ContextPostprocessor"
    told = json.loads(json.dumps(made.to_dict()))
    again = ContextPostprocessor.from_dict(told)
    assert process(again, nodes(), "sync") == process(made, nodes(), "sync")
    assert (again.budget, again.deadline, again.order) == ("8 tokens", 2.5, "score")


def test_the_fields_are_the_options_of_the_pruner() -> None:
    fields = {name: field.default for name, field in ContextPostprocessor.model_fields.items()}
    del fields["callback_manager"]
    others = {"deadline": None, "drop_empty": True, "title_key": "title"}
    assert fields == {**OPTIONS, **others}


def test_wrong_settings_are_refused_in_the_pruners_words() -> None:
    with pytest.raises(ValueError, match="bananas"):
        postprocessor(budget="8 bananas")
    with pytest.raises(dp.UnknownMethodError, match="lexical"):
        postprocessor(method="lexicle")


def test_the_example_shows_the_sentence_that_answers() -> None:
    script = Path(__file__).parents[3] / "examples" / "llama_index_chunks.py"
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "The capital of France is Paris." in done.stdout
    assert "Tiber" not in done.stdout
