package s3

import (
	"errors"
	"testing"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/chain"
)

// Another writer comes between the look and the put, and S3 refuses by the ETag.
func TestReplaceLosesARace(t *testing.T) {
	d := newDouble(t)
	s := openStore(t, config(d.URL))
	if err := s.Put(t.Context(), "owner.json", []byte("first")); err != nil {
		t.Fatal(err)
	}
	d.fault = func(q *request) *reply {
		if q.op == "PutObject" && q.header.Get("If-Match") != "" {
			d.objects["owner.json"].body = []byte("rival")
		}
		return nil
	}
	if err := s.Replace(t.Context(), "owner.json", []byte("first"), []byte("mine")); !errors.Is(err, chain.ErrExists) {
		t.Error(err)
	}
	if body, _, _ := d.read("owner.json"); string(body) != "rival" {
		t.Errorf("%q was overwritten", body)
	}
}

func TestReplaceAnswers(t *testing.T) {
	for _, test := range []struct {
		op    string
		reply reply
		want  error
		class connector.Class
	}{
		{"PutObject", reply{status: 501, code: "NotImplemented", message: "no If-Match"}, errors.ErrUnsupported, connector.Retryable},
		{"PutObject", reply{status: 409, code: "ConditionalRequestConflict", message: "at once"}, nil, connector.Retryable},
		{"PutObject", reply{status: 503, code: "SlowDown", message: "later"}, nil, connector.Retryable},
		{"PutObject", reply{status: 404, code: "NoSuchKey", message: "gone"}, chain.ErrMissing, connector.Retryable},
		{"PutObject", reply{status: 403, code: "AccessDenied", message: "no"}, nil, connector.Systemic},
		{"GetObject", reply{status: 500, code: "InternalError", message: "again"}, nil, connector.Retryable},
	} {
		d := newDouble(t)
		s := openStore(t, config(d.URL))
		if err := s.Put(t.Context(), "owner.json", []byte("first")); err != nil {
			t.Fatal(err)
		}
		d.answers(test.op, test.reply)
		err := s.Replace(t.Context(), "owner.json", []byte("first"), []byte("mine"))
		if err == nil || test.want != nil && !errors.Is(err, test.want) || connector.ClassOf(err) != test.class {
			t.Errorf("%s %d: error %v of class %s, want %v of class %s", test.op, test.reply.status, err, connector.ClassOf(err), test.want, test.class)
		}
	}
}
