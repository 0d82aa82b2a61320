"""padron's night as one Airflow task: spark-submit in client mode, which ends as the night does."""

from datetime import datetime, timedelta, timezone

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk import DAG

HOME = "/srv/padron"
STORE = "s3a://company-customers"
# Instead of conf's: Delta, and Hadoop's file system for s3a:// of the version of Spark's own Hadoop.
PACKAGES = "io.delta:delta-spark_4.1_2.13:4.4.0,org.apache.hadoop:hadoop-aws:3.4.2"

with DAG(
    "padron_night",
    description="Land, link and publish the customers of the day before.",
    schedule="30 3 * * *",
    # In UTC: half past three in Madrid at the latest. Of a zone behind UTC, start when its day is over.
    start_date=datetime(2026, 7, 1, tzinfo=timezone.utc),  # noqa: UP017 (schedulers with older Pythons read this)
    catchup=False,
    # padron has its own lock; without this a late night would meet the next one there and end with 4.
    max_active_runs=1,
    default_args={"retries": 1, "retry_delay": timedelta(minutes=15)},
):
    SparkSubmitOperator(
        task_id="night",
        conn_id="spark_default",
        deploy_mode="client",
        application=f"{HOME}/jobs/night.py",
        py_files=f"{HOME}/dist/padron.zip",
        packages=PACKAGES,
        properties_file=f"{HOME}/conf/spark-defaults.conf",
        env_vars={
            "PYSPARK_PYTHON": f"{HOME}/.venv/bin/python",
            "SPARK_CONF_DIR": f"{HOME}/conf",
            "PADRON_LOG": "json",
        },
        application_args=[
            "--date",
            "{{ (data_interval_end - macros.timedelta(days=1)) | ds }}",
            "--config",
            f"{HOME}/conf",
            "--landing",
            f"{STORE}/extracts",
            "--warehouse",
            f"{STORE}/warehouse",
        ],
    )
