"""conf/benchmarks.yml, ``linkage``, ``night`` and ``ids``: what is timed, and what it must reach."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pipelines.config import Strict


class Bars(Strict):
    """What the figures must reach."""

    padron_of_splink_duckdb: float = Field(
        default=1.5, gt=0, description="Seconds of padron over splink-duckdb, at most."
    )
    splink_spark_of_padron_many: float = Field(
        default=5.0, gt=0, description="Seconds of splink-spark over padron-many, at least."
    )
    change_of_night: float = Field(
        default=0.1,
        gt=0,
        description="Seconds of padron-change over padron-night at the largest size, at most.",
    )
    pairs_a_core_second: float = Field(
        default=100_000,
        gt=0,
        description="Candidate pairs of padron a second and core at the largest size, at least.",
    )
    growth: float = Field(
        default=1.1,
        gt=0,
        description="Exponent of padron's seconds over records, smallest to largest size, at most.",
    )
    peak_gigabytes: float = Field(
        default=6.0, gt=0, description="Resident memory (2^30 bytes) of padron at the largest size, at most."
    )


class LinkageBench(Strict):
    """What `padron bench linkage` times."""

    sizes: tuple[int, ...] = Field(
        default=(100_000, 300_000, 1_000_000), min_length=1, description="Records."
    )
    seed: int = Field(default=20260701, ge=0, description="Seed of the records.")
    trained_on: int = Field(default=50_000, ge=1_000, description="Records that the one model is trained on.")
    threshold: float = Field(
        default=0.9,
        gt=0,
        lt=1,
        description="Probability of a link in connected components and in placement many.",
    )
    rules: tuple[tuple[str, ...], ...] = Field(
        default=(("email",), ("phone",), ("surname", "birth_date"), ("given_name", "surname")),
        min_length=1,
        description="Blocking rules of all peers: columns of the records, or SQL of one, that must be equal.",
    )
    driver_memory: str = Field(
        default="4g", pattern=r"^\d+[mg]$", description="Memory of Spark's driver, for both."
    )
    bars: Bars = Bars()


class NightBars(Strict):
    """What the figures of whole nights must reach."""

    growth: float = Field(
        default=1.1,
        gt=0,
        description="Exponent of a first night's seconds over records, from one size to the next, at most.",
    )
    peak_gigabytes: float = Field(
        default=10.0,
        gt=0,
        description="Resident memory (2^30 bytes) of a first night of the largest size, at most.",
    )
    change_of_first: float = Field(
        default=0.15,
        gt=0,
        description="Seconds of a night of few changes over a first night, largest size, at most.",
    )
    fixed_seconds: float = Field(default=60.0, gt=0, description="Seconds of a night on tiny data, at most.")
    repeated_stages: int = Field(
        default=0, ge=0, description="Stages that had ended before a kill and are run again, at most."
    )


class NightBench(Strict):
    """What `padron bench night` times."""

    sizes: tuple[int, ...] = Field(
        default=(10_000, 100_000, 1_000_000), min_length=1, description="Records of a first night."
    )
    tiny: int = Field(
        default=200, ge=50, description="Records of the night that shows what every night costs."
    )
    seed: int = Field(default=20260701, ge=0, description="Seed of the simulated retailer.")
    changed: float = Field(
        default=0.01,
        gt=0,
        le=1,
        description="Share of the records that come new, changed or deleted in the second night.",
    )
    killed_in: str = Field(
        default="gold.customers", description="Stage that is killed when the first of its tables is written."
    )
    driver_memory: str = Field(default="4g", pattern=r"^\d+[mg]$", description="Memory of Spark's JVM.")
    bars: NightBars = NightBars()


class IdBench(Strict):
    """What `padron bench ids` times."""

    sizes: tuple[int, ...] = Field(
        default=(100_000, 1_000_000), min_length=1, description="Records of the register."
    )
    changed: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field(
        default=(0.001, 0.01, 0.1), min_length=1, description="Shares of its people that a night changes."
    )
    driver_memory: str = Field(default="4g", pattern=r"^\d+[mg]$", description="Memory of Spark's JVM.")
    same_changes: float = Field(
        default=3.0,
        gt=0,
        description="Bar: seconds of a night of the largest register over one with as many changes in a smaller, at most.",
    )
