package letter

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/millrace/millrace/connector"
)

// What Kafka Connect and Millrace add to a record in a dead letter topic (KIP-298; org.apache.kafka.connect.runtime.errors.DeadLetterQueueReporter).
const (
	HeaderError = "__connect.errors." // what their names begin with
	HeaderID    = "millrace.id"       // Millrace's own
)

// errorHeaders are their names, in the order in which they are added.
var errorHeaders = []string{
	"topic", "partition", "offset", "connector.name", "task.id", "stage", "class.name",
	"exception.class.name", "exception.message", "exception.stacktrace",
}

// FromRecord reads a record of a dead letter topic, Millrace's or Kafka Connect's. ok is false for a record that is none. Headers of
// these names that the record had itself stay: only the last of each name is taken out.
func FromRecord(r *connector.Record) (l Letter, ok bool) {
	headers := slices.Clone(r.Headers)
	take := func(name string) string {
		for i := len(headers) - 1; i >= 0; i-- {
			if headers[i].Name == name {
				value := strings.ToValidUTF8(string(headers[i].Value), string(utf8.RuneError))
				headers = slices.Delete(headers, i, i+1)
				return value
			}
		}
		return ""
	}
	l.ID = take(HeaderID)
	texts := make(map[string]string, len(errorHeaders))
	for i := len(errorHeaders) - 1; i >= 0; i-- {
		texts[errorHeaders[i]] = take(HeaderError + errorHeaders[i])
	}
	partition, err := strconv.ParseInt(texts["partition"], 10, 32)
	offset, err2 := strconv.ParseInt(texts["offset"], 10, 64)
	if texts["topic"] == "" || err != nil || err2 != nil {
		return Letter{}, false
	}
	l.Topic, l.Partition, l.Offset = texts["topic"], int32(partition), offset
	l.Connector, l.Stage, l.Error = texts["connector.name"], texts["stage"], texts["exception.message"]
	if l.ID == "" && texts["exception.class.name"] != "" { // Connect's messages say little without it
		l.Error = strings.TrimSuffix(texts["exception.class.name"]+": "+l.Error, ": ")
	}
	l.Timestamp, l.LogAppendTime = r.Timestamp, r.LogAppendTime
	l.Key, l.KeyBase64 = textOrBytes(r.RawKey)
	l.Value, l.ValueBase64 = textOrBytes(r.RawValue)
	l.Headers = make([]Header, len(headers))
	for i, h := range headers {
		l.Headers[i] = headerOf(h)
	}
	return l, true
}
