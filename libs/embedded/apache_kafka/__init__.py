"""A real Apache Kafka, one node, from Maven Central: for tests, measurements and `make kafka`.

It needs Java 17 and Maven, and is no part of the embedded profile, which has Tansu.
"""

from libs.embedded.apache_kafka.server import ApacheKafka

__all__ = ["ApacheKafka"]
