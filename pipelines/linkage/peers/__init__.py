"""Who is timed beside whom by ``padron bench linkage``: one model in each one's words, a worker each."""
