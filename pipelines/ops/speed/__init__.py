"""``padron bench linkage`` and ``bench night``: whole processes measured, one at a time."""
