#!/bin/sh
# night.sh [OPTIONS OF padron run]: the night on YARN, from an edge node with HADOOP_CONF_DIR. Ends with padron's exit code.
# The executors get their Python from python.tar.gz, a packed environment of requirements.lock, and padron from the zip.
set -eu
cd "$(dirname "$0")/../../.."
# The Spark that padron was installed with: the node's own may be another, and Delta fits one version only.
SPARK_HOME="$(.venv/bin/python -c 'import pyspark; print(pyspark.__path__[0])')"
export SPARK_HOME
export PYSPARK_DRIVER_PYTHON="$PWD/.venv/bin/python" PYSPARK_PYTHON=./python/bin/python SPARK_CONF_DIR="$PWD/conf" PADRON_LOG=json
# pyarrow reads HDFS by Hadoop's own library, in the driver and in the tasks; it wants every JAR by its name.
CLASSPATH="$(hadoop classpath --glob)"
export CLASSPATH
exec .venv/bin/spark-submit --master yarn --deploy-mode client --properties-file conf/spark-defaults.conf \
  --archives hdfs:///apps/padron/python.tar.gz#python --py-files dist/padron.zip \
  --conf "spark.executorEnv.CLASSPATH=$CLASSPATH" \
  --files conf/log4j2.properties --conf spark.executor.extraJavaOptions=-Dlog4j2.configurationFile=log4j2.properties \
  --num-executors 4 --executor-cores 2 --executor-memory 6g \
  jobs/night.py --config conf --landing hdfs:///data/extracts --warehouse hdfs:///data/warehouse "$@"
