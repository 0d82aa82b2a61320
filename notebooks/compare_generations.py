# %% [markdown]
# # Compare two generations
#
# A new model, cut or set of rules is worth what it changes for customers. Here you see what two generations
# do differently, and which customers would be merged, split or left alone, with their revenue where gold
# knows it. It serves one decision: adopt, or not. `padron generations diff A B --effect` says the same.
#
# Change `place` to a warehouse's folder and `other` to a generation (a folder that `padron train` wrote);
# without `other` one is trained here, without `place` both are, on invented people.

# %%
import os

from pipelines.linkage.differences import differences
from pipelines.linkage.link import link_night
from pipelines.ops.at_hand import at_hand
from pipelines.ops.generations import compare, read
from pipelines.ops.showing import show
from pipelines.settings import load_settings

place = os.environ.get("PADRON_WAREHOUSE")
id_column = None
other = os.environ.get("PADRON_GENERATION")

data = at_hand(place, load_settings(), id_column=id_column)
before = data.generation
if before is None:
    # None is in use: the starter generation, which learnt nothing from these records, is what a first night
    # of too few records has.
    untrained = data.conf.training.model_copy(update={"min_records": data.records.num_rows + 1})
    conf = data.conf.model_copy(update={"training": untrained})
    before = link_night(data.records, None, conf, data.business_date).generation
after = read(other) if other else link_night(data.records, None, data.conf, data.business_date).generation
show(f"From {before.generation_id} ({before.kind}) to {after.generation_id} ({after.kind})")

# %% [markdown]
# ## What they do differently
#
# **Look for** weights that moved by more than two bits: a field is believed much more, or much less, than
# before. Do you know why?

# %%
found = differences(before, after)
show(f"The cut goes from {found['cut'][0]:.3f} to {found['cut'][1]:.3f}")
for party_type, model in found["models"].items():
    show(f"{party_type}: {model['same_weights']} weights are the same, these differ", model["weights"])

# %% [markdown]
# **Look for** rules that went: the pairs that only they found are no longer compared.

# %%
show(
    [
        {"party type": party_type, "added": ", ".join(model["rules_added"]), "removed": ", ".join(model["rules_removed"])}
        for party_type, model in found["models"].items()
    ]
)
show([{"role": role, **counts} for role, counts in found["generic_values"].items()])

# %% [markdown]
# ## What becomes of the customers
#
# *Merged*: joined with others whole. *Split*: in parts. *Rearranged*: in parts that join others. Every merge
# and split reaches the people behind the customer, so a change should bring many good ones for each bad
# one. **Look at** a few of them with `padron explain` before you adopt.

# %%
change = compare(data, before, after)
effect = change.effect
show(f"{effect.customers_before:,} customers become {effect.customers_after:,}")
show([{"kind": kind, "customers": n, "records": effect.records[kind]} for kind, n in effect.customers.items()])
show(f"{effect.pairs_gained:,} pairs of records come together, {effect.pairs_lost:,} come apart")

# %% [markdown]
# The revenue of the customers that would change, in each currency, over their lifetime, where the warehouse has orders.
# **Look for** a large share: reports of past months would tell another story.

# %%
show(change.revenue or "no revenue is known here")

# %% [markdown]
# ## Which ones
#
# The first of them. An id alone says nothing about a person; `padron show ID` does.

# %%
show(effect.touched.slice(0, 10))
