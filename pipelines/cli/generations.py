"""``padron generations``: which there are, what they say, what another one would change; adopting one."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from pipelines.cli import options
from pipelines.cli.blocking import say_blocking, say_wrapped, show_table
from pipelines.cli.console import err, say
from pipelines.cli.options import example

if TYPE_CHECKING:
    from pipelines.linkage.generations import Generation, Model
    from pipelines.ops.generations import Change
    from pipelines.ops.training_reports import TrainingReport
    from pipelines.storage import Warehouse


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@example("padron generations list")
def generations() -> None:
    """Generations of linkage: models, frequent and generic values, over-large keys, rules and the cut.

    A generation is named by the beginning of its id, by ``current``, or by its file or folder.
    """


def _house(warehouse: str) -> Warehouse:
    from pipelines.storage import Warehouse

    return Warehouse(warehouse)


def _find(name: str, warehouse: str) -> Generation:
    from pipelines.ops.generations import find

    return find(name, _house(warehouse))


def _report(name: str, warehouse: str, generation: Generation) -> TrainingReport | None:
    from pipelines.ops.generations import training_report

    return training_report(name, _house(warehouse), generation)


def _say_report(report: TrainingReport | None, generation: Generation) -> None:
    from pipelines.ops.training_reports import in_words

    # A path is not broken into lines.
    (say_wrapped if report is None else say)(in_words(report, generation))


@generations.command("list")
@options.warehouse
@options.as_json
@example("padron generations list --warehouse warehouse")
def list_(warehouse: str, as_json: bool) -> int:
    """The generations that ever came into use, the last one first."""
    from pipelines.ops.generations import listed

    found = listed(_house(warehouse))
    if as_json:
        click.echo(json.dumps([asdict(row) for row in found]))
        return 0
    table = Table(box=None, pad_edge=False)
    for name in ("Generation", "Kind", "Created", "Revises", ""):
        table.add_column(name, no_wrap=True)
    for name in ("Records", "Pairs"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in found:
        table.add_row(
            row.generation_id,
            row.kind,
            row.created_on,
            row.revises or "",
            "in use" if row.in_use else "",
            *[f"{n:,}" if n is not None else "" for n in (row.records, row.pairs)],
        )
    show_table(table)
    return 0


@generations.command()
@click.argument("name", metavar="ID", default="current")
@options.warehouse
@options.as_json
@example("padron generations show current")
def show(name: str, warehouse: str, as_json: bool) -> int:
    """One generation: m, u and weight of each level, what each blocking rule costs and brings, the cut."""
    found = _find(name, warehouse)
    if as_json:
        click.echo(found.to_json())
        return 0
    say(f"Generation {found.generation_id}, {found.kind}, created {found.created_on}")
    if found.previous_id:
        say(f"Revises {found.previous_id} by its generic values or over-large keys")
    say(f"Trained on {found.records:,} records, {found.pairs:,} pairs; cut {found.cut:.3f}")
    report = _report(name, warehouse, found)
    _say_report(report, found)
    counts: dict[str, int] = {}
    for role, _ in found.generic:
        counts[role] = counts.get(role, 0) + 1
    if counts:
        say_wrapped(f"Generic values: {', '.join(f'{n:,} of {role}' for role, n in sorted(counts.items()))}")
    if found.over_large:
        rules = Counter(f"{rule} ({model})" for model, rule, *_ in found.over_large)
        said = ", ".join(f"{n:,} of {rule}" for rule, n in sorted(rules.items()))
        say_wrapped(f"Blocking keys above max_block, subdivided: {said}")
    for party_type, model in found.models.items():
        say("")
        _say_model(party_type, model)
    return 0


def _say_model(party_type: str, model: Model) -> None:
    from pipelines.linkage.differences import weights
    from pipelines.linkage.exported import rare
    from pipelines.linkage.relation_profiles import OTHER

    prior = model.settings["probability_two_random_records_match"]
    say(f"{party_type.upper()}: {model.kind} model, two random records match with {prior:.3g}")
    table = Table(box=None, pad_edge=False)
    table.add_column("Comparison", no_wrap=True)
    table.add_column("Level", overflow="fold")
    for title in ("m", "u", "Weight"):
        table.add_column(title, justify="right", no_wrap=True)
    last = ""
    for (comparison, level), found in weights(model).items():
        table.add_row(
            comparison if comparison != last else "",
            level,
            f"{found['m']:.5f}",
            f"{found['u']:.6f}",
            f"{found['weight']:+.2f}",
        )
        last = comparison
    show_table(table)
    frequent = sum(map(len, model.frequencies.values()))
    say(f"Frequent values: {frequent:,}; any other counts with {rare(model)}")
    shares = ", ".join(
        f"{kind.replace('_', ' ')} {share:.1%}"
        for kind, share in model.relations.shares.items()
        if kind != OTHER
    )
    trusted = "" if model.relations.trusted else "; not trusted, Splink's probability decides"
    say_wrapped(f"Kinds of relation: {shares}{trusted}")
    say_blocking(model)
    for note in model.notes:
        say_wrapped(f"note: {note}")


@generations.command()
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@click.option("--effect", "with_effect", is_flag=True, help="Link the released records by both, and compare.")
@options.warehouse
@options.config
@options.as_json
@example("padron generations diff current generations/3f0c9a1b2d4e --effect")
def diff(a: str, b: str, with_effect: bool, warehouse: str, config: str | None, as_json: bool) -> int:
    """What changes from generation A to B: weights, rules, generic values, the cut; and for customers."""
    from pipelines.linkage.differences import differences
    from pipelines.ops.generations import change_between
    from pipelines.settings import load_settings

    left, right = _find(a, warehouse), _find(b, warehouse)
    found = differences(left, right)
    changed = None
    if with_effect:
        with err.status("Linking by both"):
            changed = change_between(_house(warehouse), left, right, load_settings(config).linkage)
    if as_json:
        click.echo(json.dumps({**found, "effect": None if changed is None else changed.as_dict()}))
        return 0
    _say_differences(found)
    if changed is not None:
        say("")
        _say_change(changed)
    return 0


def _say_differences(found: dict[str, Any]) -> None:
    say(f"From {found['from']} to {found['to']}")
    if found["from"] == found["to"]:
        say("They are one and the same.")
        return
    before, after = found["cut"]
    say(f"Cut {before:.3f} → {after:.3f}")
    for role, n in found["generic_values"].items():
        say(f"Generic {role}: {n['added']:,} added, {n['removed']:,} removed, {n['kept']:,} kept")
    large = found["over_large_keys"]
    if any(large.values()):
        say_wrapped(
            f"Blocking keys above max_block: {large['added']:,} added, {large['removed']:,} removed, "
            f"{large['subdivided_otherwise']:,} subdivided otherwise, {large['kept']:,} kept"
        )
    for party_type, model in found["models"].items():
        say("")
        kinds = " → ".join(dict.fromkeys(model["kind"]))
        say(f"{party_type.upper()}: {kinds} model, prior {model['prior'][0]:.3g} → {model['prior'][1]:.3g}")
        for title in ("rules_added", "rules_removed"):
            if model[title]:
                say_wrapped(f"{title.replace('_', ' ').capitalize()}: {', '.join(model[title])}")
        say(f"{len(model['weights'])} weights differ, {model['same_weights']} are the same")
        if model["weights"]:
            show_table(_weights_table(model["weights"]))


def _weights_table(rows: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("Comparison", no_wrap=True)
    table.add_column("Level", overflow="fold")
    for title in ("From", "To", "Change"):
        table.add_column(title, justify="right", no_wrap=True)
    last = ""
    for row in rows:
        before, after = row["from"], row["to"]
        table.add_row(
            row["comparison"] if row["comparison"] != last else "",
            row["level"],
            *["–" if value is None else f"{value:+.2f}" for value in (before, after)],
            "" if before is None or after is None else f"{after - before:+.2f}",
        )
        last = row["comparison"]
    return table


def _say_change(change: Change) -> None:
    found = change.effect
    say(f"Customers {found.customers_before:,} → {found.customers_after:,}")
    table = Table(box=None, pad_edge=False)
    table.add_column("", no_wrap=True)
    table.add_column("Customers", justify="right")
    table.add_column("Records", justify="right")
    for kind, customers in found.customers.items():
        table.add_row(kind, f"{customers:,}", f"{found.records[kind]:,}")
    show_table(table)
    say(f"Pairs of records: {found.pairs_gained:,} come together, {found.pairs_lost:,} come apart")
    for money in change.revenue:
        say(f"Revenue of the customers touched: {money.in_words()}")


@generations.command()
@click.argument("folder", metavar="DIR")
@click.argument("name", metavar="[ID]", default="current")
@options.warehouse
@options.as_json
@example("padron generations export exported current")
def export(folder: str, name: str, warehouse: str, as_json: bool) -> int:
    """Write a generation to DIR: whole, for another warehouse, as Splink settings, and the report of its training.

    The files hold frequent names, generic values and over-large keys: treat them as personal data.
    """
    from pipelines.ops.generations import export as write

    found = _find(name, warehouse)
    report = _report(name, warehouse, found)
    names = write(folder, found, report)
    if as_json:
        click.echo(json.dumps({"generation_id": found.generation_id, "folder": folder, "files": names}))
        return 0
    say(f"Generation {found.generation_id} in {folder}:")
    for file in names:
        say(f"  {file}")
    if report is None or report.tells_of != found.generation_id:
        _say_report(report, found)
    return 0


@generations.command()
@click.argument("name", metavar="DIR|FILE|ID")
@click.option("--yes", is_flag=True, help="Do not ask: what it changes is agreed to.")
@options.warehouse
@options.config
@example("padron generations adopt generations/3f0c9a1b2d4e")
def adopt(name: str, yes: bool, warehouse: str, config: str | None) -> int:
    """Show what a generation would change for the customers, ask, and make it the one in use.

    It comes into use in a night of its own that takes in no files and links all records by it.
    """
    from pipelines.cli.night import run_nights
    from pipelines.linkage.adoption import unused_fields
    from pipelines.ops.generations import change, in_use
    from pipelines.ops.run import Options
    from pipelines.ops.sales import Basis
    from pipelines.settings import load_settings

    settings, house = load_settings(config), _house(warehouse)
    found = _find(name, warehouse)
    if in_use(house, found):
        say(f"Nothing to do: generation {found.generation_id} is in use.")
        return 0
    with err.status("Linking the released records by it"):
        changed = change(house, found, settings.linkage, Basis.of(settings))
    say(f"Generation {found.generation_id} ({found.kind}, created {found.created_on})")
    if unused := unused_fields(found, settings.linkage):
        say_wrapped(f"It does not compare {', '.join(unused)}, which conf/linkage.yml names.")
    _say_change(changed)
    say("")
    if not yes:
        click.confirm("Adopt it?", abort=True, err=True)
    asked = Options(
        "",
        warehouse,
        generation=found,
        training_report=_report(name, warehouse, found),
        is_approved=True,
        takes_files=False,
    )
    run_nights(asked, settings)
    return 0
