"""Standardisation and matching keys, once for the whole product: functions on Arrow columns."""

from pipelines.standardise.records import Hints, standardise_records

__all__ = ["Hints", "standardise_records"]
