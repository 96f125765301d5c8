package keypair

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestPartsPrintMasked(t *testing.T) {
	p := Parts{Certificate: []byte("canary"), Key: []byte("canary"), PKCS12: []byte("canary"), Password: "canary"}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "parts", p, "pointer", &p)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "parts", p, "pointer", &p)
	encoded, err := json.Marshal(struct{ P Parts }{p})
	if err != nil {
		t.Fatal(err)
	}
	all := fmt.Sprintf("%v %+v %#v %s %q %x %d %v %+v", p, p, p, p, p, p, p, &p, struct{ P Parts }{p}) + log.String() + string(encoded)
	for _, secret := range []string{"canary", fmt.Sprintf("%x", "canary"), fmt.Sprint([]byte("canary")), "Y2FuYXJ5"} {
		if strings.Contains(all, secret) {
			t.Errorf("%q is printed: %s", secret, all)
		}
	}
	if !strings.Contains(all, masked) {
		t.Errorf("no mask in %s", all)
	}
}

func TestPartsOfBothKinds(t *testing.T) {
	_, err := Parts{PKCS12: fixture(t, "ec.p12"), Key: fixture(t, "ec.key"), Password: password}.Parse()
	wantProblem(t, err, "both a PKCS#12 file and")
	_, err = Parts{}.Parse()
	wantProblem(t, err, "certificate is empty")
}
