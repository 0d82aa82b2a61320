#!/bin/sh
# Init script of the cluster: padron and what it needs, without Spark and Delta, which the runtime brings.
set -eu
cd /Workspace/Shared/padron
grep -vE '^(pyspark|delta-spark|py4j)==' requirements.lock > /tmp/padron-requirements.txt
/databricks/python/bin/pip install --no-deps -r /tmp/padron-requirements.txt ./padron-*.whl
