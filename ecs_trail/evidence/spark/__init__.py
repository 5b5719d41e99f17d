"""Apache Spark: the session, what is sent to executors, and the engine that reads units there."""
