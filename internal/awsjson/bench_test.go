package awsjson

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
)

// What the two services answer to the requests of the benchmarks.
const (
	eventsReply = `{"FailedEntryCount":0,"Entries":[` + tenEntries + `]}`
	entryReply  = `{"EventId":"17793124-05d4-b198-2fde-7ededc63b103"}`
	tenEntries  = entryReply + "," + entryReply + "," + entryReply + "," + entryReply + "," + entryReply + "," +
		entryReply + "," + entryReply + "," + entryReply + "," + entryReply + "," + entryReply
	itemsReply = `{"UnprocessedItems":{}}`
)

// loopback is a server that does next to nothing but HTTP.
func loopback(b *testing.B, reply string) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: " + strconv.Itoa(len(reply)) + "\r\n\r\n" + reply)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serve(c, answer)
		}
	}()
	return "http://" + l.Addr().String()
}

func serve(c net.Conn, answer []byte) {
	defer c.Close()
	in := bufio.NewReaderSize(c, 64<<10)
	size := 0
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return
		}
		if text, ok := strings.CutPrefix(string(line), "Content-Length: "); ok {
			size, _ = strconv.Atoi(strings.TrimSpace(text))
		}
		if len(line) > 2 {
			continue
		}
		if _, err := in.Discard(size); err != nil {
			return
		}
		if _, err := c.Write(answer); err != nil {
			return
		}
	}
}

// A stub answers without a network: what is left is the client.
type stub string

func (s stub) Do(r *http.Request) (*http.Response, error) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, ContentLength: int64(len(s)), Body: io.NopCloser(strings.NewReader(string(s))), Request: r}, nil
}

// cpu runs f as often as b says and reports the processor time of the process.
func cpu(b *testing.B, f func() error) {
	b.Helper()
	used := func() int64 {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return u.Utime.Nano() + u.Stime.Nano()
	}
	b.ReportAllocs()
	from := used()
	for b.Loop() {
		if err := f(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(used()-from)/float64(b.N), "cpu-ns/op")
}

// against runs a benchmark of one call on a loopback server and without a network.
func against(b *testing.B, reply string, run func(b *testing.B, endpoint string, without aws.HTTPClient)) {
	b.Helper()
	clean(b)
	b.Run("loopback", func(b *testing.B) { run(b, loopback(b, reply), nil) })
	b.Run("no network", func(b *testing.B) { run(b, "http://127.0.0.1:1", stub(reply)) })
}

// detail is what ten events say, 1 kB each.
var detail = `{"topic":"rides","partition":3,"offset":1234567,"value":{"text":"` + strings.Repeat(`he said \"no\" `, 55) + `"}}`

// BenchmarkEvents sends ten events of 1 kB: with Call, writing them into a buffer that is used again, and with the SDK's client.
func BenchmarkEvents(b *testing.B) {
	b.Run("Call", func(b *testing.B) {
		against(b, eventsReply, func(b *testing.B, endpoint string, without aws.HTTPClient) {
			c := connect(b, endpoint, user())
			if without != nil {
				c.config.HTTPClient = without
			}
			var body, reply []byte
			cpu(b, func() (err error) {
				body = append(body[:0], `{"Entries":[`...)
				for i := range 10 {
					if i > 0 {
						body = append(body, ',')
					}
					body = append(body, `{"Source":"rides","DetailType":"Ride","EventBusName":"main","Detail":"`...)
					body = appendEscaped(body, detail)
					body = append(body, `"}`...)
				}
				body = append(body, `]}`...)
				reply, err = c.Call(b.Context(), "PutEvents", body, reply[:0])
				return err
			})
		})
	})
	b.Run("SDK", func(b *testing.B) {
		against(b, eventsReply, func(b *testing.B, endpoint string, without aws.HTTPClient) {
			c := eventbridge.NewFromConfig(connect(b, endpoint, user()).config, func(o *eventbridge.Options) {
				if o.BaseEndpoint = &endpoint; without != nil {
					o.HTTPClient = without
				}
			})
			cpu(b, func() error {
				entries := make([]eventtypes.PutEventsRequestEntry, 10)
				for i := range entries {
					entries[i] = eventtypes.PutEventsRequestEntry{Source: aws.String("rides"), DetailType: aws.String("Ride"), EventBusName: aws.String("main"), Detail: &detail}
				}
				_, err := c.PutEvents(b.Context(), &eventbridge.PutEventsInput{Entries: entries})
				return err
			})
		})
	})
}

// appendEscaped appends the inside of a JSON text.
func appendEscaped(dst []byte, s string) []byte {
	from := 0
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			dst = append(append(dst, s[from:i]...), '\\')
			from = i
		}
	}
	return append(dst, s[from:]...)
}

// BenchmarkItems writes 25 items of eight attributes.
func BenchmarkItems(b *testing.B) {
	names := []string{"lat", "lon", "speed", "heading", "odometer", "fuel"}
	b.Run("Call", func(b *testing.B) {
		against(b, itemsReply, func(b *testing.B, endpoint string, without aws.HTTPClient) {
			c := connect(b, endpoint, user())
			if without != nil {
				c.config.HTTPClient = without
			}
			var body, reply []byte
			cpu(b, func() (err error) {
				body = append(body[:0], `{"RequestItems":{"trips":[`...)
				for i := range 25 {
					if i > 0 {
						body = append(body, ',')
					}
					body = append(body, `{"PutRequest":{"Item":{"id":{"S":"car-`...)
					body = strconv.AppendInt(body, int64(i), 10)
					body = append(body, `"},"state":{"S":"driving"}`...)
					for n, name := range names {
						body = append(append(append(body, `,"`...), name...), `":{"N":"`...)
						body = append(strconv.AppendFloat(body, float64(i)+float64(n)/7, 'g', -1, 64), `"}`...)
					}
					body = append(body, `}}}`...)
				}
				body = append(body, `]}}`...)
				reply, err = c.Call(b.Context(), "BatchWriteItem", body, reply[:0])
				return err
			})
		})
	})
	b.Run("SDK", func(b *testing.B) {
		against(b, itemsReply, func(b *testing.B, endpoint string, without aws.HTTPClient) {
			c := dynamodb.NewFromConfig(connect(b, endpoint, user()).config, func(o *dynamodb.Options) {
				if o.BaseEndpoint = &endpoint; without != nil {
					o.HTTPClient = without
				}
			})
			cpu(b, func() error {
				writes := make([]types.WriteRequest, 25)
				for i := range writes {
					item := map[string]types.AttributeValue{
						"id": &types.AttributeValueMemberS{Value: "car-" + strconv.Itoa(i)}, "state": &types.AttributeValueMemberS{Value: "driving"},
					}
					for n, name := range names {
						item[name] = &types.AttributeValueMemberN{Value: strconv.FormatFloat(float64(i)+float64(n)/7, 'g', -1, 64)}
					}
					writes[i].PutRequest = &types.PutRequest{Item: item}
				}
				_, err := c.BatchWriteItem(b.Context(), &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{"trips": writes}})
				return err
			})
		})
	})
}
