# %% [markdown]
# # Choose the cut with labels
#
# The *cut* decides how sure the engine must be to put records together. Its default lets expect
# `cut_precision` of the pairs to be right: an expectation, until somebody looks at pairs. Two hundred judged
# pairs are enough to see the whole curve.
#
# Change `place` to a warehouse's folder or to a CSV or Parquet file (with its `id_column`); without one
# it runs on invented people.

# %%
import os
from dataclasses import replace

import pyarrow.csv as pa_csv

from pipelines.linkage.evaluation import Basis, evaluation
from pipelines.linkage.files import read_any
from pipelines.linkage.judged import answered, judged_curve, pairs_to_judge
from pipelines.linkage.labels import read_labels
from pipelines.linkage.link import link_night
from pipelines.ops.at_hand import at_hand
from pipelines.ops.linkage_pages import curve_chart, cut_chart
from pipelines.ops.showing import show
from pipelines.settings import load_settings

place = os.environ.get("PADRON_WAREHOUSE")
id_column = None
labels = None  # a file of judged pairs, once there is one
write_to = None  # a CSV file: the pairs to judge are written there
wanted_precision = 0.99

data = at_hand(place, load_settings(), id_column=id_column)
linked = link_night(data.records, data.generation, data.conf, data.business_date)
cut = linked.generation.cut
show(f"{data.records.num_rows:,} records of {data.about}; the cut is {cut:.3f}")

# %% [markdown]
# ## Which pairs to judge
#
# Twenty from each layer of probability, in no order. Whoever judges them should see both records (`padron
# explain A B` shows why they are near) and not the probability. Add a column `is_match`: 1, 0, or what lies
# between.

# %%
drawn = pairs_to_judge(linked, each=20)
show(f"{drawn.num_rows} pairs to judge", drawn.slice(0, 8))
if write_to is not None:
    pa_csv.write_csv(drawn.drop_columns(["same_person_probability"]), write_to)

# %% [markdown]
# ## What the judge said
#
# Where there is no file of labels yet, the known truth answers in the judge's place; invented people have one.

# %%
if labels is not None:
    answers = read_any(labels, data.conf)
elif data.truth is not None:
    answers = answered(drawn, data.truth)
else:
    raise SystemExit("Set write_to, have the pairs judged, and name the file as labels.")
judged = read_labels(answers, data.conf, id_column)
show(f"{judged.num_rows} labelled pairs")

# %% [markdown]
# ## Precision and recall at every cut
#
# The engine clusters again at each cut; a judged pair stands for the pairs of its layer. The recall is of
# the matches that blocking brought (`notebooks/choose_blocking.py` estimates the rest).
#
# **Look for** the lowest cut that is precise enough: a false merge shows one customer's data to another, a
# missed link only counts a customer twice. If the curve is flat there, the cut hardly matters.

# %%
points = judged_curve(linked, judged)
show(cut_chart([(p.cut, p) for p in points], cut))
show([{"cut": p.cut, "precision": p.precision, "recall": p.recall, "f1": p.f1} for p in points])

# %%
precise = [p for p in points if p.precision >= wanted_precision]
best = max(points, key=lambda p: (p.f1, -p.cut))
picked = min(precise, key=lambda p: p.cut) if precise else max(points, key=lambda p: p.precision)
show(f"Highest F1 at {best.cut:g}; precision of {wanted_precision:.0%} or the nearest to it from {picked.cut:g} up")

# %% [markdown]
# ## How far the estimate is off
#
# Where the whole truth is known, the same curve from all records, and the reasons of what is still wrong:
# *not blocked* is for the rules, *below the cut* for the cut or the model.

# %%
if data.truth is not None:
    basis = Basis(data.records, linked.generation, data.conf, linked)
    found = evaluation(linked.clusters, data.truth, linked.scored_pairs, cut, basis=basis)
    show(curve_chart(found))
    show(f"Precision {found.quality.precision:.4f}, recall {found.quality.recall:.4f}, F1 {found.quality.f1:.4f}")
    for title, wrong in (("Missed, by reason", found.missed), ("False, by reason", found.false)):
        show(title, "too many to list" if wrong is None else wrong.by_reason())

# %% [markdown]
# ## Use it
#
# The cut belongs to a generation: with another cut it is another one, with an id of its own. Compare it first
# (`notebooks/compare_generations.py`), then `padron generations adopt` its file. For all future trainings
# change `cut_precision` in `conf/linkage.yml` instead. The same labels can train the model: `padron train --labels`.

# %%
changed = replace(linked.generation, cut=picked.cut)
show(f"Generation {linked.generation.generation_id} would become {changed.generation_id}")
