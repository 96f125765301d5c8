// Package testbed starts the real services that Millrace is tested on: Apache
// Kafka (one node, or three with every record on each), a Redis, a Redis
// cluster, a Redis with TLS and an ACL user, a strict S3 server (versitygw), moto, a lenient one
// of many services of AWS, and DynamoDB Local, which is strict.
//
// Tests that use it carry the build tag testbed, so that "go test ./..." needs
// nothing but Go. A test asks for the service that it needs:
//
//	brokers := testbed.Kafka(t)          // shared: don't stop it
//	brokers := testbed.StartKafka(t, testbed.KafkaOptions{Nodes: 3}) // its own: kill and pause at will
//
// A test of authentication and rights starts a Kafka with StartSecureKafka: SCRAM, PLAIN, client certificates, and
// MSK's IAM by a plug-in of the broker's (iam/*.java) that checks signatures against a table of credentials, which
// the test and moto's STS fill. Its plain listener stays, for what the test does itself:
//
//	brokers := testbed.StartSecureKafka(t, testbed.SecureOptions{Reauth: 4 * time.Second})
//	topic := brokers.Topic(t, 1)
//	keys := brokers.Credentials.NewSession(t, "mover", "pod-1", time.Hour)
//	brokers.Allow(t, "User:"+keys.Principal, kmsg.ACLResourceTypeTopic, topic, kmsg.ACLOperationRead)
//	client := brokers.Connect(t, testbed.IAM, kgo.SASL(...))
//
// A test of schemas has a registry in moto, records that AWS's own serde for Java writes and reads (glue/*.java), what Avro's
// library for Java says of two schemas, and troubles on the way to a service:
//
//	registry := testbed.Moto(t).Registry(t)
//	written, err := registry.Serde().Write(t.Context(), testbed.GlueOptions{Format: testbed.GlueAvro, SchemaName: "s", Count: 1000})
//	gateway := testbed.StartGlueGateway(t, registry.Endpoint) // gateway.Throttle(3)
//	proxy := testbed.StartProxy(t, gateway.Endpoint)          // proxy.Down(t), proxy.Slow(t, time.Second)
//	client := registry.At(proxy.URL()).Client(t)
//
// Events go from a bus in moto by rules to queues, and items to tables of DynamoDB Local, by a gateway that makes the faults that
// DynamoDB may make:
//
//	bus := testbed.Moto(t).EventBus(t)
//	queue := bus.Queue(t, `{"source":["kafka-connect.cars"]}`)
//	events := queue.Receive(t, 100)
//
//	dynamo := testbed.DynamoDBLocal(t)
//	table := dynamo.Table(t, testbed.TableKey{Name: "id", Type: types.ScalarAttributeTypeS})
//	gateway := testbed.StartDynamoDBGateway(t, dynamo.Endpoint, testbed.DynamoDBFaultOptions{Share: 0.3, Late: 5 * time.Second})
//	items := dynamo.Items(t, table)
//
// Shared services are those that the command in testbed/run has started once for all
// packages, named by the environment variables MILLRACE_*. Without these a
// test starts its own, which ends with the test.
//
// Every process listens on 127.0.0.1 only, keeps its data in a temporary folder, and
// ends with the process that started it, however that one ends. After a failed test the folder stays and the test says where.
//
// What is needed is in [Tools] and [Downloads]. A part that can't be had fails the
// test: nothing is skipped.
package testbed
