"""Configuration that is wrong says where, what, and the nearest right key."""

from __future__ import annotations

import re
from collections.abc import Callable
from errno import EACCES
from pathlib import Path
from typing import Any

import pytest

import pipelines
from pipelines.cli import execute, options
from pipelines.config import Conf, Project
from pipelines.config_names import FILES
from pipelines.errors import UsageError
from pipelines.ops.gates import bounds_of
from pipelines.settings import load_settings
from pipelines.sources import load_sources

PACKAGE = Path(pipelines.__file__).parent
LOADED = re.compile(r"\.load\(\"(\w+\.yml)\"")


def conf(folder: Path, name: str, text: str) -> Conf:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return Conf(folder)


def problem(folder: Path, text: str) -> str:
    with pytest.raises(UsageError) as caught:
        conf(folder, "padron.yml", text).load("padron.yml", Project)
    return str(caught.value)


def test_an_unknown_key_names_file_line_and_the_nearest_key(tmp_path: Path) -> None:
    assert problem(tmp_path, "country: MX\ntimezona: UTC\n") == (
        "conf/padron.yml:2: timezona is not a known key. Did you mean timezone?"
    )


def test_a_command_that_was_given_another_folder_says_where_conf_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("conf", "prod"):
        conf(tmp_path / name, "padron.yml", "timezona: UTC\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PADRON_CONFIG", raising=False)

    def said(*given: str) -> list[str]:
        assert execute(["run", *given]) == 2
        return capfd.readouterr().err.splitlines()

    problem = "padron: conf/padron.yml:1: timezona is not a known key. Did you mean timezone?"
    where = "conf is prod: --config or PADRON_CONFIG says so."
    assert said() == said("--config", "./conf/") == [problem]
    assert said("--config", "prod") == [problem, where]
    monkeypatch.setenv("PADRON_CONFIG", "prod")
    assert said() == [problem, where]
    options.config_asked[:] = ["prod"]
    for other in ("The warehouse /srv/conf/wh cannot be written.", "spark.conf: see there."):
        assert options.where_conf_is(other) == other


def test_a_wrong_value_names_file_line_and_what_was_expected(tmp_path: Path) -> None:
    said = problem(tmp_path, "country: MX\nretention_days: 3\n")
    assert said.startswith("conf/padron.yml:2: retention_days:")
    assert "greater than or equal to 7" in said


def test_every_problem_is_reported_at_once(tmp_path: Path) -> None:
    assert len(problem(tmp_path, "a: 1\nb: 2\n").splitlines()) == 2


def test_a_key_given_twice_is_refused(tmp_path: Path) -> None:
    assert "stands twice" in problem(tmp_path, "country: MX\ncountry: ES\n")


def test_broken_yaml_names_the_line(tmp_path: Path) -> None:
    assert problem(tmp_path, "country: [MX\n").startswith("conf/padron.yml:")


def test_a_wrong_time_zone_suggests_one(tmp_path: Path) -> None:
    assert "Europe/Madrid" in problem(tmp_path, "timezone: Europe/Madris\n")


def test_the_environment_overrides_one_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PADRON__PADRON__MAX_DELETED_SHARE", "0.2")
    assert conf(tmp_path, "padron.yml", "country: ES\n").project.max_deleted_share == 0.2


def test_a_feed_that_maps_an_undeclared_column_is_refused(tmp_path: Path) -> None:
    text = (
        "source: shop\nowner: x\nchannel: web\nfeeds:\n  users:\n    mode: snapshot\n    key: [id]\n"
        "    target: customer_records\n    columns: [id]\n    map: {record_id: id, full_name_raw: nmae}\n"
    )
    with pytest.raises(UsageError, match=r"conf/sources/shop.yml:\d+: feeds.users.*nmae"):
        load_sources(conf(tmp_path, "sources/shop.yml", text))


def test_the_defaults_are_valid() -> None:
    settings = load_settings(Conf().defaults)
    assert {"crm", "erp", "pos", "web", "support", "orders"} <= set(settings.sources)
    assert len(settings.digest) == 16


def test_which_pattern_comes_first_is_part_of_the_configuration(tmp_path: Path) -> None:
    example = Conf().defaults / "examples" / "online_retail" / "sources" / "retail.yml"
    text, first = example.read_text(encoding="utf-8"), '"^C": credit, "^A": adjustment, ".": completed'
    turned = '".": completed, "^A": adjustment, "^C": credit'
    assert first in text
    digests = []
    for patterns in (first, turned):
        conf(tmp_path, "sources/retail.yml", text.replace(first, patterns))
        digests.append(load_settings(tmp_path).digest_of(("sources",)))
    assert digests[0] != digests[1], "the first that is found wins"


