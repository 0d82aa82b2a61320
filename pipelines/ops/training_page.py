"""The report of a training: Splink's charts and what stands behind them, in one file that loads nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from pipelines.linkage.relation_profiles import OTHER, PROFILES
from pipelines.ops.charts import heat_step
from pipelines.ops.linkage_pages import blocking_chart
from pipelines.ops.pages import page
from pipelines.ops.report import HeatCell, HeatTable
from pipelines.ops.vega import Chart, drawn_with, scripts

if TYPE_CHECKING:
    from pipelines.linkage.blocking_report import RuleLine
    from pipelines.linkage.generations import Generation, Model
    from pipelines.linkage.link import Linked
    from pipelines.linkage.linked_many import LinkedFrames
    from pipelines.linkage.training_run import Session, TrainingRun

TITLES = {
    "Match weights": "What each level of agreement adds to the evidence, in bits (log2 of m / u).",
    "m and u": "m: share of true pairs in a level. u: share of random pairs.",
    "Unlinkable records": "Share of records that would not be recognised even beside themselves, by threshold.",
    "m by session": "m as each training session saw it: sessions that disagree saw different pairs.",
}


@dataclass(frozen=True)
class RuleRow:
    """A blocking rule: what the trial measured, and what it brought when the records were linked."""

    rule: str
    measured: RuleLine | None
    pairs: int
    """Pairs that it found first."""
    capped_blocks: int
    largest_block: int


@dataclass(frozen=True)
class PartyPage:
    """What the report says about the model of one party type."""

    name: str
    model: Model
    charts: tuple[Chart, ...]
    sessions: tuple[Session, ...]
    histories: tuple[Chart, ...]
    rules: tuple[RuleRow, ...]
    curve: Markup | None
    """Likely matches over comparisons, where the rules were measured."""
    shares: tuple[tuple[str, float], ...]
    profile: tuple[HeatTable, ...]


def training_page(linked: Linked | LinkedFrames, run: TrainingRun, about: str) -> str:
    """The page; ``about`` says what was trained on. Holds levels, shares and counts, no value of a record."""
    generation = linked.generation
    parties = [_party(name, generation, linked.figures.get("blocks", {}), run) for name in generation.models]
    drawn = any(party.charts or party.histories for party in parties)
    return page(
        "training.html.j2",
        generation=generation,
        about=about,
        figures=linked.figures,
        parties=parties,
        scripts=scripts() if drawn else [],
        generic=_generic(generation),
    )


def _party(name: str, generation: Generation, blocks: dict[str, Any], run: TrainingRun) -> PartyPage:
    model = generation.models[name]
    charts = tuple(
        Chart(f"{name}-chart-{i}", title, TITLES.get(title, ""), drawn_with(spec))
        for i, (title, spec) in enumerate(_ordered(run.charts.get(name, {})).items())
    )
    sessions = tuple(run.sessions.get(name, ()))
    histories = tuple(
        Chart(
            f"{name}-session-{i}-{j}",
            f"{session.rule}: {title.lower()}",
            "",
            drawn_with(spec),
            is_folded=True,
        )
        for i, session in enumerate(sessions)
        for j, (title, spec) in enumerate(session.charts.items())
    )
    return PartyPage(
        name,
        model,
        charts,
        sessions,
        histories,
        _rules(name, model, blocks),
        None if model.blocking is None else blocking_chart(model.blocking),
        # All else is every pair of records: no share of the candidates.
        tuple(
            sorted(
                ((kind, share) for kind, share in model.relations.shares.items() if kind != OTHER),
                key=lambda item: -item[1],
            )
        ),
        tuple(_profile(model)),
    )


def _rules(name: str, model: Model, blocks: dict[str, Any]) -> tuple[RuleRow, ...]:
    measured = {} if model.blocking is None else {line.rule: line for line in model.blocking.lines()}
    rows = []
    for key, cost in blocks.items():
        party_type, _, rule = key.partition(".")
        if party_type == name:
            rows.append(
                RuleRow(rule, measured.get(rule), cost["pairs"], cost["capped_blocks"], cost["largest_block"])
            )
    return tuple(rows)


def _ordered(charts: dict[str, Any]) -> dict[str, Any]:
    place = {title: i for i, title in enumerate(TITLES)}
    return dict(sorted(charts.items(), key=lambda item: place.get(item[0], len(place))))


def _profile(model: Model) -> list[HeatTable]:
    """A table a role: levels down, classes across, the share of each level among a class's pairs."""
    names = {
        comparison["output_column_name"]: [
            level["label_for_charts"]
            for level in comparison["comparison_levels"]
            if not level.get("is_null_level")
        ]
        for comparison in model.settings["comparisons"]
    }
    classes = [name for name in PROFILES.get(model.relations.model, {}) if name in model.relations.levels]
    classes = classes or sorted(model.relations.levels)
    tables = []
    for role, levels in names.items():
        shares = [model.relations.levels[kind].get(role) for kind in classes]
        if any(share is None or len(share) != len(levels) for share in shares):
            continue
        rows = tuple(
            (
                level,
                tuple(
                    _cell(kind, level, share[i]) for kind, share in zip(classes, shares, strict=True) if share
                ),
            )
            for i, level in enumerate(levels)
        )
        tables.append(HeatTable(role, tuple(kind.replace("_", " ") for kind in classes), rows))
    return tables


def _cell(kind: str, level: str, share: float) -> HeatCell:
    return HeatCell(round(share * 100), heat_step(share, 1.0), f"{kind}, {level}: {share:.2%}")


def _generic(generation: Generation) -> list[tuple[str, int]]:
    """Generic values by role, counted."""
    counts: dict[str, int] = {}
    for role, _ in generation.generic:
        counts[role] = counts.get(role, 0) + 1
    return sorted(counts.items())
