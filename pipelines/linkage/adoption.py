"""Whether a generation fits the fields that conf/linkage.yml names."""

from __future__ import annotations

from pipelines.errors import UsageError
from pipelines.linkage.comparisons import frequency_floors
from pipelines.linkage.config import Linkage
from pipelines.linkage.engine import ROLE_TYPES
from pipelines.linkage.generations import Generation
from pipelines.linkage.records import MODELS


def compared_roles(generation: Generation) -> set[str]:
    """The roles that the generation's models compare."""
    return {
        role
        for model in generation.models.values()
        for role in (
            *(comparison["output_column_name"] for comparison in model.settings["comparisons"]),
            *frequency_floors(model.settings),
        )
        if role in ROLE_TYPES
    }


def check_fields(generation: Generation, conf: Linkage) -> None:
    """Raises UsageError where the generation was trained for other fields than ``conf`` has."""
    if missing := sorted(set(MODELS) - set(generation.models)):
        raise UsageError(
            f"generation {generation.generation_id} has no model of {', '.join(missing)}: "
            "it was made by another version of padron; train one with `padron train`."
        )
    missing = sorted(compared_roles(generation) - set(conf.fields))
    if missing:
        raise UsageError(
            f"generation {generation.generation_id} compares {', '.join(missing)}, for which "
            "conf/linkage.yml names no field: name their columns under fields, or train a "
            "generation for the fields that there are with `padron train`."
        )


def unused_fields(generation: Generation, conf: Linkage) -> list[str]:
    """Roles that ``conf`` names, that some model could compare, and that the generation does not."""
    from pipelines.linkage.comparisons import MODELS as COMPARISONS

    known = {str(comparison.role) for comparisons in COMPARISONS.values() for comparison in comparisons}
    return sorted((known & set(conf.fields)) - compared_roles(generation))
