# %% [markdown]
# # Know your records, choose what is compared
#
# Two records that no blocking rule brings together are never compared: what blocking misses, no model
# finds. Here you see how full and how telling each field is, what rules cost, and which ones the data
# would choose. It serves two decisions in `conf/linkage.yml`: `fields` and `blocking`.
#
# Change `place` to a warehouse's folder or to a CSV or Parquet file (with its `id_column`); without one
# it runs on invented people.

# %%
import os

from pipelines.linkage.blocking_rules import Rule, rules_for
from pipelines.linkage.link import link_night
from pipelines.linkage.profile import count_comparisons, measure_rules, profile, values_chart
from pipelines.ops.at_hand import at_hand
from pipelines.ops.linkage_pages import blocking_chart
from pipelines.ops.showing import show
from pipelines.settings import load_settings

place = os.environ.get("PADRON_WAREHOUSE")
id_column = None
party_type = "person"

data = at_hand(place, load_settings(), id_column=id_column)
show(f"{data.records.num_rows:,} records of {data.about}")

# %% [markdown]
# ## What is in the fields
#
# `known` is the share of records with a value, `values` how many different ones, `largest` the share of
# the most common one, `pairs` how many comparisons blocking by this field alone would make, `generic`
# how many values too many names share to be evidence; the street's are whole addresses, with their place.
#
# **Look for** a role that is hardly known (its column may be named wrongly in `fields`), a `largest` far
# above the rest (a placeholder that standardisation does not know yet), and `pairs` in the millions
# (no rule by itself).

# %%
profiles = profile(data.records, data.conf)
show(profiles)

# %% [markdown]
# Splink's chart of values: the left part of each row says how unequal they are, the right part names the
# most and least common ones. **These are personal data**: do not keep the output.
#
# **Look for** a bar that stands alone. 1900-01-01, a shop's own address or "unknown" belong among the
# placeholders, or into `generic` with a lower limit.

# %%
telling = ("surname", "birth_date", "postal_code", "city")
drawn = [p.role for p in profiles if p.role in telling and p.known > 0]
show(values_chart(data.records, data.conf, drawn, party_type))

# %% [markdown]
# ## What rules would compare
#
# Splink's count for the fixed rules of the package, one after another: `comparisons` that no rule before
# makes, `per_record` all of them so far. Splink takes blocks whole; padron subdivides those above
# `blocking.max_block`.
#
# **Look for** the rule where `per_record` jumps: it costs most, and may bring least.

# %%
fixed = rules_for(party_type, set(data.conf.fields))
show(count_comparisons(data.records, data.conf, fixed, party_type))

# %% [markdown]
# ## What the data choose
#
# Training tries every candidate on a sample of records and takes the rule with most new likely matches a
# comparison, again and again, within `blocking.max_comparisons_per_record`.
#
# **Look at** `share`, what a rule adds, against `comparisons`, what it costs, and at the estimated recall: the
# share of true pairs that all rules find, at most. Where the curve is flat at its end, a smaller budget
# costs nothing; where it still rises, a larger one pays.

# %%
linked = link_night(data.records, None, data.conf, data.business_date)
model = linked.generation.models[party_type]
chosen = model.blocking
if chosen is None:
    show(f"Too few records to choose by ({model.kind} model): the fixed rules stand.")
else:
    show(chosen.lines(), blocking_chart(chosen))
    recall = "not to be estimated" if chosen.recall is None else f"at most {chosen.recall:.1%}"
    show(f"{chosen.budget_used:.0%} of the budget used, {chosen.tried} rules tried; recall {recall}")

# %% [markdown]
# ## Rules of your own
#
# Measured in the same way before anything is changed. To keep them, write them into `conf/linkage.yml`
# and train again; nothing is chosen then:
#
# ```yaml
# blocking:
#   rules:
#     - [emails]
#     - [surname_phonetic, birth_date]
# ```

# %%
own = (
    Rule("email", "item", ("emails",), each="emails"),
    Rule("sound+birth", "surname_phonetic || birth_text", ("surname_phonetic", "birth_date")),
)
mine = measure_rules(data.records, data.conf, own, model, party_type)
if mine is not None:
    show(mine.lines())
    if chosen is not None and mine.recall is not None and chosen.recall is not None:
        show(f"Recall at most {mine.recall:.1%} by these rules, {chosen.recall:.1%} by the chosen ones")
