"""Pages about linkage: what ``padron link`` found, and how good clusters are. They load nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.linkage.breakdown import SizeCount, binned
from pipelines.linkage.judge import COMPONENT
from pipelines.linkage.mistakes import FALSE, MISSED, Mistakes
from pipelines.ops import charts
from pipelines.ops.pages import Tile, count, page, percent

if TYPE_CHECKING:
    from markupsafe import Markup

    from pipelines.linkage.blocking_report import BlockingReport
    from pipelines.linkage.evaluation import Evaluation
    from pipelines.linkage.linked_file import LinkedFile

BIN = 0.05
"""Width of a bin of probabilities."""


@dataclass(frozen=True)
class RuleRow:
    """What one blocking rule of one model brought."""

    model: str
    rule: str
    pairs: int
    together: int
    """Pairs of this rule and those before it."""
    likely: int
    """Pairs among its own that are as probable as the cut asks."""
    largest_block: int
    capped_blocks: int


@dataclass(frozen=True)
class Shape:
    """How an evaluation is drawn."""

    mistakes: tuple[tuple[str, dict[str, int] | None, dict[str, str]], ...]
    curve: Markup | None
    sizes: tuple[tuple[str, int, int], ...]


class Rates(Protocol):
    """Pairwise precision, recall and F1: a ``Quality``, a ``JudgedPoint``."""

    @property
    def precision(self) -> float: ...
    @property
    def recall(self) -> float: ...
    @property
    def f1(self) -> float: ...


def curve_chart(found: Evaluation) -> Markup:
    """Pairwise precision, recall and F1 over the cut."""
    return cut_chart([(p.cut, p.quality) for p in found.curve], found.cut)


def cut_chart(points: Sequence[tuple[float, Rates]], cut: float) -> Markup:
    """Pairwise precision, recall and F1 at each cut; ``cut`` is the one in use."""
    return charts.curves(
        [
            ("F1", [(at, q.f1) for at, q in points]),
            ("Precision", [(at, q.precision) for at, q in points]),
            ("Recall", [(at, q.recall) for at, q in points]),
        ],
        label="Pairwise precision, recall and F1 by cut; the figures are in the table",
        axis="cut (same_person_probability)",
        mark=cut,
        note="cut in use",
    )


def blocking_chart(report: BlockingReport) -> Markup:
    """Likely matches found over the comparisons spent, rule by rule."""
    total, spent = report.comparisons, 0.0
    points = [(0.0, 0.0)]
    for line in report.lines():
        spent += line.per_record
        points.append((min(spent / total, 1.0) if total else 0.0, min(line.together, 1.0)))
    return charts.curves(
        [("Likely matches found", points)],
        label="Share of the likely matches found by the share of comparisons spent; the figures are in the table",
        axis=f"share of {total:,.1f} comparisons a record",
    )


def _shape(found: Evaluation) -> Shape:
    return Shape(
        (
            ("True pairs that were missed", _reasons(found.missed), MISSED),
            ("False pairs that were made", _reasons(found.false), FALSE),
        ),
        curve_chart(found),
        binned(found.sizes),
    )


def _reasons(found: Mistakes | None) -> dict[str, int] | None:
    return None if found is None else found.by_reason()


def _quality_tiles(found: Evaluation) -> list[Tile]:
    q = found.quality
    return [
        Tile("Pairwise F1", f"{q.f1:.4f}", f"precision {q.precision:.4f}, recall {q.recall:.4f}"),
        Tile("B³ F1", f"{q.b3_f1:.4f}", f"precision {q.b3_precision:.4f}, recall {q.b3_recall:.4f}"),
    ]


def evaluation_page(found: Evaluation, of: str) -> str:
    """The evaluation as one HTML document; ``of`` says what was judged."""
    q = found.quality
    tiles = [
        *_quality_tiles(found),
        Tile("Clusters", count(q.clusters), f"{count(q.entities)} in the truth"),
        Tile("Largest cluster", count(q.largest_cluster), f"of {count(q.records)} judged records"),
    ]
    return page("evaluation.html.j2", of=of, e=found, shape=_shape(found), tiles=tiles)


def linked_page(made: LinkedFile, name: str) -> str:
    """The report of ``padron link`` as one HTML document; ``name`` is the file's.

    Counts, names of columns and of rules only.
    """
    figures = {**made.linked.figures, "notes": [*made.notes, *made.linked.figures["notes"]]}
    found = made.evaluation
    bins = _bins(made)
    likely = _likely_by_rule(made)
    records, clusters = int(figures["records"]), int(figures["clusters"])
    tiles = [
        Tile("Records", count(records)),
        Tile(
            "Clusters",
            count(clusters),
            f"{percent(1 - clusters / records if records else None)} fewer than records",
        ),
        Tile("Largest cluster", count(figures["largest_cluster"]), "records"),
        Tile("Likely pairs", count(figures["links"]), f"of {count(figures['candidate_pairs'])} compared"),
        *(_quality_tiles(found) if found else []),
    ]
    shape = _shape(found) if found else Shape((), None, binned(_made_sizes(made)))
    return page(
        "linked.html.j2",
        name=name,
        f=figures,
        e=found,
        shape=shape,
        tiles=tiles,
        fields=made.fields,
        unused=made.unused,
        by_content=made.by_content,
        override=_override(made),
        rules=_rules(made, likely),
        by_component=likely.get(COMPONENT, 0),
        possible=records * (records - 1) // 2,
        bins=bins,
        probabilities=_probabilities(bins, float(figures["cut"])) if bins else None,
    )


def _override(made: LinkedFile) -> str:
    return ",".join(
        f"{field.removesuffix('_raw')}={column}"
        for field, columns in made.fields.items()
        for column in columns
    )


def _made_sizes(made: LinkedFile) -> tuple[SizeCount, ...]:
    clusters = pc.value_counts(made.linked.clusters["cluster_final"]).field("counts").to_numpy()
    sizes, counts = np.unique(clusters, return_counts=True)
    return tuple(SizeCount(int(s), 0, int(n)) for s, n in zip(sizes, counts, strict=True))


def _likely_by_rule(made: LinkedFile) -> dict[str, int]:
    """Pairs at the cut or above, by ``model.rule``; those that only a component brought together."""
    scored, rows = made.linked.scored_pairs, made.linked.clusters
    likely = pa.array(scored["same_person_probability"].to_numpy() >= made.linked.figures["cut"])
    models = {name.partition(".")[0] for name in made.linked.figures["blocks"]}
    if len(models) == 1:
        return _counted("".join(models), scored["blocked_by"].filter(likely))
    # Both ends are of one model: a company is never compared with a person.
    names = ["source", "record_id"]
    pairs = pa.table([scored[f"{name}_l"] for name in names] + [scored["blocked_by"]], [*names, "rule"])
    pairs = pairs.filter(likely).join(rows.select([*names, "party_type"]), keys=names)
    is_company = pc.equal(pairs["party_type"], "company")
    found = _counted("company", pairs["rule"].filter(is_company))
    persons = _counted("person", pairs["rule"].filter(pc.invert(is_company)))
    return {name: found.get(name, 0) + persons.get(name, 0) for name in {**found, **persons}}


def _counted(model: str, rules: pa.ChunkedArray) -> dict[str, int]:
    """Pairs of one model by ``model.rule``."""
    return {
        COMPONENT if row["values"] == COMPONENT else f"{model}.{row['values']}": row["counts"]
        for row in pc.value_counts(rules).to_pylist()
    }


def _rules(made: LinkedFile, likely: dict[str, int]) -> list[RuleRow]:
    """The rules that brought pairs, by model, in their order; ``likely`` of ``_likely_by_rule``."""
    rows: list[RuleRow] = []
    together: dict[str, int] = {}
    for name, cost in made.linked.figures["blocks"].items():
        model, _, rule = name.partition(".")
        together[model] = together.get(model, 0) + cost["pairs"]
        if cost["pairs"]:
            rows.append(
                RuleRow(
                    model,
                    rule,
                    cost["pairs"],
                    together[model],
                    likely.get(name, 0),
                    cost["largest_block"],
                    cost["capped_blocks"],
                )
            )
    return rows


def _bins(made: LinkedFile) -> list[tuple[float, float, int]]:
    probability = made.linked.scored_pairs["same_person_probability"].to_numpy()
    if not len(probability):
        return []
    low = np.floor(made.conf.review_probability / BIN + 1e-9) * BIN
    edges = np.round(np.arange(low, 1 + BIN / 2, BIN), 10)
    counts = np.histogram(probability, edges)[0]
    return [(float(edges[i]), float(edges[i + 1]), int(n)) for i, n in enumerate(counts)]


def _probabilities(bins: list[tuple[float, float, int]], cut: float) -> Markup:
    pairs = sum(n for _, _, n in bins)
    return charts.histogram(
        bins,
        label=f"same_person_probability of {count(pairs)} kept pairs; the figures are in the table",
        axis="same_person_probability",
        mark=cut,
        note="cut",
        is_log=True,
    )
