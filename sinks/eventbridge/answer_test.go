package eventbridge

import (
	"fmt"
	"strings"
	"testing"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
)

// TestAnswers: only what is said of each entry makes a record count as sent.
func TestAnswers(t *testing.T) {
	const ok = `{"EventId":"11710aed-b79e-4468-a20b-bb3c0c3b4860"}`
	const throttled = `{"ErrorCode":"ThrottlingException","ErrorMessage":"slow"}`
	for name, tc := range map[string]struct {
		answer string // to two entries
		whole  bool   // nothing is known of either
		failed []int
	}{
		"both":                     {answer: `{"Entries":[` + ok + `,` + ok + `],"FailedEntryCount":0}`},
		"both, the other way":      {answer: `{"FailedEntryCount":0,"Entries":[` + ok + `,` + ok + `]}`},
		"both, with spaces":        {answer: `{ "FailedEntryCount" : 0, "Entries": [ {"EventId" : "a"}, {"EventId": "b"} ] }`},
		"both, with nulls":         {answer: `{"FailedEntryCount":0,"Entries":[{"EventId":"a","ErrorCode":null},{"ErrorCode":null,"EventId":"b"}]}`},
		"both, without a count":    {answer: `{"Entries":[` + ok + `,` + ok + `]}`},
		"the second failed":        {answer: `{"FailedEntryCount":1,"Entries":[` + ok + `,` + throttled + `]}`, failed: []int{1}},
		"the first failed":         {answer: `{"FailedEntryCount":1,"Entries":[` + throttled + `,` + ok + `]}`, failed: []int{0}},
		"failed but not counted":   {answer: `{"FailedEntryCount":0,"Entries":[` + throttled + `,` + ok + `]}`, failed: []int{0}},
		"failed with an id":        {answer: `{"FailedEntryCount":0,"Entries":[{"EventId":"a","ErrorCode":"InternalFailure"},` + ok + `]}`, failed: []int{0}},
		"one says nothing":         {answer: `{"FailedEntryCount":0,"Entries":[{},` + ok + `]}`, failed: []int{0}},
		"one is null":              {answer: `{"FailedEntryCount":0,"Entries":[null,` + ok + `]}`, failed: []int{0}},
		"an empty id":              {answer: `{"FailedEntryCount":0,"Entries":[{"EventId":""},` + ok + `]}`, failed: []int{0}},
		"one has both ids":         {answer: `{"FailedEntryCount":0,"Entries":[{"EventId":"a","EventId":"b"},{}]}`, failed: []int{1}},
		"an id looks like two":     {answer: `{"FailedEntryCount":0,"Entries":[{"EventId":"{\"EventId\":\"x\"}"},{}]}`, failed: []int{1}},
		"a message has ids":        {answer: `{"FailedEntryCount":1,"Entries":[` + ok + `,{"ErrorCode":"X","ErrorMessage":"{\"EventId\":\"a\"}"}]}`, failed: []int{1}},
		"one is missing":           {answer: `{"FailedEntryCount":0,"Entries":[` + ok + `]}`, whole: true},
		"one too many":             {answer: `{"FailedEntryCount":0,"Entries":[` + ok + `,` + ok + `,` + ok + `]}`, whole: true},
		"counted but not shown":    {answer: `{"FailedEntryCount":1,"Entries":[` + ok + `,` + ok + `]}`, whole: true},
		"ten counted":              {answer: `{"FailedEntryCount":10,"Entries":[` + ok + `,` + throttled + `]}`, whole: true},
		"no entries":               {answer: `{"FailedEntryCount":0}`, whole: true},
		"entries are null":         {answer: `{"FailedEntryCount":0,"Entries":null}`, whole: true},
		"an empty object":          {answer: `{}`, whole: true},
		"nothing":                  {answer: ``, whole: true},
		"a page of a proxy":        {answer: `<html>{"EventId":"{"EventId":"</html>`, whole: true},
		"cut off":                  {answer: `{"FailedEntryCount":0,"Entries":[` + ok + `,` + ok, whole: true},
		"entries of another shape": {answer: `{"FailedEntryCount":0,"Entries":{"EventId":"a","EventId":"b"}}`, whole: true},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDouble(t)
			d.rewrite = func(string) string { return tc.answer }
			b := connectortest.Batch(t, "t", 0, records("a", "b")...)
			err := d.open(t).Load(t.Context(), b)
			if whole := err != nil; whole != tc.whole || connector.ClassOf(err) != connector.Retryable {
				t.Errorf("got %v of class %v", err, connector.ClassOf(err))
			}
			equal(t, "failed", failed(b), tc.failed)
			if n := d.puts(); n != 1 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

// FuzzAccepted: the scan never says more than the parser.
func FuzzAccepted(f *testing.F) {
	s := &Sink{place: "event bus orders"}
	f.Add([]byte(`{"Entries":[{"EventId":"a"},{"EventId":"b"}],"FailedEntryCount":0}`))
	f.Add([]byte(`{"FailedEntryCount":0,"Entries":[{"EventId":"a"},{"EventId":"b"}]}`))
	f.Add([]byte(`{"FailedEntryCount":0,"Entries":[{"EventId":"a"},{"EventId":"b"}],"Entries":[]}`))
	f.Add([]byte(`{"Entries":[{"EventId":"a"},{"EventId":""}],"FailedEntryCount":0}`))
	f.Fuzz(func(t *testing.T, reply []byte) {
		if !accepted(reply, 2) {
			return // one in another form, or not one
		}
		results, err := s.parse(reply, 2)
		if err != nil {
			t.Fatalf("%q is accepted; the parser says %v", reply, err)
		}
		for _, r := range results {
			if r.EventID == "" || r.ErrorCode != "" {
				t.Fatalf("%q is accepted, with %+v", reply, r)
			}
		}
	})
}

// TestCodes: what the code of an entry, and that of a whole request, mean.
func TestCodes(t *testing.T) {
	for code, want := range map[string]struct{ entry, request connector.Class }{
		"ThrottlingException":                 {connector.Retryable, connector.Retryable},
		"Throttling":                          {connector.Retryable, connector.Retryable},
		"TooManyRequestsException":            {connector.Retryable, connector.Retryable},
		"InternalFailure":                     {connector.Retryable, connector.Retryable},
		"InternalException":                   {connector.Retryable, connector.Retryable},
		"ServiceUnavailable":                  {connector.Retryable, connector.Retryable},
		"MalformedDetail":                     {connector.Permanent, connector.Permanent},
		"InvalidArgument":                     {connector.Permanent, connector.Permanent},
		"RedactionFailure":                    {connector.Permanent, connector.Permanent},
		"SerializationException":              {connector.Systemic, connector.Permanent},
		"AccessDeniedException":               {connector.Systemic, connector.Systemic},
		"NotAuthorizedForSourceException":     {connector.Systemic, connector.Systemic},
		"NotAuthorizedForDetailTypeException": {connector.Systemic, connector.Systemic},
		"InvalidAccountIdException":           {connector.Systemic, connector.Systemic},
		"ResourceNotFoundException":           {connector.Systemic, connector.Systemic},
		"ExpiredTokenException":               {connector.Systemic, connector.Systemic},
		"UnrecognizedClientException":         {connector.Systemic, connector.Systemic},
		"SomethingNewException":               {connector.Systemic, connector.Systemic},
	} {
		t.Run(code, func(t *testing.T) {
			d := newDouble(t)
			s := d.open(t)
			d.fault = func(int, *sent) *says { return &says{code: code, message: "because"} }
			b := load(t, s, records("a")...)
			if err := b.Err(0); connector.ClassOf(err) != want.entry || !strings.Contains(fmt.Sprint(err), "PutEvents on event bus orders: "+code+": because") {
				t.Errorf("of an entry: %v: %v", connector.ClassOf(err), err)
			}
			d.fault, d.next = nil, &says{400, code, "because"}
			b = connectortest.Batch(t, "t", 0, records("a")...)
			err := s.Load(t.Context(), b)
			if err == nil {
				err = b.Err(0)
			} else if connector.ClassOf(err) == connector.Permanent {
				t.Error("a whole Load is refused for ever: the connector would send all of it again")
			}
			if connector.ClassOf(err) != want.request || !strings.Contains(fmt.Sprint(err), code+": because") {
				t.Errorf("of a request: %v: %v", connector.ClassOf(err), err)
			}
		})
	}
}
