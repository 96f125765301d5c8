package s3

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/millrace/millrace/connector"
)

const (
	transient = connector.Retryable
	blocking  = connector.Systemic
)

// TestAnswers: an answer names the setting of the sink. Package bucket tests what is common to all who write there.
func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		a     reply
		class connector.Class
		want  []string
	}{
		{reply{status: 503, code: "SlowDown", message: "Please reduce your request rate."}, transient, []string{"SlowDown: Please reduce your request rate (request R1)"}},
		{reply{status: 403, code: "AccessDenied", message: "Access Denied"}, blocking, []string{"AccessDenied: Access Denied", "the credentials need s3:PutObject and s3:PutObjectAcl on lake", "expected_bucket_owner"}},
		{reply{status: 400, code: "InvalidStorageClass"}, blocking, []string{"storage_class"}},
		{reply{status: 400, code: "InvalidTag"}, blocking, []string{"tags"}},
		{reply{status: 400, code: "KeyTooLongError"}, blocking, []string{"path"}},
		{reply{status: 400, code: "EntityTooLarge"}, blocking, []string{"rotate.size"}},
		{reply{status: 400, code: "EntityTooSmall"}, blocking, []string{"part_size"}},
		{reply{status: 403, code: "InvalidObjectState"}, blocking, []string{"archive"}},
		{reply{status: 501, code: "NotImplemented"}, blocking, []string{"checksum, acl, encryption, storage_class and tags"}},
	} {
		t.Run(fmt.Sprintf("%d %s", c.a.status, c.a.code), func(t *testing.T) {
			d := newDouble(t)
			s := openStore(t, config(d.URL, everything))
			d.answers("CreateMultipartUpload", c.a)
			_, err := s.Begin(t.Context(), object("a/b"))
			if connector.ClassOf(err) != c.class {
				t.Errorf("class %v, want %v: %v", connector.ClassOf(err), c.class, err)
			}
			for _, want := range append(c.want, "create an upload of s3://lake/a/b: ") {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%v doesn't say %q", err, want)
				}
			}
			if n := len(d.sent("CreateMultipartUpload")); n != 1 {
				t.Errorf("%d requests, want 1", n)
			}
			noSecrets(t, err)
		})
	}
}

func noSecrets(t *testing.T, err error) {
	t.Helper()
	for e := err; e != nil; e = errors.Unwrap(e) {
		if strings.Contains(e.Error(), "hush") || strings.Contains(fmt.Sprintf("%+v", e), "hush") {
			t.Errorf("the error shows a secret: %+v", e)
		}
	}
}
