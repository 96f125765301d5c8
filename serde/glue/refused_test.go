package glue_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/secret"
	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/glue"
)

// A place is where a key is kept. After a refusal it is read anew.
type place struct {
	mu             sync.Mutex
	text, read     string // what is there, and what is known of it
	refused, reads int
}

func (*place) String() string { return "secret fleet" }

func (p *place) Read(_ context.Context, refused string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reads++
	if refused != "" {
		p.refused++
	}
	if p.read == "" || refused == p.read {
		p.read = p.text
	}
	return p.read, nil
}

func (p *place) rotate(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text = text
}

// guarded is what stands before the double: it takes no access key but good's, and answers others by a code.
func guarded(t *testing.T, d *double, good *place, code string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		good.mu.Lock()
		want := "Credential=" + good.text + "/"
		good.mu.Unlock()
		if !strings.Contains(r.Header.Get("Authorization"), want) {
			(&reply{http.StatusBadRequest, code, "no"}).write(w)
			return
		}
		d.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// A key that was replaced is read anew when AWS Glue doesn't take the old one any more.
func TestRotatedKey(t *testing.T) {
	for _, code := range []string{"UnrecognizedClientException", "InvalidSignatureException", "ExpiredTokenException"} {
		t.Run(code, func(t *testing.T) {
			server := points(t)
			key := &place{text: "AKIDFIRST"}
			c := server.config()
			c.AccessKey, c.SecretKey = secret.From(key), secret.From(&place{text: "hush"})
			c.Endpoint = guarded(t, server, key, code)
			d := open(t, c)
			first, second, third := header(t, point1ID), header(t, point2ID), header(t, jsonID)
			expect(t, d, "", append(first, bare1...), `{"x":7}`)
			key.rotate("AKIDSECOND")
			err := failure(t, d, "", append(second, bare2...), true, code)
			if connector.ClassOf(err) != connector.Systemic || strings.Contains(err.Error(), "hush") {
				t.Errorf("class %s: %v", connector.ClassOf(err), err)
			}
			server.register(jsonID, "s", "JSON", "{}", 1)
			expect(t, d, "", append(third, "1"...), "1") // the other one is held off for a while
			if key.refused != 1 {
				t.Errorf("read after %d refusals, want 1", key.refused)
			}
		})
	}
}

// The encoder's calls have the same credentials.
func TestRotatedKeyOfEncoder(t *testing.T) {
	server := points(t)
	key := &place{text: "AKIDFIRST"}
	c := server.encoderConfig()
	c.AccessKey, c.SecretKey = secret.From(key), secret.From(&place{text: "hush"})
	c.Schema, c.Endpoint = "trips", guarded(t, server, key, "UnrecognizedClientException")
	e := encoder(t, c)
	if _, err := encode(t, e, "a", `{"x":7,"y":"a"}`); err != nil {
		t.Fatal(err)
	}
	key.rotate("AKIDSECOND")
	if _, err := encode(t, e, "b", `{"x":7,"y":"a"}`); err == nil {
		t.Fatal("the old key was taken")
	}
	if _, err := encode(t, e, "c", `{"x":7,"y":"a"}`); err != nil {
		t.Error(err)
	}
}

// Most refusals have other reasons than a new key: the place of the key isn't asked for each schema. A denial is no refusal.
func TestRefusalsAreBounded(t *testing.T) {
	for code, most := range map[string]int{"UnrecognizedClientException": 1, "AccessDeniedException": 0} {
		server := glueDouble(t)
		key := &place{text: "AKIDFIRST"}
		c := server.config()
		c.AccessKey, c.SecretKey = secret.From(key), secret.From(&place{text: "hush"})
		c.Endpoint = guarded(t, server, &place{text: "AKIDOTHER"}, code)
		d := open(t, c)
		for i := range 30 {
			fails(t, d, "", header(t, fmt.Sprintf("00000000-0000-0000-0000-%012d", i)), true, code)
		}
		if key.refused != most || key.reads > 2 {
			t.Errorf("%s: read %d times, %d of them after a refusal, want %d", code, key.reads, key.refused, most)
		}
	}
}

// A topic full of what looks like values of AWS Glue costs a few calls at a time, and what is known never waits for them.
func TestGarbage(t *testing.T) {
	const calls, records = 4, 200
	server := fleet(t)
	d := open(t, server.config())
	want := strings.Split(file(t, "glue-json.expected.jsonl"), "\n")[0]
	expect(t, d, "", ping(t, 0), want)

	arrived, release := make(chan struct{}, records), make(chan struct{})
	server.mu.Lock()
	server.fault = func(string) *reply { arrived <- struct{}{}; <-release; return nil }
	server.mu.Unlock()
	ctx, cancel := context.WithCancel(t.Context())
	var waiting sync.WaitGroup
	for range records {
		data := header(t, jsonID)
		if _, err := rand.Read(data[2:]); err != nil {
			t.Fatal(err)
		}
		waiting.Go(func() {
			_, err := d.Decode(ctx, serde.NewTape(), "garbage", data)
			if _, waits := errors.AsType[*serde.Unavailable](err); !waits {
				t.Errorf("given up: %v", err)
			}
		})
	}
	for range calls {
		<-arrived
	}
	for range 1000 { // with all calls taken
		expect(t, d, "", ping(t, 0), want)
	}
	if n := server.count("") - 1; n != calls {
		t.Errorf("%d calls at a time, want %d", n, calls)
	}
	cancel()
	waiting.Wait()
	close(release)
}

// header is that of a schema version.
func header(t testing.TB, id string) []byte {
	t.Helper()
	parsed, err := glue.ParseID(id)
	if err != nil {
		t.Fatal(err)
	}
	return glue.AppendHeader(nil, parsed, false)
}