def test_what_describes_a_source_and_how_often_it_comes_are_parts_of_their_own(tmp_path: Path) -> None:
    def told(old: str, new: str) -> list[str]:
        text = (Conf().defaults / "sources" / "crm.yml").read_text(encoding="utf-8")
        assert old in text
        conf(tmp_path, "sources/crm.yml", text.replace(old, new, 1))
        settings = load_settings(tmp_path)
        return [settings.digest_of((part,)) for part in ("sources", "cadences", "catalogue")]

    before = told("owner: CRM", "owner: CRM")
    changes = {
        ("owner: CRM", "owner: marketing and CRM"): [True, True, False],
        ("owner: CRM", "cadence_days: 2\nowner: CRM"): [True, False, True],
        ("{required: true}", "{required: true, meaning: Its number}"): [True, True, False],
        ("mode: snapshot", "mode: delta"): [False, True, True],
    }
    for (old, new), same in changes.items():
        assert [a == b for a, b in zip(before, told(old, new), strict=True)] == same, new


def test_what_only_judges_a_table_makes_none_of_them_again(tmp_path: Path) -> None:
    def told(*severities: str) -> tuple[str, str]:
        """Digests of what makes the tables, and of all that decides what is published."""
        rules = "".join(
            f"      - {{type: expect_column_values_to_not_be_null, kwargs: {{column: gender}}, severity: {how}}}\n"
            for how in severities
        )
        text = f"owner: data\ncontracts:\n  - table: silver/customer_records\n    expectations:\n{rules}"
        conf(tmp_path, "quality/own.yml", text)
        settings = load_settings(tmp_path)
        return settings.digest_of(None), settings.digest

    warned, stopped, held_back = told("warn"), told("fail"), told("fail", "quarantine")
    assert warned[0] == stopped[0] != held_back[0]
    assert warned[1] != stopped[1]


def test_a_bound_that_is_left_out_is_another_configuration_than_none(tmp_path: Path) -> None:
    told = []
    for bounds in ("{warn: 2}", "{warn: 2, fail: null}"):
        conf(tmp_path, "padron.yml", f"bounds: {{volume_high: {bounds}}}\n")
        settings = load_settings(tmp_path)
        told.append(
            (
                settings.whole["project"]["bounds"]["volume_high"],
                bounds_of(settings.project, "volume_high").fail,
            )
        )
    assert told == [({"warn": 2.0}, 9), ({"warn": 2.0, "fail": None}, None)]


def test_an_environment_is_laid_over_the_project_key_by_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conf(tmp_path, "padron.yml", "country: ES\ngates: {landing: warn, schema: fail}\n")
    conf(tmp_path, "env/prod/padron.yml", "retention_days: 90\ngates: {landing: fail}\n")
    conf(tmp_path, "env/prod/spark-defaults.conf", "spark.master yarn\n")
    assert Conf(tmp_path).project.retention_days == 60
    monkeypatch.setenv("PADRON_ENV", "prod")
    monkeypatch.setenv("PADRON__PADRON__MAX_DELETED_SHARE", "0.2")
    made = Conf(tmp_path)
    assert (made.project.country, made.project.retention_days) == ("ES", 90)
    assert made.project.gates == {"landing": "fail", "schema": "fail"}
    assert made.project.max_deleted_share == 0.2
    assert made.path("spark-defaults.conf") == tmp_path / "env" / "prod" / "spark-defaults.conf"
    assert made.path("linkage.yml") == made.defaults / "linkage.yml"


def test_a_problem_of_an_environment_names_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conf(tmp_path, "env/prod/padron.yml", "country: ES\ntimezona: UTC\n")
    monkeypatch.setenv("PADRON_ENV", "prod")
    with pytest.raises(UsageError, match=r"^conf/env/prod/padron\.yml:2: timezona is not a known key"):
        _ = Conf(tmp_path).project


def test_an_environment_that_does_not_exist_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conf(tmp_path, "env/prod/padron.yml", "country: ES\n")
    monkeypatch.setenv("PADRON_ENV", "prd")
    with pytest.raises(UsageError, match=r"no folder conf/env/prd\. Did you mean prod\?"):
        Conf(tmp_path)


