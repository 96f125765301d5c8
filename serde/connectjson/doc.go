// Package connectjson decodes what Kafka Connect's JsonConverter writes with schemas.enable=true: JSON documents
// {"schema": ..., "payload": ...} whose schema says the types of the payload.
//
// The names of types are those of Kafka (org.apache.kafka.connect.data) and of Debezium (io.debezium.time, io.debezium.data):
// decimals, dates, times and timestamps get their kinds. Debezium's timestamps without a zone are read as UTC, as
// Connect's own are. Its Json, Enum, Xml and ZonedTime stay strings.
package connectjson
