package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/twmb/franz-go/pkg/kgo"
)

func startCallStub(t *testing.T) *callStub {
	t.Helper()
	s, err := newCallStub()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s
}

func writes(t *testing.T, first, n int64) map[string][]types.WriteRequest {
	t.Helper()
	random := rand.New(rand.NewPCG(uint64(first), 7))
	all := make([]types.WriteRequest, n)
	for i := range all {
		_, trip := record(trips, first+int64(i), random)
		item, err := tripItem(trip)
		if err != nil {
			t.Fatal(err)
		}
		all[i].PutRequest = &types.PutRequest{Item: item}
	}
	return map[string][]types.WriteRequest{tableName: all}
}

// The stub takes what the floor sends to DynamoDB and counts it, and refuses what DynamoDB refuses.
func TestStubOfDynamoDB(t *testing.T) {
	s := startCallStub(t)
	client := dynamoClient(settings{aws: s.url})
	send := func(requests map[string][]types.WriteRequest) error {
		_, err := client.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{RequestItems: requests})
		return err
	}
	if err := send(writes(t, 0, 25)); err != nil {
		t.Fatal(err)
	}
	if err := send(writes(t, 25, 3)); err != nil {
		t.Fatal(err)
	}
	twice := writes(t, 28, 2)
	twice[tableName][1] = twice[tableName][0]
	short := writes(t, 30, 2)
	delete(short[tableName][0].PutRequest.Item, "city")
	for want, requests := range map[string]map[string][]types.WriteRequest{
		"26 items":      writes(t, 40, 26),
		"duplicates":    twice,
		"10 attributes": short,
		"no table":      {"other": writes(t, 70, 1)[tableName]},
	} {
		if err := send(requests); errorCode(err) != "ValidationException" || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q: %v", want, err)
		}
	}
	if _, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String(tableName), Item: writes(t, 80, 1)[tableName][0].PutRequest.Item}); err != nil {
		t.Error(err)
	}
	table, err := client.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String(tableName)})
	if err != nil || *table.Table.KeySchema[0].AttributeName != tableKey {
		t.Errorf("table %+v, %v", table, err)
	}
	if _, err := client.ListTables(t.Context(), &dynamodb.ListTablesInput{}); err == nil {
		t.Error("an unknown operation was answered")
	}
	u := s.usage()
	want := map[string]int64{opBatchWrite: 6, opPut: 1, "DescribeTable": 1, "ListTables": 1}
	if u.items != 29 || !maps.Equal(u.requests, want) || u.most != 1 || u.underWay != 0 || !u.first.Before(u.last) {
		t.Errorf("usage %+v, want 29 items by %v", u, want)
	}
}

// Later requests aren't parsed; their items are counted, and their limit holds.
func TestStubCountsWithoutParsing(t *testing.T) {
	s := startCallStub(t)
	client := dynamoClient(settings{aws: s.url})
	requests, many := writes(t, 0, 25), writes(t, 25, 26)
	s.u.requests[opBatchWrite] = callsChecked
	if _, err := client.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{RequestItems: requests}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{RequestItems: many}); errorCode(err) != "ValidationException" {
		t.Errorf("26 items: %v", err)
	}
	if u := s.usage(); u.items != 25 {
		t.Errorf("usage %+v", u)
	}
}

// An entry holds the connector's envelope, whose value is the trip.
func TestStubOfEventBridge(t *testing.T) {
	s := startCallStub(t)
	client := eventbridge.New(eventbridge.Options{
		BaseEndpoint: &s.url, Region: callRegion, Credentials: credentials.NewStaticCredentialsProvider(callKey, callKey, ""), RetryMaxAttempts: 1,
	})
	entries := func(n int) []ebtypes.PutEventsRequestEntry {
		random := rand.New(rand.NewPCG(1, 2))
		all := make([]ebtypes.PutEventsRequestEntry, n)
		for i := range all {
			key, trip := record(trips, int64(i), random)
			all[i] = entryOf(&kgo.Record{Topic: "trips-10", Partition: 2, Offset: int64(i), Timestamp: time.UnixMilli(1_700_000_000_000), Key: key, Value: trip})
		}
		return all
	}
	out, err := client.PutEvents(t.Context(), &eventbridge.PutEventsInput{Entries: entries(10)})
	if err != nil || out.FailedEntryCount != 0 || len(out.Entries) != 10 || aws.ToString(out.Entries[9].EventId) == "" {
		t.Fatalf("%+v, %v", out, err)
	}
	if _, err := client.PutEvents(t.Context(), &eventbridge.PutEventsInput{Entries: entries(11)}); errorCode(err) != "ValidationException" {
		t.Errorf("11 entries: %v", err)
	}
	bad := entries(1)
	bad[0].Detail = aws.String(`{"topic":"trips-10","value":{"trip_id":"1"}}`)
	if _, err := client.PutEvents(t.Context(), &eventbridge.PutEventsInput{Entries: bad}); errorCode(err) != "ValidationException" {
		t.Errorf("a trip with one field: %v", err)
	}
	if u := s.usage(); u.items != 10 || u.requests[opEvents] != 3 {
		t.Errorf("usage %+v", u)
	}
	var detail map[string]any
	if err := json.Unmarshal([]byte(*entries(3)[2].Detail), &detail); err != nil || detail["offset"] != 2.0 || detail["key"] == "" {
		t.Errorf("detail %v, %v", detail, err)
	}
}

// The share is of the time between the first request and the last answer; messages a second count the start as well.
func TestCallMedians(t *testing.T) {
	began := time.Now()
	one := func(items int64, seconds float64) sample {
		first := began.Add(time.Second)
		return sample{began: began, calls: callUsage{
			requests: map[string]int64{opBatchWrite: items / 20, "DescribeTable": 1}, items: items, most: 32,
			first: first, last: first.Add(time.Duration(seconds * float64(time.Second))),
		}}
	}
	got := callMedians([]sample{one(80_000, 2), one(80_000, 1), one(80_000, 9)}, 25)
	want := callResult{PerSecond: 26667, Share: 0.5, Requests: 4000, PerRequest: 20, InFlight: 32}
	if got == nil || *got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// The cases with latency read no more than what they need, from a topic of its own length.
func TestRecordsOfACase(t *testing.T) {
	chosen, err := choose("dynamodb,filter")
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"100 200000", "100 1000000"} {
		if got := fmt.Sprint(chosen[i].records(100), chosen[i].records(1_000_000)); got != want {
			t.Errorf("%s: %s records, want %s", chosen[i].name, got, want)
		}
	}
}
