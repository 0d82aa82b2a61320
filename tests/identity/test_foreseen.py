"""What ids are foreseen without Spark is what a night assigns: on the random and the written histories."""

from __future__ import annotations

from typing import TYPE_CHECKING

from identity_histories import histories
from identity_stories import STORIES
from identity_world import DAYS, played, scene, together

from pipelines.identity.events import STARTS
from pipelines.identity.foreseen import Moment, foreseen_ids

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def test_foreseen_ids_are_those_of_the_night(spark: SparkSession) -> None:
    states = played(spark)
    written = {name: [scene(name, text) for text in nights] for name, nights in STORIES.items()}
    stories = {**written, **histories()}
    kept = minted = 0
    for night in range(1, len(DAYS)):
        prior, now = states[night - 1], states[night]
        tonight = together(nights[min(night, len(nights) - 1)] for nights in stories.values())
        clusters = {key: ":".join(min(c)) for c in tonight.clusters for key in c}
        published: dict[str, Moment] = {}
        for event in prior.events:
            if event["event"] in STARTS:
                since = (event["business_date"], event["publication"])
                published[event["customer_id"]] = min(since, published.get(event["customer_id"], since))
        found = foreseen_ids(clusters, prior.events, prior.aliases, published)
        for key, customer in now.ids.items():
            if found[key] is None:
                assert customer not in published, key
                minted += 1
            else:
                assert found[key] == customer, key
                kept += 1
    assert kept > 1000
    assert minted > 100
