# %% [markdown]
# # Train a model and read its charts
#
# A model says how much each agreement is worth. Here you train one, see what it learnt and from what, and
# decide whether to believe it. `padron train` does the same and writes it all into one report.
#
# Change `place` to a warehouse's folder or to a CSV or Parquet file (with its `id_column`); without one
# it runs on invented people.

# %%
import os

from pipelines.linkage.differences import weights
from pipelines.linkage.files import read_any
from pipelines.linkage.labels import read_labels
from pipelines.linkage.link import link_night
from pipelines.linkage.relation_profiles import OTHER
from pipelines.linkage.training_run import TrainingRun
from pipelines.ops.at_hand import at_hand
from pipelines.ops.generations import keep
from pipelines.ops.showing import show
from pipelines.ops.training_page import training_page
from pipelines.settings import load_settings

place = os.environ.get("PADRON_WAREHOUSE")
id_column = None
labels = None  # a file of judged pairs (notebooks/choose_cut.py): they train m too
keep_in = None  # a folder: the generation and its report are written there
party_type = "person"

data = at_hand(place, load_settings(), id_column=id_column)
judged = None if labels is None else read_labels(read_any(labels, data.conf), data.conf, id_column)
run = TrainingRun(judged)
linked = link_night(data.records, None, data.conf, data.business_date, run)
model = linked.generation.models[party_type]
charts = run.charts.get(party_type, {})
show(f"{data.records.num_rows:,} records of {data.about}: {model.kind} model of {party_type}")

# %% [markdown]
# ## What training had to work round
#
# **Look for** a role that "no session could learn": its column is empty, or every rule blocks on it. Its
# weights are the package's own; they may be right, your data do not say so.

# %%
show(*(model.notes or ("nothing",)))

# %% [markdown]
# ## What each agreement is worth
#
# A weight is log2(m / u): m is how often true pairs look so, u how often random pairs do. Three bits make
# a match eight times as likely.
#
# **Look for** the order: a tax id before a phone before a city, *equal* above *misspelt* above *different*.
# A level that breaks the order was learnt from the wrong pairs, or from too few.

# %%
show(charts.get("Match weights"))

# %%
show([{"comparison": role, "level": level, **found} for (role, level), found in weights(model).items()])

# %% [markdown]
# ## m and u, one beside the other
#
# **Look for** an m of *different* above a third: true pairs often disagree there, so the field is worth
# less than it seems, or its standardisation misses something. A u of *equal* near one says that the column
# has hardly more than one value.

# %%
show(charts.get("m and u"))

# %% [markdown]
# ## What it was learnt from
#
# Each session saw the pairs that agree on its rule, and learnt the fields that are not in it. `true_pairs`
# are those it takes for matches.
#
# **Look for** sessions that took next to none or all of their pairs for matches, and for *smoothed* (Splink's
# own did not end). In the charts below, lines should settle, and sessions should roughly agree.

# %%
sessions = run.sessions.get(party_type, [])
show(
    [
        {"rule": s.rule, "pairs": s.pairs, "true_pairs": s.true_pairs, "rounds": s.iterations, "outcome": s.outcome}
        for s in sessions
    ]
)

# %%
show(charts.get("m by session"))
for session in sessions:
    for title, chart in session.charts.items():
        show(f"{session.rule}: {title.lower()}", chart)

# %% [markdown]
# ## Records that nothing can link
#
# The share of records that would not be recognised even beside themselves, by threshold: they hold too
# little. **It bounds the recall** at that threshold; better extracts help, a better model does not.

# %%
show(charts.get("Unlinkable records"))

# %% [markdown]
# ## Kinds of relation among the compared pairs
#
# Households and namesakes look like matches to a model that learnt from random pairs. **Look for** a share of
# *same person* that you can believe; where the fit is not trusted, Splink's own probability decides.

# %%
relations = model.relations
show("trusted" if relations.trusted else "not trusted: Splink's probability decides")
show([{"kind": kind, "share": share} for kind, share in relations.shares.items() if kind != OTHER])

# %% [markdown]
# ## Keep it
#
# Nothing uses it until `padron generations adopt`; `notebooks/compare_generations.py` shows what it would
# change.

# %%
if keep_in is not None:
    show(f"written to {keep(keep_in, linked.generation, training_page(linked, run, data.about))}")
