// Command bench measures Millrace against bare programs that do the same work, and nothing else.
//
// Each case runs the bare program (the floor) and the pipeline in turn, each in a
// process of its own, on the same topic of a real Kafka, and compares their CPU
// time, user and system, over all pairs. One JSON line per case goes to the standard output:
// the median ratio, with the interval that holds the true median with at least 95 % probability.
//
//	go run ./bench --pairs 11 --records 1000000
//
// The cases with S3 write objects of 100,000 records to a stub in the process of bench, whose CPU time doesn't
// count. Besides CPU they tell the requests for each object, and how long after the start of the process its first object could be read.
//
// The cases with DynamoDB and EventBridge send to a stub in the process of bench that answers each request after 10 ms, 32 of them at a time. Besides CPU
// they tell messages a second, and the share that was reached of what the latency allows: 32 x items of a request / 10 ms.
//
// The floor has no group, no commits, no validation and no handling of errors. It reads with
// franz-go (at most 4 MiB per partition and 32 MiB per fetch), hands each partition to a goroutine of its own with an
// encoder of its own, and uses the same libraries; to S3 it puts objects whole, unsigned; to DynamoDB and
// EventBridge it speaks by the AWS SDK. For rules, its test or mapping is
// written by hand on the same parsed value.
package main
