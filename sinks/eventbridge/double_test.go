package eventbridge

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/secret"
	"github.com/millrace/millrace/sinks/sinktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A sent entry is one of a PutEvents request, as the double read it.
type sent struct {
	Source, DetailType, Detail, EventBusName, TraceHeader *string
	Resources                                             []string
	Time                                                  *float64
}

// size is by the formula of the User Guide ("Calculating PutEvents event entry size"), and for the trace header by the API's practice.
func (e *sent) size() (n int) {
	if e.Time != nil {
		n = 14
	}
	for _, s := range []*string{e.Source, e.DetailType, e.Detail, e.TraceHeader} {
		if s != nil {
			n += len(*s)
		}
	}
	for _, r := range e.Resources {
		n += len(r)
	}
	return n
}

// A says is what the double answers with instead of success.
type says struct {
	status        int
	code, message string
}

// A double is an EventBridge that takes nothing that the real one refuses, and fails on demand. Functions are called under its lock.
type double struct {
	*httptest.Server
	t     testing.TB
	buses map[string]bool
	limit int // bytes of a request

	mu        sync.Mutex
	calls     []string                   // operations, in order
	hosts     []string                   // and the hosts that they were sent to
	entries   []int                      // entries of each PutEvents
	taken     []sent                     // events, in order
	lost      []sent                     // those of them whose replies got lost
	next      *says                      // to the next PutEvents, which isn't applied
	ends      bool                       // the reply to the next PutEvents gets lost
	fault     func(n int, e *sent) *says // what is said against an entry, when n events were taken before
	refuses   func(es []sent) *says      // what is said against a request
	lose      func(es []sent) bool       // whether the reply gets lost, after the entries were applied
	rewrite   func(answer string) string
	stalled   chan struct{}
	endpoint  string // id of the global endpoint that requests are for
	twoRegion bool   // the signatures must be for all Regions
}

func newDouble(t testing.TB) *double {
	t.Helper()
	d := &double{t: t, buses: map[string]bool{"orders": true}, limit: 1 << 20}
	d.Server = httptest.NewServer(http.HandlerFunc(d.serve))
	t.Cleanup(d.Close)
	return d
}