def test_retention_is_of_layers_that_there_are(tmp_path: Path) -> None:
    said = problem(tmp_path, "country: MX\nretention_by_layer: {brons: 400}\n")
    assert said.startswith("conf/padron.yml:2: retention_by_layer: no layer brons; there are bronze, silver")
    made = conf(tmp_path, "padron.yml", "retention_by_layer: {bronze: 400}\n").project
    assert (made.retention("bronze"), made.retention("gold")) == (400, 60)


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        (
            "PADRON__PADROM__TIMEZONE",
            "PADROM is no file of conf. Did you mean PADRON__PADRON__TIMEZONE?",
        ),
        (
            "PADRON__padron__TIMEZONE",
            "padron is no file of conf. Did you mean PADRON__PADRON__TIMEZONE?",
        ),
        ("PADRON__TIMEZONE", "names no file and key: write it like PADRON__PADRON__TIMEZONE."),
    ],
)
def test_a_variable_that_overrides_nothing_is_refused(
    variable: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of padron's own: it has one underscore.
    monkeypatch.setenv("PADRON_LOG", "text")
    monkeypatch.setenv(variable, "Mars")
    with pytest.raises(UsageError) as caught:
        load_settings()
    assert str(caught.value).removeprefix(variable).lstrip(": ") == said


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("TIMEZONE__X", "1", "timezone holds a value and has no keys below it."),
        ("TIMEZONE", "[a", "its value is not valid YAML."),
        ("TIMEZONE", "2026-13-40", "its value is not valid YAML."),
        ("TIMEZONE", "Europe/Madri", "timezone: unknown time zone; did you mean Europe/Madrid?"),
        ("TIMEZONA", "UTC", "timezona is not a known key. Did you mean timezone?"),
    ],
)
def test_a_problem_of_a_variable_names_the_variable(
    variable: str, value: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"PADRON__PADRON__{variable}", value)
    assert problem(tmp_path, "timezone: UTC\n") == f"PADRON__PADRON__{variable}: {said}"


def test_a_variable_sets_a_key_below_one_that_stands_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PADRON__PADRON__GATES__LANDING", "fail")
    assert conf(tmp_path, "padron.yml", "gates:\n").project.gates == {"landing": "fail"}


def test_a_file_that_nobody_reads_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("padron.yml", "linkag.yml", "sources/shop.yaml", "env/prod/padron.yaml", "env/old/x.yaml"):
        conf(tmp_path, name, "")
    monkeypatch.setenv("PADRON_ENV", "prod")
    with pytest.raises(UsageError) as caught:
        load_settings(tmp_path)
    assert str(caught.value).splitlines() == [
        "conf/linkag.yml is not read. Did you mean linkage.yml?",
        "conf/sources/shop.yaml is not read: let its name end with .yml.",
        "conf/env/prod/padron.yaml is not read. Did you mean padron.yml?",
    ]


def test_every_file_that_may_be_overridden_is_one_that_is_loaded() -> None:
    loaded = {name for path in PACKAGE.rglob("*.py") for name in LOADED.findall(path.read_text("utf-8"))}
    assert loaded == set(FILES)


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "padron.yml").write_bytes("country: España".encode("latin-1"))
    with pytest.raises(UsageError, match=r"^conf/padron\.yml is not UTF-8: save it as UTF-8\.$"):
        load_settings(tmp_path)


@pytest.mark.parametrize("closed", ["padron.yml", "sources"])
def test_what_may_not_be_read_is_named(closed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conf(tmp_path, "padron.yml", "country: ES\n")
    conf(tmp_path, "sources/shop.yml", "")
    # Whoever runs the tests may be root, who reads everything.
    for method in ("read_text", "iterdir"):
        monkeypatch.setattr(Path, method, denied_at(tmp_path / closed, getattr(Path, method)))
    with pytest.raises(UsageError) as caught:
        load_settings(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / closed} cannot be read (permission denied)")


def denied_at(closed: Path, method: Callable[..., Any]) -> Callable[..., Any]:
    def denied(path: Path, *arguments: Any, **named: Any) -> Any:
        if path == closed:
            raise PermissionError(EACCES, "Permission denied", str(path))
        return method(path, *arguments, **named)

    return denied


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("country: ES\ngates:\n", "conf/padron.yml:2: gates: write {} or leave the line out."),
        ("alerts:\n", "conf/padron.yml:1: alerts: write {} or leave the line out."),
        (
            "alerts: {command: mail x}\n",
            "conf/padron.yml:1: alerts.command: expected a list, such as [one, two].",
        ),
        ("gates: fail\n", "conf/padron.yml:1: gates: expected keys and values, such as {key: value}."),
        ("alerts:\n  events:\n", "conf/padron.yml:2: alerts.events: write [] or leave the line out."),
        (
            "timezone: Europe/Madris\n",
            "conf/padron.yml:1: timezone: unknown time zone; did you mean Europe/Madrid?",
        ),
        (
            "country: Mexico\n",
            "conf/padron.yml:1: country: expected a country's code of two capitals (ISO 3166-1), such as MX.",
        ),
        (
            "reporting_currency: euro\n",
            "conf/padron.yml:1: reporting_currency: expected a currency's code of three capitals (ISO 4217), such as EUR.",
        ),
        ("country: ES\ntimezone: 2026-13-40\n", "conf/padron.yml:2: this is no timestamp that there is."),
        ("? [a]\n: b\n", "conf/padron.yml:1: a key is one value."),
    ],
)
def test_what_is_wrong_is_said_in_words(text: str, said: str, tmp_path: Path) -> None:
    assert problem(tmp_path, text) == said
