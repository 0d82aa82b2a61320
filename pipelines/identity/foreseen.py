"""Whose id a few records would bear in other clusters: the assignment rule in plain Python, without Spark.

For looking ahead (what a decision would do to customers); a night assigns by ``votes`` and ``undo``, and a
test holds that both give the same ids.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

Key = tuple[str, str]
Moment = tuple[date, int]
Move = tuple[Moment, str | None]


@dataclass(frozen=True)
class _Vote:
    record: Key
    prior: str
    cluster: str
    vote: str
    is_strong: bool
    first_seen: date
    past: tuple[Move, ...]


def foreseen_ids(
    clusters: Mapping[Key, str],
    events: Iterable[Mapping[str, Any]],
    aliases: Iterable[Mapping[str, Any]],
    published: Mapping[str, Moment],
) -> dict[Key, str | None]:
    """The customer of each record of ``clusters`` (record → cluster); None where a new id would be minted.

    ``events`` and ``aliases``: rows of the identity tables, all events of these records among them.
    ``published``: the first (business_date, publication) of each id that they ever held. The records must be
    all of their clusters, and all that hold one of these ids: nobody else's vote counts.
    """
    voters = _voters(clusters, events, aliases)
    claims = [vote for group in _by_prior(voters).values() for vote in _of_one_id(group)]
    homes = _homes(claims)
    rivals: dict[str, list[tuple[str, int, int]]] = defaultdict(list)
    for customer, (cluster, strong, votes) in homes.items():
        rivals[cluster].append((customer, strong, votes))
    kept = {
        cluster: min(found, key=lambda rival: (published[rival[0]], rival[1] == 0, -rival[2], rival[0]))[0]
        for cluster, found in rivals.items()
    }
    return {record: kept.get(cluster) for record, cluster in clusters.items()}


def _voters(
    clusters: Mapping[Key, str], events: Iterable[Mapping[str, Any]], aliases: Iterable[Mapping[str, Any]]
) -> list[_Vote]:
    pasts: dict[Key, list[Move]] = defaultdict(list)
    for event in events:
        record = (event["source"], event["record_id"])
        if record in clusters and event["event"] != "changed":
            pasts[record].append(((event["business_date"], event["publication"]), event["customer_id"]))
    successors: dict[str, set[str | None]] = defaultdict(set)
    for alias in aliases:
        if alias["valid_to"] is None and alias["kind"] in ("merged", "erased"):
            successors[alias["customer_id"]].add(alias["became"])
    found = []
    for record, moves in pasts.items():
        past = tuple(sorted(moves, key=lambda move: (move[0], move[1] or "")))
        stays = _stays(past)
        if not stays:
            continue
        last = stays[-1][1]
        prior: str | None = last
        is_holder = past[-1][1] is not None
        if not is_holder and last in successors:
            became = successors[last]
            prior = next(iter(became)) if len(became) == 1 else None
        if prior is not None:
            found.append(_Vote(record, prior, clusters[record], prior, is_holder, stays[0][0][0], past))
    return found


def _stays(past: Sequence[Move]) -> list[tuple[Moment, str]]:
    return [(since, customer) for since, customer in past if customer is not None]


def _by_prior(votes: Iterable[_Vote]) -> dict[str, list[_Vote]]:
    found: dict[str, list[_Vote]] = defaultdict(list)
    for vote in votes:
        found[vote.prior].append(vote)
    return found


def _of_one_id(votes: list[_Vote]) -> list[_Vote]:
    """The votes of the records of one id; merges that fall apart are undone (``undo``)."""
    if len({vote.cluster for vote in votes}) == 1:
        return votes
    every = [stay for vote in votes for stay in _stays(vote.past)]
    moments = sorted({since for since, _ in every}) if len({c for _, c in every}) > 1 else []
    own = _own_moments(votes, moments)
    newest = max((moment for moment in own.values() if moment is not None), default=None)
    last = moments[-1] if moments else None
    holds_together = len({vote.cluster for vote in votes if vote.is_strong}) == 1
    cast = []
    for vote in votes:
        mine = own[vote.cluster]
        held = _held(vote, mine or newest or last)
        stays_put = vote.is_strong and holds_together
        chosen = (held or vote.prior) if mine is not None and not stays_put else vote.prior
        is_older = held is not None or newest is None or stays_put
        is_strong = vote.is_strong and is_older and chosen == vote.prior
        cast.append((is_older, replace(vote, vote=chosen, is_strong=is_strong)))
    has_older = {vote.cluster for is_older, vote in cast if is_older}
    return [vote for is_older, vote in cast if is_older or vote.cluster not in has_older]


def _held(vote: _Vote, moment: Moment | None) -> str | None:
    """The id that the record held just before the moment."""
    before = [] if moment is None else [c for since, c in _stays(vote.past) if since < moment]
    return before[-1] if before else None


def _own_moments(votes: list[_Vote], moments: list[Moment]) -> dict[str, Moment | None]:
    """Of each part the oldest of the newest moments at which it was apart from each other part."""
    last_apart: dict[str, dict[str, Moment]] = {vote.cluster: {} for vote in votes}
    for moment in moments:
        ids: dict[str, set[str]] = defaultdict(set)
        for vote in votes:
            held = _held(vote, moment)
            if held is not None:
                ids[vote.cluster].add(held)
        for one, theirs in ids.items():
            for other, others in ids.items():
                if not theirs & others:
                    last_apart[one][other] = moment
    return {cluster: min(apart.values(), default=None) for cluster, apart in last_apart.items()}


def _homes(votes: list[_Vote]) -> dict[str, tuple[str, int, int]]:
    """Of each id voted for: its home, and the strong and all votes there."""
    is_held = {vote.vote for vote in votes if vote.is_strong}
    counted: dict[str, dict[str, list[_Vote]]] = defaultdict(lambda: defaultdict(list))
    chosen = [(v, v.prior if v.vote != v.prior and v.vote in is_held else v.vote) for v in votes]
    held_here = {(c, v.cluster) for v, c in chosen if v.is_strong or c in {s for _, s in _stays(v.past)}}
    for vote, customer in chosen:
        # Nobody gets an id by an alias alone.
        is_grounded = customer in is_held or (customer, vote.cluster) in held_here
        own = customer if is_grounded else _stays(vote.past)[-1][1]
        counted[own][vote.cluster].append(vote)
    homes = {}
    for customer, places in counted.items():
        ranked = {
            cluster: (
                -sum(vote.is_strong for vote in found),
                -len(found),
                min((vote.first_seen, *vote.record) for vote in found),
            )
            for cluster, found in places.items()
        }
        best = min(ranked, key=lambda cluster: ranked[cluster])
        homes[customer] = (best, -ranked[best][0], -ranked[best][1])
    return homes
