"""Who is timed beside whom by ``padron bench linkage``: one model in each one's words, a worker each."""

ID = "rec_id"
"""Column of the unique ids in the files of the benchmark. It stands here so that a peer loads nothing else for it."""
