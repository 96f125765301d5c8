package s3

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/chain"
)

func TestReadRange(t *testing.T) {
	var ranges []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ranges = append(ranges, r.Method+" "+r.URL.Path+" "+r.Header.Get("Range"))
		switch {
		case strings.HasSuffix(r.URL.Path, "/short"):
			w.Header().Set("Content-Length", "4")
			w.WriteHeader(http.StatusPartialContent)
			_, _ = io.WriteString(w, "01") // and the connection ends
		case strings.HasSuffix(r.URL.Path, "/o"):
			http.ServeContent(w, r, "", time.Time{}, strings.NewReader("0123456789"))
		default:
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, "<Error><Code>NoSuchKey</Code></Error>")
		}
	}))
	t.Cleanup(server.Close)
	s := openStore(t, config(server.URL))
	ranges = nil
	b := make([]byte, 4)
	if err := s.ReadRange(t.Context(), "o", b, 3); err != nil || string(b) != "3456" || len(ranges) != 1 || ranges[0] != "GET /"+bucketName+"/o bytes=3-6" {
		t.Errorf("%q %v %v", b, err, ranges)
	}
	if err := s.ReadRange(t.Context(), "nothing", b, 3); !errors.Is(err, chain.ErrMissing) {
		t.Error(err)
	}
	if err := s.ReadRange(t.Context(), "o", b, 10); !errors.Is(err, io.ErrUnexpectedEOF) || connector.ClassOf(err) != connector.Permanent {
		t.Error(err)
	}
	for key, at := range map[string]int64{"o": 8, "short": 0} {
		if err := s.ReadRange(t.Context(), key, b, at); !errors.Is(err, io.ErrUnexpectedEOF) || connector.ClassOf(err) != connector.Retryable {
			t.Error(key, err)
		}
	}
	if err := s.ReadRange(t.Context(), "o", nil, 0); err != nil {
		t.Error(err)
	}
}
