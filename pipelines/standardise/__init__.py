"""Standardisation and matching keys, once for the whole product: functions on Arrow columns."""

from pipelines.standardise.records import Hints, same_birth_date, standardise_records

__all__ = ["Hints", "same_birth_date", "standardise_records"]