var (
	signature  = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/\d{8}/eu-west-1/events/aws4_request, ?SignedHeaders=[a-z0-9;-]+, ?Signature=[0-9a-f]{64}$`)
	signatureA = regexp.MustCompile(`^AWS4-ECDSA-P256-SHA256 Credential=AKIDEXAMPLE/\d{8}/events/aws4_request, ?SignedHeaders=[a-z0-9;-]+, ?Signature=[0-9a-f]+$`)
)

// signed reports whether a request has what the signature process wants; that it is right is awsjson's test.
func (d *double) signed(r *http.Request, global bool) bool {
	want := signature
	if global {
		if want = signatureA; r.Header.Get("X-Amz-Region-Set") != "*" {
			return false
		}
	}
	return want.MatchString(r.Header.Get("Authorization")) && r.Header.Get("X-Amz-Date") != ""
}

func (d *double) serve(w http.ResponseWriter, r *http.Request) {
	operation, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "AWSEvents.")
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the caller left
	}
	d.mu.Lock()
	d.calls, d.hosts = append(d.calls, operation), append(d.hosts, r.Host)
	stalled := d.stalled
	d.mu.Unlock()
	global := d.twoRegion && operation == opPut
	switch {
	case !ok || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/x-amz-json-1.1" || r.ContentLength != int64(len(body)):
		refuse(w, says{400, "UnknownOperationException", ""})
	case !d.signed(r, global):
		refuse(w, says{400, "IncompleteSignature", "The request has no signature as wanted: " + r.Header.Get("Authorization")})
	case operation == opDescribe:
		d.describe(w, body)
	case operation == opPut:
		if stalled != nil {
			select {
			case <-stalled:
			case <-r.Context().Done():
				return
			}
		}
		d.put(w, body)
	default:
		refuse(w, says{400, "UnknownOperationException", operation})
	}
}

func refuse(w http.ResponseWriter, s says) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("X-Amzn-Requestid", "0f8d")
	w.WriteHeader(s.status)
	_ = json.NewEncoder(w).Encode(map[string]string{"__type": s.code, "message": s.message})
}

func (d *double) describe(w http.ResponseWriter, body []byte) {
	var in struct{ Name string }
	if err := strict(body, &in); err != nil {
		refuse(w, says{400, "SerializationException", err.Error()})
		return
	}
	name := in.Name[strings.LastIndexByte(in.Name, '/')+1:]
	switch {
	case name == "private":
		refuse(w, says{400, "AccessDeniedException", "User: u is not authorized to perform: events:DescribeEventBus on resource: " + name})
	case !d.buses[name]:
		refuse(w, says{400, "ResourceNotFoundException", "Event bus " + name + " does not exist."})
	default:
		_, _ = fmt.Fprintf(w, `{"Name":%q}`, name)
	}
}

func (d *double) put(w http.ResponseWriter, body []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var in struct {
		EndpointID string `json:"EndpointId"`
		Entries    []sent
	}
	if err := strict(body, &in); err != nil {
		refuse(w, says{400, "SerializationException", err.Error()})
		return
	}
	d.entries = append(d.entries, len(in.Entries))
	if s := d.refusal(in.EndpointID, in.Entries); s != nil {
		refuse(w, *s)
		return
	}
	lost := d.ends || d.lose != nil && d.lose(in.Entries)
	d.ends = false
	before := len(d.taken)
	answer := d.apply(in.Entries)
	if lost {
		d.lost = append(d.lost, d.taken[before:]...)
		panic(http.ErrAbortHandler)
	}
	if d.rewrite != nil {
		answer = d.rewrite(answer)
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	_, _ = io.WriteString(w, answer)
}

// refusal is what is said against a request as a whole.
func (d *double) refusal(endpoint string, es []sent) *says {
	if s := d.next; s != nil {
		d.next = nil
		return s
	}
	if d.refuses != nil {
		if s := d.refuses(es); s != nil {
			return s
		}
	}
	size := 0
	for i := range es {
		size += es[i].size()
	}
	switch {
	case endpoint != d.endpoint:
		return &says{400, "ValidationException", "EndpointId " + endpoint + " is not valid"}
	case len(es) == 0 || len(es) > 10:
		return &says{400, "ValidationException", "1 validation error detected: Value at 'entries' failed to satisfy constraint: Member must have length less than or equal to 10"}
	case size > d.limit:
		return &says{400, "ValidationException", "Total size of the entries in the request is over the limit."}
	}
	return nil
}

// apply takes the entries that it can, and says what became of each.
func (d *double) apply(es []sent) string {
	var results []string
	failed := 0
	for i := range es {
		e := &es[i]
		s := wrong(e)
		if s == nil && d.fault != nil {
			s = d.fault(len(d.taken), e)
		}
		if s != nil {
			failed++
			text, _ := json.Marshal(map[string]string{"ErrorCode": s.code, "ErrorMessage": s.message})
			results = append(results, string(text))
			continue
		}
		// A bus that isn't there takes events too, and drops them.
		if d.buses[(*e.EventBusName)[strings.LastIndexByte(*e.EventBusName, '/')+1:]] {
			d.taken = append(d.taken, *e)
		}
		results = append(results, fmt.Sprintf(`{"EventId":"11710aed-b79e-4468-a20b-%012x"}`, len(d.taken)))
	}
	return fmt.Sprintf(`{"Entries":[%s],"FailedEntryCount":%d}`, strings.Join(results, ","), failed)
}

// wrong is what is said against an entry, which fails alone.
func wrong(e *sent) *says {
	for name, s := range map[string]*string{"Source": e.Source, "DetailType": e.DetailType, "Detail": e.Detail, "EventBusName": e.EventBusName} {
		if s == nil || *s == "" {
			return &says{code: "InvalidArgument", message: "Parameter " + name + " is not valid. Reason: " + name + " is a required argument."}
		}
	}
	var object map[string]any
	switch err := strict([]byte(*e.Detail), &object); {
	case err != nil || object == nil:
		return &says{code: "MalformedDetail", message: "Detail is malformed."}
	case strings.HasPrefix(*e.Source, "aws."):
		return &says{code: "NotAuthorizedForSourceException", message: "Not authorized for the source."}
	}
	return nil
}

// strict reads JSON that has no member that isn't known or that is there twice.
func strict(text []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more behind the object")
	}
	return distinct(json.NewDecoder(bytes.NewReader(text)))
}

// distinct reads a value, and refuses names that are twice in an object.
func distinct(d *json.Decoder) error {
	token, err := d.Token()
	if err != nil {
		return err
	}
	open, _ := token.(json.Delim)
	if open == 0 {
		return nil
	}
	names := map[string]bool{}
	for d.More() {
		if open == '{' {
			name, err := d.Token()
			if err != nil {
				return err
			}
			if names[name.(string)] {
				return fmt.Errorf("member %q is there twice", name)
			}
			names[name.(string)] = true
		}
		if err := distinct(d); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}

// puts counts the requests.
func (d *double) puts() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for _, c := range d.calls {
		if c == opPut {
			n++
		}
	}
	return n
}

func (d *double) events() []sent {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.taken)
}

// set changes what the double does.
func (d *double) set(change func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change()
}

// stall makes requests hang until release is called.
func (d *double) stall() (release func()) {
	c := make(chan struct{})
	d.set(func() { d.stalled = c })
	return sync.OnceFunc(func() {
		d.set(func() { d.stalled = nil })
		close(c)
	})
}

// destination shows a sink's events to the conformance suite.
func (d *double) destination(s *Sink, read func(e sent) (sinktest.Delivery, error)) sinktest.Destination {
	return sinktest.Destination{
		Loader:   s,
		Requests: d.puts,
		Read: func() ([]sinktest.Delivery, error) {
			var out []sinktest.Delivery
			for _, e := range d.events() {
				one, err := read(e)
				if err != nil {
					return nil, err
				}
				out = append(out, one)
			}
			return out, nil
		},
		Fail: func(c connector.Class) bool {
			d.set(func() {
				d.next = map[connector.Class]*says{
					connector.Retryable: {400, "ThrottlingException", "Rate exceeded"},
					connector.Systemic:  {400, "AccessDeniedException", "User: u is not authorized to perform: events:PutEvents"},
				}[c]
			})
			return true
		},
		LoseReply: func() { d.set(func() { d.ends = true }) },
		Stall:     d.stall,
	}
}

// config is for the double.
func (d *double) config(change ...func(*Config)) Config {
	c := DefaultConfig()
	c.Bus, c.Endpoint, c.Region = "orders", d.URL, "eu-west-1"
	c.AccessKey, c.SecretKey = secret.New("AKIDEXAMPLE"), secret.New("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
	for _, f := range change {
		f(&c)
	}
	return c
}

// open opens the sink on the double.
func (d *double) open(t testing.TB, change ...func(*Config)) *Sink {
	t.Helper()
	s, err := d.config(change...).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}
