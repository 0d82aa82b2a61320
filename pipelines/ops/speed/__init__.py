"""``padron bench linkage``: padron and Splink on the same records, each as whole processes."""
